"""A job that was given a GPU computes on it, or says at once why it cannot."""

import pytest
import torch

from graft.common import device as graft_device
from graft.common.device import choose_device, choose_precision, precisions
from graft.common.errors import UserError


def seeing(monkeypatch, devices, cuda="12.8"):
    monkeypatch.setattr(torch.version, "cuda", cuda)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: devices > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: devices)


def test_a_job_without_gpus_computes_on_the_cpu_whatever_the_node_has(monkeypatch):
    seeing(monkeypatch, devices=4)
    assert choose_device(0) == torch.device("cpu")


def test_a_rank_takes_its_own_gpu(monkeypatch):
    seeing(monkeypatch, devices=2)
    assert choose_device(1) == torch.device("cuda", 0)
    monkeypatch.setenv("GRAFT_RANKS", "2")
    monkeypatch.setenv("RANK", "1")
    assert choose_device(2) == torch.device("cuda", 1)


@pytest.mark.parametrize(
    "devices, cuda, reason",
    [(0, None, "built for CPUs only"), (0, "12.8", "sees 0 CUDA device"), (1, "12.8", "sees 1 CUDA device")],
)
def test_a_gpu_that_is_not_there_is_an_error_that_says_what_to_do(monkeypatch, devices, cuda, reason):
    seeing(monkeypatch, devices, cuda)
    with pytest.raises(UserError, match=reason) as error:
        choose_device(2)
    assert "gpus_per_job" in str(error.value) and "CUDA build of torch" in str(error.value)


def test_bfloat16_is_refused_on_a_processor_without_it_and_the_hint_works(monkeypatch):
    cpu = torch.device("cpu")
    for name in ("_cpu_convolves_in_bf16", "_cpu_has_bf16"):
        monkeypatch.setattr(graft_device, name, lambda: False)
    with pytest.raises(UserError, match="cannot compute networks in bfloat16") as error:
        choose_precision("bf16", cpu)
    assert "auto" in error.value.allowed and choose_precision("fp32", cpu) == "fp32"
    assert choose_precision("bf16", torch.device("cuda")) == "bf16"
    monkeypatch.undo()
    assert choose_precision("auto", cpu) in precisions(cpu)


def test_what_is_called_possible_on_this_processor_is():
    network, images = torch.nn.Conv2d(3, 8, 3), torch.randn(1, 3, 8, 8)
    for precision in precisions(torch.device("cpu")):
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            assert torch.isfinite(network(images)).all()
