"""The training loop: what it keeps, what it freezes, and that an interruption changes nothing."""

import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from scipy.special import log_softmax
from sklearn.utils.class_weight import compute_sample_weight
from torch import nn
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torchvision import models
from transformers import AutoConfig, AutoModel

from graft.common.errors import UserError
from graft.heads.losses import class_weights, mean_of
from graft.networks.network import Network, weights_digest
from graft.targets.kinds import classification
from graft.training import loop, optimizer
from graft.training.batch_order import read_ahead, shuffled_batches
from graft.training.compiled import compiled
from graft.training.data import TrainingData
from graft.training.state import StateFiles

SETTINGS = {
    "epochs": 3,
    "lr": 1e-2,
    "head_lr": 1e-2,
    "weight_decay": 0.05,
    "warmup": 0.1,
    "clip_norm": 1.0,
    "patience": 10,
    "freeze_batchnorm": False,
    "save_every": 0,
}
DRAW = np.random.default_rng(0)
FEATURES = torch.from_numpy(DRAW.normal(size=(40, 6)).astype(np.float32))
LABELS = torch.from_numpy((DRAW.normal(size=40) + FEATURES[:, 0].numpy() > 0).astype(np.int64))


class Backbone(nn.Sequential):
    """Everything that has state or randomness: weights, BatchNorm statistics, dropout."""

    width, modality, spec = 5, "vector", {"weights_sha256": "0"}

    def __init__(self):
        super().__init__(nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Dropout(0.5))


def network():
    torch.manual_seed(0)
    return Network(Backbone(), {"y": 2}, dropout=0.3)


def run(folder, stop_after=None, stop=None, loss_of=None, evaluate=None, start=False, **settings):
    """Train; at the `stop_after`-th forward call `stop`."""
    forwards = [0]

    def objective(model, indices, progress):
        forwards[0] += 1
        if forwards[0] == stop_after:
            stop()
        loss = nn.functional.cross_entropy(model(FEATURES[indices])["y"], LABELS[indices])
        return loss_of(loss, forwards[0]) if loss_of else loss

    def validation(model):
        with torch.no_grad():
            return {"val_loss": float(nn.functional.cross_entropy(model(FEATURES)["y"], LABELS))}

    model = network()
    batches = shuffled_batches(np.ones(40), 8, seed=1, accumulate=2)
    problem = loop.Problem(
        model,
        batches,
        lambda indices, epoch: indices,
        objective,
        evaluate or validation,
        start,
    )
    history = loop.fit(problem, SETTINGS | settings, 1, StateFiles(folder, "f"), loop.Mode(torch.device("cpu"), "fp32"))
    return weights_digest(model.state_dict()), history, forwards[0]


class Killed(BaseException):
    pass


def kill():
    raise Killed


@pytest.mark.parametrize("stop_after", range(1, 19))
def test_killed_at_any_forward_and_run_again_it_ends_with_the_same_weights_and_history(tmp_path, stop_after):
    undisturbed = run(tmp_path / "whole")
    with pytest.raises(Killed):
        run(tmp_path / "cut", stop_after, kill)
    digest, history, _ = run(tmp_path / "cut")
    assert (digest, history) == undisturbed[:2]


def test_what_was_done_before_a_kill_is_not_done_again(tmp_path):
    with pytest.raises(Killed):
        run(tmp_path, 12, kill)
    assert run(tmp_path)[2] == 18 - 10


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ahead_of_the_end_saves_the_state_and_leads_to_a_requeue(tmp_path, number, heeded):
    undisturbed = run(tmp_path / "whole")
    with pytest.raises(SystemExit) as stopped:
        run(tmp_path / "cut", 5, lambda: os.kill(os.getpid(), number), save_every=10**6)
    assert stopped.value.code == 128 + number
    assert run(tmp_path / "cut")[:2] == undisturbed[:2]


