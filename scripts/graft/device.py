"""Which device and number format a job uses: a plain rule, never a stopwatch."""

import logging
from pathlib import Path

import torch

from graft import ranks
from graft.errors import UserError

logger = logging.getLogger("graft")


def choose_device(gpus):
    """The device for a job that was given `gpus` GPUs; a GPU that was asked for and is not there is an error."""
    if not gpus:
        return torch.device("cpu")
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if seen >= gpus:
        return torch.device("cuda", ranks.number())
    reason = "this torch is built for CPUs only" if torch.version.cuda is None else f"torch sees {seen} CUDA device(s)"
    raise UserError(
        f"the job was given {gpus} GPU(s), but {reason}",
        where="device.gpus_per_job",
        hint="install the CUDA build of torch on the GPU nodes, or set device.gpus_per_job: 0 to train on CPUs",
    )


def choose_precision(precision, device):
    """'bf16' or 'fp32'. 'auto' takes bf16 where the device computes in it natively."""
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    return "bf16" if _cpu_has_bf16() else "fp32"


def _cpu_has_bf16():
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return False
    return "avx512_bf16" in flags or "amx_bf16" in flags
