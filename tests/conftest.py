"""Shared by all tests: torch on one thread, no network unless a test asks for the assets."""

import os
from functools import partialmethod

import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")


# How long an example takes says how busy the machine is.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_configure(config):
    import torch

    torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Whole runs come first (see --no-loadscope-reorder): no process then waits long for the last file of the other."""
    items.sort(key=lambda item: item.path.parent.name not in ("workflow", "lab_workflow", "faults"))


@pytest.fixture(scope="session")
def conda(tmp_path_factory):
    """Programs of a real conda that is made for the tests (see tests/conda), in half a minute."""
    from environments import make_conda

    return make_conda(tmp_path_factory.mktemp("conda"))


@pytest.fixture(params=[True, False], ids=["cpu-kernels", "torch-alone"])
def with_and_without_kernels(request, monkeypatch):
    """`device.cpu_kernels` as it is by default, and off: whole modules of training tests run with both."""
    from graft.training.trainer import Trainer

    monkeypatch.setattr(Trainer, "__init__", partialmethod(Trainer.__init__, with_kernels=request.param))
    return request.param
