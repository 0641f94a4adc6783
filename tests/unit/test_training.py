"""The training loop: what it keeps, what it freezes, and that an interruption changes nothing."""

import math
import os
import signal

import numpy as np
import pytest
import torch
from torch import nn

from graft import kernels, training
from graft.errors import UserError
from graft.network import Network, weights_digest
from graft.state import State

SETTINGS = {
    "epochs": 3,
    "lr": 1e-2,
    "head_lr": 1e-2,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "accumulate": 2,
    "clip_norm": 1.0,
    "patience": 10,
    "freeze_batchnorm": False,
    "save_every": 0,
}
DRAW = np.random.default_rng(0)
FEATURES = torch.from_numpy(DRAW.normal(size=(40, 6)).astype(np.float32))
LABELS = torch.from_numpy((DRAW.normal(size=40) + FEATURES[:, 0].numpy() > 0).astype(np.int64))
STEPS = 3 * math.ceil(math.ceil(40 / 8) / 2)


class Backbone(nn.Sequential):
    """Everything that has state or randomness: weights, BatchNorm statistics, dropout."""

    width, modality, spec = 5, "vector", {"weights_sha256": "0"}

    def __init__(self):
        super().__init__(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5))


def network():
    torch.manual_seed(0)
    return Network(Backbone(), {"y": 2}, dropout=0.3)


def run(folder, stop_after=None, stop=None, loss_of=None, evaluate=None, **settings):
    """Train; at the `stop_after`-th forward call `stop`."""
    forwards = [0]

    def objective(model, indices):
        forwards[0] += 1
        if forwards[0] == stop_after:
            stop()
        loss = nn.functional.cross_entropy(model(FEATURES[indices])["y"], LABELS[indices])
        return loss_of(loss, forwards[0]) if loss_of else loss

    def validation(model):
        with torch.no_grad():
            return {"val_loss": float(nn.functional.cross_entropy(model(FEATURES)["y"], LABELS))}

    model = network()
    batches = training.shuffled_batches(np.ones(40), 8, seed=1)
    history = training.fit(
        model,
        batches,
        lambda indices, epoch: indices,
        objective,
        evaluate or validation,
        SETTINGS | settings,
        1,
        State(folder, "f"),
        torch.device("cpu"),
        "fp32",
    )
    return weights_digest(model.state_dict()), history, forwards[0]


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.mark.parametrize("stop_after", range(1, 16))
def test_killed_at_any_forward_and_run_again_it_ends_with_the_same_weights_and_history(tmp_path, stop_after):
    undisturbed = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", stop_after, kill)
    digest, history, _ = run(tmp_path / "cut")
    assert (digest, history) == undisturbed[:2]


def test_what_was_done_before_a_kill_is_not_done_again(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, 12, kill)
    assert run(tmp_path)[2] == 15 - 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_ahead_of_the_end_saves_the_state_and_leads_to_a_requeue(tmp_path, number):
    undisturbed = run(tmp_path / "whole")
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "cut", 5, lambda: os.kill(os.getpid(), number), save_every=10**6)
    assert stopped.value.code == 128 + number
    assert run(tmp_path / "cut")[:2] == undisturbed[:2]


def test_the_best_weights_are_the_ones_kept_not_the_last(tmp_path):
    seen = []

    def evaluate(model):
        seen.append(weights_digest(model.state_dict()))
        return {"val_loss": [0.5, 0.1, 0.9][len(seen) - 1]}

    digest, _, _ = run(tmp_path, evaluate=evaluate)
    assert digest == seen[1] and len(set(seen)) == 3


def test_the_loss_after_calibration_decides_where_there_is_one(tmp_path):
    seen = []

    def evaluate(model):
        seen.append(weights_digest(model.state_dict()))
        place = len(seen) - 1
        return {"val_loss": [0.1, 0.5, 0.9][place], "val_loss_calibrated": [0.3, 0.2, 0.1][place]}

    assert run(tmp_path, evaluate=evaluate)[0] == seen[2]


def test_training_stops_when_validation_gets_no_better_for_longer_than_its_patience(tmp_path):
    losses = iter([0.5, 0.6, 0.7, 0.8, 0.9])
    _, history, _ = run(tmp_path, evaluate=lambda model: {"val_loss": next(losses)}, epochs=10, patience=2)
    assert len(history) == 4


