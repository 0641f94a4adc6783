"""A GPU is never waited for in a step of training, and while samples are embedded: seen on a device that is not there."""

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import graft
from fake_cuda import Watch, on_fake_cuda, to_fake_cuda
from graft.common import plugins
from graft.embedding import features
from graft.embedding.engines.torch import Torch
from graft.networks.augment import draw_views
from graft.training import adapting, loop, trainer
from graft.training.objectives import kd
from graft.training.task_weights import pcgrad
from graft.training.teacher import StoredTeacher
from student_lab import Lab, untrained
from unit import test_several_targets as several
from unit import test_trainer

ROOT = next(iter(graft.__path__))
GPU = torch.device("cuda")
STEPS = 3  # of which the first may copy what stays on the device


class NoBackward:
    """Of accelerate's Accelerator what the loop needs; gradients cannot be computed on this device."""

    def __init__(self, **_):
        self.autocast = lambda: torch.autocast("cuda", torch.bfloat16)

    def prepare(self, *things):
        return things

    def backward(self, loss):
        assert loss.requires_grad and loss.device.type == "cuda"

    def clip_grad_norm_(self, parameters, norm):
        pass


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return Lab(tmp_path_factory.mktemp("images"), pool=4)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    return test_trainer.text_lab(tmp_path_factory.mktemp("texts"))


@contextmanager
def watched(monkeypatch):
    """The fake device, with the loop's steps watched: yields the Watch after them, through `fit`."""
    monkeypatch.setattr("accelerate.Accelerator", NoBackward)
    monkeypatch.setattr("accelerate.DistributedDataParallelKwargs", lambda **_: None)
    monkeypatch.setattr(trainer, "place", lambda network, device, layout: to_fake_cuda(network))
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_, **__: to_fake_cuda(module))
    watch = Watch(ROOT)

    def steps(problem, settings, seed, states, mode):
        of = loop._Loop(problem, settings, seed, states, mode)
        groups = problem.batches(0)[:STEPS]
        assert len(groups) == STEPS
        ready = (problem.read(indices, 0) for group in groups for indices in group)
        with watch:
            for number, group in enumerate(groups):
                if number == 1:
                    watch.copies.clear()
                of._step(group, ready)
        return []

    monkeypatch.setattr(loop, "fit", steps)
    with on_fake_cuda(monkeypatch):
        yield watch


def on_gpu(run):
    """A trainer whose data are read, on the fake device."""
    run.data.targets, run.data.inputs, run.data.rows  # noqa: B018  cached: none of it is the device's
    run.device, run.precision = GPU, "bf16"
    return run


def waiting_copies(run, monkeypatch, **how):
    """Where the steps of a training wait for the GPU: Counter; `how` is what `fit` takes."""
    with watched(monkeypatch) as watch:
        on_gpu(run).fit(**how)
    return watch.copies


@pytest.mark.parametrize("augment", ["none", "flip", "dihedral", "standard", "zoom"])
def test_no_step_on_images_waits(images, monkeypatch, augment):
    assert not waiting_copies(images.student(augment=augment, batch_size=4), monkeypatch)


def test_no_step_on_texts_waits(texts, tmp_path, monkeypatch):
    assert not waiting_copies(test_trainer.text_trainer(texts, tmp_path, batch_size=4), monkeypatch)


@pytest.mark.parametrize("weights", ["equal", "uncertainty"])
def test_no_step_on_several_targets_of_which_some_lack_labels_waits(tmp_path, monkeypatch, weights):
    run = several.Lab(tmp_path, several.table()).trainer(batch_size=16, task_weights=weights)
    assert not all(target.known.all() for target in run.data.targets.values())
    assert not waiting_copies(run, monkeypatch)


def test_gradients_are_projected_without_waiting(monkeypatch):
    order = SimpleNamespace(tolist=lambda: [0, 1, 2])  # drawn on the CPU; here it would have no values
    monkeypatch.setattr(torch, "randperm", lambda _: order)
    with on_fake_cuda(monkeypatch), Watch(ROOT) as watch:
        pcgrad.projected([torch.empty(4, device="cuda") for _ in range(3)])
    assert not watch.copies


OBJECTIVES = [
    name
    for name in plugins.names("adaptation_objective")
    if hasattr(plugins.load("adaptation_objective", name), "Objective")
]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_no_step_of_adaptation_waits(images, monkeypatch, objective):
    run = on_gpu(images.student(batch_size=4))
    run.data.settings |= {"method": objective, "adaptation_weight": 1.0, "validator": "entropy", "mcc_temperature": 2.0}
    domain, method = (
        SimpleNamespace(rows=run.data.rows, inputs=run.data.inputs),
        plugins.load("adaptation_objective", objective),
    )
    with watched(monkeypatch) as watch:
        start = trainer.Trained(run.untrained(), [])
        run.run(adapting.Adapting(run, domain, start.network, method).problem(run.problem(start)))
    assert not watch.copies


def test_no_step_of_distillation_waits(images, monkeypatch):
    run = images.student(batch_size=4)
    teacher = StoredTeacher(lambda seed: {"label": np.zeros((len(run.data.taught), 2))}, GPU)
    assert not waiting_copies(run, monkeypatch, losses=kd.losses, teacher=teacher)


def test_while_samples_are_embedded_only_a_batch_that_was_followed_by_another_is_waited_for(images, monkeypatch):
    inputs, order = images.student().data.inputs, []
    with on_fake_cuda(monkeypatch):
        engine = Torch(lambda: to_fake_cuda(untrained()), GPU, "bf16")
        engine.batch, start = (8, 4096), partial(Torch.start.__wrapped__, engine)  # inference mode needs a driver

        def noted(*batch):
            order.append("start")
            with torch.no_grad():
                take = start(*batch)
            return lambda: order.append("take") or take()

        engine.start = noted
        start(inputs, np.arange(2))  # what stays on the device
        order.clear()
        with Watch(ROOT) as watch:
            features.forward(engine, inputs, views=draw_views("standard", ["0" * 64] * len(inputs.lengths), (0, 0)))
    batches = -(-len(inputs.lengths) // 8)
    assert batches > 2 and not watch.copies
    assert order == ["start", *["start", "take"] * (batches - 1), "take"]


@pytest.mark.parametrize(
    ("waits", "where"),
    [
        (lambda: torch.ones(3).to("cuda"), "cpu -> cuda"),
        (lambda: torch.ones(3).to("cuda", non_blocking=True), "cpu -> cuda"),  # not pinned
        (lambda: torch.empty(3, device="cuda").cpu(), "cuda -> cpu"),
        (lambda: torch.empty(3, device="cuda")[torch.tensor([0, 2])], "cpu -> cuda"),
        (lambda: torch.empty(3, device="cuda")[np.array([0, 2])], "cpu -> cuda"),
    ],
)
def test_what_waits_is_counted(monkeypatch, waits, where):
    with on_fake_cuda(monkeypatch), Watch(__file__) as watch:
        waits()
    assert [kind for kind, _ in watch.copies] == [where]
