"""Which device and number format a job uses: a plain rule, never a stopwatch."""

import logging
from pathlib import Path

from graft.common import ranks
from graft.common.errors import UserError

logger = logging.getLogger("graft")


def choose_device(gpus):
    """The device for a job that was given `gpus` GPUs; a GPU that was asked for and is not there is an error."""
    import torch  # here and below, since a job that torch computes nothing for does without it

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
    """'bf16' or 'fp32'. 'auto' takes bf16 where the device computes in it natively. `device` None is the CPU.

    Raises
    ------
    UserError
        If the device cannot compute in the precision that is asked for.
    """
    on_cpu = device is None or device.type == "cpu"
    if precision != "auto":
        if precision == "bf16" and on_cpu and not (_cpu_has_bf16() or _cpu_convolves_in_bf16()):
            raise UserError(
                "this processor cannot compute networks in bfloat16 (it has no AVX-512)",
                where="precision: bf16",
                allowed="fp32, auto",
                hint="take the line out: `auto` takes bf16 on the machines that have it",
            )
        return precision
    if not on_cpu:
        import torch

        return "bf16" if torch.cuda.get_device_capability() >= (8, 0) else "fp32"
    return "bf16" if _cpu_has_bf16() else "fp32"


def precisions(device):
    """The number formats that a device can compute any network in."""
    return ("fp32", "bf16") if device.type != "cpu" or _cpu_convolves_in_bf16() else ("fp32",)


def _cpu_convolves_in_bf16():
    """oneDNN refuses bfloat16 convolutions where the processor lacks AVX-512; other products it would compute slowly."""
    import torch

    return not torch.backends.mkldnn.is_available() or torch.ops.mkldnn._is_mkldnn_bf16_supported()


def _cpu_has_bf16():
    return processor() != "fp32"


def processor():
    """The instructions for bfloat16 that this processor has: 'amx_bf16', 'avx512_bf16' or 'fp32' (none)."""
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:
        return "fp32"
    return next((name for name in ("amx_bf16", "avx512_bf16") if name in flags), "fp32")