@pytest.fixture
def heeded():
    """Ctrl-C and a hang-up have their usual effect, although a shell in the background has set them aside."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_ctrl_c_once_more_ends_a_training_at_once_and_after_it_all_is_as_before(heeded):
    with loop.termination() as told:
        os.kill(os.getpid(), signal.SIGINT)
        assert told() == signal.SIGINT
        assert signal.getsignal(signal.SIGINT) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler


def test_what_a_shell_has_set_aside_stays_so(heeded):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with loop.termination() as told:
        os.kill(os.getpid(), signal.SIGINT)
        assert not told()


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


@pytest.mark.parametrize(("patience", "epochs"), [(1, 2), (3, 4), (None, 6)])
def test_training_stops_after_as_many_epochs_without_a_better_loss_as_its_patience(tmp_path, patience, epochs):
    losses = iter([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    _, history, _ = run(tmp_path, evaluate=lambda model: {"val_loss": next(losses)}, epochs=6, patience=patience)
    assert len(history) == epochs


@pytest.mark.parametrize("start_is_better", [True, False])
def test_a_solved_head_is_kept_unless_an_epoch_betters_it(tmp_path, start_is_better, caplog):
    """`lp_ft` once ended at a validation loss of 0.111, from a head of 0.073."""
    seen, losses = [], [0.073 if start_is_better else 0.2, 0.3, 0.111, 0.5]

    def evaluate(model):
        assert not model.training
        seen.append(weights_digest(model.state_dict()))
        return {"val_loss": losses[len(seen) - 1]}

    with caplog.at_level("INFO"):
        digest, history, _ = run(tmp_path, evaluate=evaluate, start=True)
    assert [row["epoch"] for row in history] == [0, 1, 2, 3] and history[0]["val_loss"] == losses[0]
    assert digest == seen[0 if start_is_better else 2] and seen[0] == weights_digest(network().state_dict())
    assert ("stays as it was" in caplog.text) == start_is_better


def test_patience_counts_trained_epochs_and_not_from_the_solved_head(tmp_path):
    losses = iter([0.1, 0.9, 0.8, 0.7, 0.6])
    assert len(run(tmp_path, evaluate=lambda _: {"val_loss": next(losses)}, start=True, epochs=4, patience=1)[1]) == 5


@pytest.mark.parametrize("stop_after", [1, 4, 9, 18])
def test_a_training_from_a_solved_head_that_was_killed_ends_with_the_same_history(tmp_path, stop_after):
    undisturbed = run(tmp_path / "whole", start=True)
    with pytest.raises(Killed):
        run(tmp_path / "cut", stop_after, kill, start=True)
    digest, history, _ = run(tmp_path / "cut", start=True)
    assert digest == undisturbed[0]
    np.testing.assert_equal(history, undisturbed[1])  # no training loss of epoch 0: NaN


class OneNumberPerSample(nn.Module):
    """Its loss on a batch is the mean of the batch's own numbers: their gradients are the samples' weights."""

    def __init__(self, count):
        super().__init__()
        self.numbers = nn.Parameter(torch.zeros(count))


@pytest.mark.parametrize("count", [97, 129, 5, 1])
@pytest.mark.parametrize("lengths", ["equal", "varied"])
@pytest.mark.parametrize(("batch_size", "accumulate"), [(32, 4), (32, 1), (1, 2), (4, 8)])
def test_every_sample_weighs_the_same_in_the_gradients_of_an_epoch(tmp_path, count, lengths, batch_size, accumulate):
    """97 samples in batches of 32: the last batch is one sample, which once weighed 32 times the others."""
    tokens = np.ones(count) if lengths == "equal" else np.arange(count) % 50 + 3
    batches, seen = shuffled_batches(tokens, batch_size, 0, accumulate), []

    def note(optimizer, *_):
        seen.append(optimizer.param_groups[0]["params"][0].grad.clone())

    def objective(model, indices, progress):
        assert len(indices) <= batch_size
        return model.numbers[torch.from_numpy(indices)].mean() + 1

    hook = register_optimizer_step_pre_hook(note)
    try:
        settings = SETTINGS | {"epochs": 1, "clip_norm": None, "lr": 1e-12}
        read, evaluate = lambda indices, epoch: indices, lambda model: {"val_loss": 1.0}
        problem = loop.Problem(OneNumberPerSample(count), batches, read, objective, evaluate)
        mode = loop.Mode(torch.device("cpu"), "fp32")
        loss = loop.fit(problem, settings, 0, StateFiles(tmp_path, "f"), mode)[0]["train_loss"]
    finally:
        hook.remove()
    steps = -(-count // (batch_size * accumulate))
    assert len(seen) == steps == len(batches(0)) and loss == pytest.approx(1)
    assert all(len(step) <= accumulate for step in batches(0))
    torch.testing.assert_close(sum(seen), torch.full((count,), steps / count))
    assert max((one > 0).sum() for one in seen) - min((one > 0).sum() for one in seen) <= accumulate


RARE = (DRAW.permutation(500) < 10).astype(np.int64)  # a class of 2 %


def balanced_loss(logits, smoothing=0.0, accumulate=1):
    """What an epoch minimises in batches of 16, most of which have no row of the rare class."""
    labels, losses = torch.from_numpy(RARE), classification.losses
    weights, settings = class_weights_of(RARE, 2), {"label_smoothing": smoothing}
    batches = [b for step in shuffled_batches(np.ones(500), 16, 0, accumulate)(0) for b in step]
    return sum(float(mean_of(losses(logits[b], labels[b], settings, weights), len(b))) * len(b) for b in batches) / 500


def class_weights_of(labels, classes):
    """The class weights of train rows with these labels, beside one validation row of class 0 for every three."""
    between = np.arange(0, len(labels), 3)
    data = TrainingData({"targets": ["y"], "class_weights": "balanced"}, *[None] * 4)
    targets = {"y": {"kind": "classification", "classes": list("abc")[:classes]}}
    codes, splits = (
        np.insert(one, between, new)
        for one, new in ((labels, 0), (np.full(len(labels), "train", object), "validation"))
    )
    manifest = SimpleNamespace(targets=targets, codes=lambda target, rows: codes)
    vars(data).update(rows=None, splits=splits, manifest=manifest)
    return class_weights(data.targets["y"].class_counts)


def test_a_rare_class_has_half_of_a_balanced_loss_whatever_batches_its_rows_are_in():
    untrained = torch.zeros(500, 2, dtype=torch.float64)
    learnt = torch.where(torch.from_numpy(RARE)[:, None] == 1, torch.tensor([-50.0, 50.0]).double(), untrained)
    assert balanced_loss(learnt) / balanced_loss(untrained) == pytest.approx(0.5)


@pytest.mark.parametrize("smoothing", [0, 0.1])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_a_balanced_loss_is_that_of_scikit_learns_sample_weights(smoothing, accumulate):
    logits = torch.from_numpy(DRAW.normal(size=(500, 2)))
    softened = np.eye(2)[RARE] * (1 - smoothing) + smoothing / 2
    losses = -(softened * log_softmax(logits.numpy(), axis=1)).sum(1)
    wanted = np.average(losses, weights=compute_sample_weight("balanced", RARE))
    assert balanced_loss(logits, smoothing, accumulate) == pytest.approx(wanted)


def test_a_class_without_train_rows_takes_no_weight_from_the_others():
    weights = class_weights_of(np.array([0] * 90 + [2] * 10), 3)
    assert weights[[0, 2]].tolist() == pytest.approx([100 / 180, 5])


@pytest.mark.parametrize("save_every", [0, 10**6])
def test_a_loss_that_is_not_finite_ends_with_the_epoch_and_what_to_do(tmp_path, save_every):
    with pytest.raises(UserError, match="epoch 2(.|\n)*lower lr"):
        run(tmp_path, loss_of=lambda loss, n: loss * (float("nan") if n == 7 else 1), save_every=save_every)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_every_step_has_its_rate_and_a_gradient_no_longer_than_the_clip(tmp_path, clip_norm):
    """9 steps: one of warm-up, then half a cosine; the loss is taken 100 times, so every gradient is long."""
    rates, norms = [], []

    def note(optimizer, *_):
        parameters = [one for group in optimizer.param_groups for one in group["params"]]
        norms.append(float(torch.stack([one.grad.square().sum() for one in parameters]).sum().sqrt()))
        rates.append([group["lr"] for group in optimizer.param_groups])

    hook = register_optimizer_step_pre_hook(note)
    try:
        run(tmp_path, loss_of=lambda loss, n: 100 * loss, clip_norm=clip_norm, lr=0.01, head_lr=0.03)
    finally:
        hook.remove()
    factors = np.concatenate([[1], 0.5 * (1 + np.cos(np.pi * np.arange(8) / 8))])
    assert {tuple(sorted(set(one))) for one in rates} == {(f * 0.01, f * 0.03) for f in factors.tolist()}
    assert norms == pytest.approx([0.5] * 9, rel=1e-4) if clip_norm else min(norms) > 1


def test_norms_and_biases_do_not_decay_and_heads_have_their_own_rate():
    model = network()
    groups = optimizer.parameter_groups(model, SETTINGS | {"lr": 1.0, "head_lr": 2.0})
    found = {id(p): (group["lr"], group["weight_decay"]) for group in groups for p in group["params"]}
    for name, parameter in model.named_parameters():
        assert found[id(parameter)] == (2.0 if "heads" in name else 1.0, 0.05 if parameter.ndim > 1 else 0.0)


def names_of(network, decaying):
    found = optimizer.parameter_groups(network, SETTINGS)
    chosen = {id(p) for group in found for p in group["params"] if (group["weight_decay"] > 0) == decaying}
    return {name for name, parameter in network.named_parameters() if id(parameter) in chosen}


@pytest.mark.parametrize(
    "name", ["test_vit", "swin_tiny_patch4_window7_224", "levit_128", "coat_tiny", "test_convnext"]
)
def test_timms_networks_decay_what_timm_lets_decay(name):
    with torch.device("meta"):
        network = timm.create_model(name, num_classes=0)
    listed = getattr(network, "no_weight_decay", set)()
    spared = {n for n, p in network.named_parameters() if p.ndim < 2 or any(part in n for part in listed)}
    assert names_of(network, False) == spared and names_of(network, True)


@pytest.mark.parametrize(
    ("kind", "spared", "decaying"),
    [
        ("bert", {"embeddings.position_embeddings.weight"}, "embeddings.word_embeddings.weight"),
        ("gpt2", {"wpe.weight"}, "h.0.attn.c_attn.weight"),
        ("mpnet", {"embeddings.position_embeddings.weight", "encoder.relative_attention_bias.weight"}, "pooler.dense.weight"),
        ("deberta-v2", {"embeddings.position_embeddings.weight", "encoder.rel_embeddings.weight"}, "encoder.layer.0.attention.self.query_proj.weight"),
        ("opt", {"decoder.embed_positions.weight"}, "decoder.layers.0.fc1.weight"),
    ],
)  # fmt: skip
def test_transformers_tables_of_positions_do_not_decay(kind, spared, decaying):
    more = {"relative_attention": True, "position_buckets": 8} if kind == "deberta-v2" else {}
    with torch.device("meta"):
        network = AutoModel.from_config(AutoConfig.for_model(kind, num_hidden_layers=1, **more))
    assert {n for n, p in network.named_parameters() if p.ndim > 1} - names_of(network, True) == spared
    assert decaying in names_of(network, True)


def test_torchvisions_tokens_tables_and_scales_do_not_decay():
    with torch.device("meta"):
        vit, swin, convnext = (models.get_model(name) for name in ("vit_b_16", "swin_t", "convnext_tiny"))
    assert {"class_token", "encoder.pos_embedding"} < names_of(vit, False)
    assert "encoder.layers.encoder_layer_0.self_attention.in_proj_weight" in names_of(vit, True)
    assert "features.1.0.attn.relative_position_bias_table" in names_of(swin, False)
    assert "features.1.0.layer_scale" in names_of(convnext, False)


def test_frozen_parts_stay_in_eval_mode():
    model = network()
    model.backbone[0].requires_grad_(False)
    model.backbone[1].requires_grad_(False)
    loop.set_train(model, freeze_batchnorm=False)
    assert not model.backbone[1].training and model.backbone[3].training
    loop.set_train(network_ := network(), freeze_batchnorm=True)
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
    batches = shuffled_batches(DRAW.integers(5, 60, 103), 8, seed=3)
    first, second = (np.concatenate([b for (b,) in batches(epoch)]) for epoch in (0, 1))
    assert sorted(first) == sorted(second) == list(range(103))
    assert list(first) != list(second)
    assert list(first) == list(np.concatenate([b for (b,) in batches(0)]))


def test_batches_of_texts_hold_texts_of_similar_length():
    lengths = DRAW.integers(5, 128, 800)
    padded = sum(lengths[batch].max() * len(batch) for (batch,) in shuffled_batches(lengths, 16, seed=0)(0))
    assert padded < 1.05 * lengths.sum()


def test_the_rate_warms_up_and_ends_at_zero():
    factor = optimizer.warmup_and_cosine(100, 0.1)
    assert factor(0) == pytest.approx(0.1) and factor(9) == pytest.approx(1.0) and factor(100) == pytest.approx(0.0)


def test_batches_are_read_one_ahead_and_in_order():
    read = []
    ready = read_ahead(lambda item: read.append(item) or item * 10, range(5))
    assert next(ready) == 0
    assert list(ready) == [10, 20, 30, 40] and read == list(range(5))


def test_a_batch_that_cannot_be_read_ends_the_training_with_its_reason():
    def read(item):
        if item == 2:
            raise UserError("no such image", where="2.png")
        return item

    ready = read_ahead(read, range(5))
    assert [next(ready), next(ready)] == [0, 1]
    with pytest.raises(UserError, match=r"2\.png"):
        next(ready)


def compiled_by(monkeypatch, compiler):
    monkeypatch.setattr(torch, "compile", compiler)
    model = network()
    before = weights_digest(model.state_dict())
    found = compiled(model, FEATURES[:2], torch.device("cpu"), "fp32")
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