def test_a_loss_that_is_not_finite_ends_with_the_epoch_and_what_to_do(tmp_path):
    with pytest.raises(UserError, match="epoch 2(.|\n)*lower lr"):
        run(tmp_path, loss_of=lambda loss, n: loss * (math.nan if n == 7 else 1))


def test_norms_and_biases_do_not_decay_and_heads_have_their_own_rate():
    model = network()
    groups = training.parameter_groups(model, SETTINGS | {"lr": 1.0, "head_lr": 2.0})
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert found[id(parameter)] == (2.0 if "heads" in name else 1.0, 0.05 if parameter.ndim > 1 else 0.0)


def test_frozen_parts_stay_in_eval_mode():
    model = network()
    model.backbone[0].requires_grad_(False)
    model.backbone[1].requires_grad_(False)
    training.set_train(model, freeze_batchnorm=False)
    assert not model.backbone[1].training and model.backbone[3].training
    training.set_train(network_ := network(), freeze_batchnorm=True)
    assert not network_.backbone[1].training


def test_frozen_batchnorm_keeps_its_statistics(tmp_path):
    before = network().backbone[1].running_mean.clone()
    kept = []
    run(
        tmp_path,
        freeze_batchnorm=True,
        evaluate=lambda m: kept.append(m.backbone[1].running_mean.clone()) or {"val_loss": 1.0},
    )
    assert all(torch.equal(before, mean) for mean in kept)


def test_every_epoch_sees_every_sample_once_in_its_own_order():
    batches = training.shuffled_batches(DRAW.integers(5, 60, 103), 8, seed=3)
    first, second = (np.concatenate(batches(epoch)) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(103))
    assert list(first) != list(second)
    assert list(first) == list(np.concatenate(batches(0)))


def test_batches_of_texts_hold_texts_of_similar_length():
    lengths = DRAW.integers(5, 128, 800)
    padded = sum(lengths[batch].max() * len(batch) for batch in training.shuffled_batches(lengths, 16, seed=0)(0))
    assert padded < 1.05 * lengths.sum()


def test_the_rate_warms_up_and_ends_at_zero():
    factor = training.warmup_and_cosine(100, 0.1)
    assert factor(0) == pytest.approx(0.1) and factor(9) == pytest.approx(1.0) and factor(100) == pytest.approx(0.0)


def test_batches_are_read_one_ahead_and_in_order():
    read = []
    ready = training.read_ahead(lambda item: read.append(item) or item * 10, range(5))
    assert next(ready) == 0
    assert list(ready) == [10, 20, 30, 40] and read == list(range(5))


def test_a_batch_that_cannot_be_read_ends_the_training_with_its_reason():
    def read(item):
        if item == 2:
            raise UserError("no such image", where="2.png")
        return item

    ready = training.read_ahead(read, range(5))
    assert [next(ready), next(ready)] == [0, 1]
    with pytest.raises(UserError, match=r"2\.png"):
        next(ready)


def compiled_by(monkeypatch, compiler):
    monkeypatch.setattr(torch, "compile", compiler)
    model = network()
    before = weights_digest(model.state_dict())
    found = kernels.compiled(model, FEATURES[:2], torch.device("cpu"), "fp32")
    assert weights_digest(model.state_dict()) == before
    assert all(parameter.grad is None for parameter in model.parameters())
    return model, found


def test_a_network_that_cannot_be_compiled_is_trained_as_it_is(monkeypatch, caplog):
    def broken(model):
        def call(inputs):
            raise RuntimeError("no C++ compiler")

        return call

    with caplog.at_level("INFO"):
        model, found = compiled_by(monkeypatch, broken)
    assert found is model and "no C++ compiler" in caplog.text


def test_a_network_whose_gradients_cannot_be_compiled_is_trained_as_it_is(monkeypatch, caplog):
    with caplog.at_level("INFO"):
        model, found = compiled_by(monkeypatch, lambda model: lambda inputs: {"y": model(inputs)["y"].detach()})
    assert found is model and "torch.compile failed" in caplog.text


def test_trying_a_compiled_network_leaves_no_trace_in_it(monkeypatch):
    model, found = compiled_by(monkeypatch, lambda model: lambda inputs: model(inputs))
    assert found is not model
