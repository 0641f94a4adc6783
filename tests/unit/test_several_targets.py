"""Several targets of one network: what a step minimises, what a missing label does, and how the losses become one."""

from itertools import permutations, product
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import approx_fprime
from scipy.special import log_softmax
from sklearn.metrics import log_loss
from torch import nn

import finetune
from graft import config as graft_config
from graft.common.outputs import write_json
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_source
from graft.networks import network
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training import loop
from graft.training.data import TrainingData
from graft.training.state import StateFiles
from graft.training.task_weights import pcgrad, uncertainty
from graft.training.trainer import Trainer

ROWS, WIDTH = 80, 5
TARGETS = {"kind": {"classes": ["x", "y", "z"]}, "size": {"kind": "regression"}}
COLUMNS = {"id": "id", "features": "x*", "split": "split"}
SPEC = {"name": "tiny", "library": "vectors", "architecture": "identity", "modality": "vector", "preprocessing": {}}

pytestmark = pytest.mark.usefixtures("with_and_without_kernels")


class Tiny(nn.Sequential):
    """A network with weights, for vectors."""

    width, modality, spec = WIDTH, "vector", {**SPEC, "weights_sha256": "0"}

    def __init__(self, **_):
        torch.manual_seed(5)
        super().__init__(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Dropout(0.2))


def table(missing=("kind", "size")):
    """Vectors with a class and a number; a third of the labels of each of `missing` is not known."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS, WIDTH)).round(3)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(WIDTH)]).assign(id=[f"s{i}" for i in range(ROWS)])
    frame["split"] = np.array(["train", "train", "validation", "train", "test"])[np.arange(ROWS) % 5]
    frame["kind"] = np.array(list("xyz"), object)[(x[:, 0] + draw.normal(size=ROWS) > 0).astype(int) + (x[:, 1] > 0.5)]
    frame["size"] = (30 + 7 * x[:, 2] + draw.normal(size=ROWS)).round(3)
    for name in missing:
        frame.loc[draw.choice(ROWS, ROWS // 3, replace=False), name] = None
    return frame


class Lab:
    """The table, prepared, and trainers on it."""

    def __init__(self, folder, frame, **settings):
        self.folder, root = folder, folder / "cells"
        root.mkdir(parents=True)
        frame.to_csv(root / "t.csv", index=False)
        entry = {"table": "t.csv", "columns": COLUMNS, "targets": TARGETS}
        model = {"dataset": "cells", "targets": list(TARGETS), "backbone": "vectors", "method": "linear", **settings}
        config = {"datasets": {"cells": {"source": {"path": "cells"}, **entry}}, "finetune": {"e": model}}
        self.entry, self.models = complete(entry), graft_config.make_plan(graft_config.load(config)).models
        names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
        write(prepare("cells", self.entry, root), {key: folder / name for key, name in names.items()})
        write_json(folder / "dataset.json", {"root": "cells"})
        self.manifest = read_manifest(folder / "samples.parquet")
        rows = self.manifest.part("labelled")
        own = frame.set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)
        write_features(folder / "labelled.parquet", rows, own)

    def trainer(self, name="e.vectors.linear", state="state", **settings):
        data = TrainingData(
            settings=self.models[name] | settings,
            samples=self.folder / "samples.parquet",
            source=open_source(self.folder / "dataset.json", self.entry, self.manifest.card),
            backbone=SimpleNamespace(spec=Tiny.spec, folder=None, weights="0" * 64, network=Tiny, stored=Tiny),
            store=Store(self.folder / "store"),
            features=self.folder / "labelled.parquet",
        )
        return Trainer(data, 0, StateFiles(self.folder / state, "f"), torch.device("cpu"), "fp32")


def problem_of(trainer, monkeypatch):
    """What a trainer hands to the loop."""
    kept = []
    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", lambda problem, *_: kept.append(problem) or [])
        trainer.fit()
    return kept[0]


def answers(batch):
    """Outputs for a batch that are leaves, so that each has a gradient of its own."""
    draw = torch.Generator().manual_seed(len(batch))
    return {
        "kind": torch.randn(len(batch), 3, generator=draw, requires_grad=True),
        "size": torch.randn(len(batch), 1, generator=draw, requires_grad=True),
    }


def expected_losses(frame, ids, outputs):
    """The two losses of a batch, by numpy: over those that have a label, in units of the best constant answer's."""
    train, batch = frame[frame["split"] == "train"], frame.set_index("id").loc[ids]
    labels = train["kind"].dropna()
    constant = labels.map(labels.value_counts(normalize=True)).to_numpy(float)
    places, known = batch["kind"].map({"x": 0, "y": 1, "z": 2}), batch["kind"].notna().to_numpy()
    logs = log_softmax(outputs["kind"].detach().numpy().astype(float), axis=1)[known]
    crossed = -logs[np.arange(len(logs)), places[known].astype(int)].sum()
    values, valued = (batch["size"] - train["size"].mean()) / train["size"].std(ddof=0), batch["size"].notna()
    squared = ((outputs["size"].detach().numpy()[:, 0] - values)[valued] ** 2).sum()
    rows = [len(batch) * train[name].notna().mean() for name in TARGETS]
    return [crossed / rows[0] / -np.log(constant).mean(), squared / rows[1]]


def test_the_losses_of_a_step_are_those_of_the_labels_that_there_are_each_divided_by_the_best_constant_answers(
    tmp_path, monkeypatch
):
    frame = table()
    trainer = Lab(tmp_path, frame).trainer()
    problem = problem_of(trainer, monkeypatch)
    ids = trainer.data.rows["sample_id"].to_numpy()[trainer.data.places("train")]
    assert len(ids) < (frame["split"] == "train").sum()  # rows without any label are left out
    frame = frame[frame[list(TARGETS)].notna().any(axis=1)]
    for indices in (np.arange(len(ids)), np.arange(0, 11), np.arange(11, 30)):
        outputs = answers(indices)
        found = problem.loss(lambda _, outputs=outputs: outputs, problem.read(indices, 0), 0.0)
        np.testing.assert_allclose(found.detach(), expected_losses(frame, ids[indices], outputs), rtol=1e-5)


def test_a_target_that_is_alone_has_its_plain_loss(tmp_path, monkeypatch):
    frame = table(missing=())
    trainer = Lab(tmp_path, frame).trainer("e-kind.vectors.linear")
    problem, places = problem_of(trainer, monkeypatch), trainer.data.places("train")
    outputs = answers(places)
    found = problem.loss(lambda _: {"kind": outputs["kind"]}, problem.read(np.arange(len(places)), 0), 0.0)
    labels = trainer.data.rows["kind"].to_numpy()[places]
    chances = torch.softmax(outputs["kind"].double(), 1).detach().numpy()
    assert problem.weights is None and found.item() == pytest.approx(log_loss(labels, chances), rel=1e-5)


def test_a_label_that_is_missing_gives_no_gradient_and_every_other_gives_one(tmp_path, monkeypatch):
    trainer = Lab(tmp_path, table()).trainer()
    problem, train = problem_of(trainer, monkeypatch), trainer.data.places("train")
    outputs = answers(train)
    problem.loss(lambda _: outputs, problem.read(np.arange(len(train)), 0), 0.0).sum().backward()
    for name, one in outputs.items():
        known = trainer.data.rows[name].notna().to_numpy()[train]
        assert 0 < known.sum() < len(known)
        assert ((one.grad != 0).any(1).numpy() == known).all()


def test_a_batch_without_any_label_of_a_target_trains_the_others(tmp_path, monkeypatch):
    trainer = Lab(tmp_path, table()).trainer()
    problem = problem_of(trainer, monkeypatch)
    batch = np.flatnonzero(trainer.data.rows["kind"].isna().to_numpy()[trainer.data.places("train")])
    outputs = answers(batch)
    losses = problem.loss(lambda _: outputs, problem.read(batch, 0), 0.0)
    losses.sum().backward()
    assert losses[0] == 0 and losses[1] > 0 and not outputs["kind"].grad.any() and outputs["size"].grad.all()


def test_a_target_that_is_the_same_in_all_train_rows_leaves_the_losses_finite(tmp_path, monkeypatch):
    frame = table(missing=())
    frame.loc[frame["split"] == "train", "size"] = 3.0
    trainer = Lab(tmp_path, frame).trainer()
    problem, batch = problem_of(trainer, monkeypatch), np.arange(8)
    outputs = answers(batch)
    assert torch.isfinite(problem.loss(lambda _: outputs, problem.read(batch, 0), 0.0)).all()


def test_what_an_epoch_is_judged_by_is_the_mean_of_the_targets_losses_in_units_of_the_best_constant_answers(
    tmp_path,
):
    frame = table()
    trainer = Lab(tmp_path, frame, epochs=1).trainer()
    trained = trainer.fit()
    row, places = trained.history[-1], trainer.data.places("validation")
    outputs, rows = trainer.outputs(trained.network, places), trainer.data.rows.iloc[places]
    train = frame[frame["split"] == "train"]
    shares = train["kind"].value_counts(normalize=True)
    entropy = -(shares * np.log(shares)).sum()
    kinds, sizes = rows["kind"].notna().to_numpy(), rows["size"].notna().to_numpy()
    chances = torch.softmax(torch.from_numpy(outputs["kind"][kinds]), 1).numpy()
    crossed = log_loss(rows["kind"][kinds], chances, labels=list("xyz"))
    values = (rows["size"][sizes].astype(float) - train["size"].mean()) / train["size"].std(ddof=0)
    squared = ((outputs["size"][sizes, 0] - values) ** 2).mean()
    assert row["val_loss_kind"] == pytest.approx(crossed) and row["val_loss_size"] == pytest.approx(squared)
    assert row["val_loss"] == pytest.approx((crossed / entropy + squared) / 2)
    assert row["val_loss_calibrated"] == pytest.approx((row["val_loss_calibrated_kind"] / entropy + squared) / 2)


def test_heads_that_are_solved_together_are_those_that_are_solved_alone(tmp_path):
    """Although rows that one target lacks are there for the other, and the network's units are steadied by rows."""
    lab = Lab(tmp_path, table())
    library = {"spec": {**Tiny.spec, "library": "timm"}}
    together = lab.trainer()
    vars(together.data.backbone).update(library)
    together = together.probe()
    for name in TARGETS:
        alone = lab.trainer(f"e-{name}.vectors.linear")
        vars(alone.data.backbone).update(library)
        alone = alone.probe()
        for key in ("weight", "bias"):
            one, other = (getattr(trained.network.heads[name], key) for trained in (together, alone))
            assert torch.equal(one, other)


def test_uncertainty_is_kendalls_loss_and_trains_the_variances_too():
    """L / sigma^2 + log sigma, summed over the targets (eq. 10), here their mean: gradients by finite differences."""
    weights, parameter = uncertainty.Weights(2).double(), nn.Parameter(torch.tensor([0.3, -1.2], dtype=torch.float64))
    with torch.no_grad():
        weights.log_variances.copy_(torch.tensor([0.4, -0.7]))

    def losses(at):
        return [(at[0] - 1) ** 2 + at[1] ** 2, 3 * (at[0] + at[1]) ** 2 + 0.5]

    def kendall(values):
        at, sigma = values[:2], np.exp(values[2:] / 2)
        return np.mean([loss / s**2 + np.log(s) for loss, s in zip(losses(at), sigma, strict=True)])

    weights.backward(torch.stack(losses(parameter)), 1.0, torch.Tensor.backward, None)
    wanted = approx_fprime(np.concatenate([parameter.detach(), weights.log_variances.detach()]), kendall, 1e-7)
    np.testing.assert_allclose(np.concatenate([parameter.grad, weights.log_variances.grad]), wanted, rtol=1e-5)


def test_the_variances_get_one_gradient_per_step_however_many_batches_it_has():
    whole, parts = uncertainty.Weights(2), uncertainty.Weights(2)
    losses = torch.tensor([[0.2, 3.0], [1.4, 0.6]])
    whole.backward(losses.mean(0).requires_grad_(), 1.0, torch.Tensor.backward, None)
    for one in losses:
        parts.backward(one.clone().requires_grad_(), 0.5, torch.Tensor.backward, None)
    torch.testing.assert_close(whole.log_variances.grad, parts.log_variances.grad)


def published(gradients, orders):
    """Algorithm 1 of Yu et al. 2020, with the order of the others for each task; the mean in place of the sum."""
    moved = []
    for i, order in enumerate(orders):
        own = gradients[i].copy()
        for j in order:
            if j != i and own @ gradients[j] < 0:
                own = own - (own @ gradients[j]) / (gradients[j] @ gradients[j]) * gradients[j]
        moved.append(own)
    return np.mean(moved, axis=0)


def gradient_of(gradients, share=1.0, model=None):
    """What pcgrad leaves in a network whose losses have these gradients."""
    model = model or nn.Linear(3, 1).double()
    flat = torch.cat([one.flatten() for one in model.parameters()])
    losses = torch.stack([torch.from_numpy(one) @ flat for one in gradients])
    pcgrad.Weights(len(gradients)).backward(losses, share, None, model)
    return torch.cat([one.grad.flatten() for one in model.parameters()]).numpy(), model


CONFLICT = [np.array([1.0, 2.0, 0.0, -1.0]), np.array([-2.0, 0.5, 1.0, 1.0])]
AGREE = [np.array([1.0, 2.0, 0.0, -1.0]), np.array([2.0, 0.5, 1.0, -1.0])]


def test_conflicting_gradients_are_projected_as_published_and_then_conflict_no_more():
    found, _ = gradient_of(CONFLICT)
    np.testing.assert_allclose(found, published(CONFLICT, [[0, 1], [0, 1]]), atol=1e-12)
    assert CONFLICT[0] @ CONFLICT[1] < 0 and all(found @ one > 0 for one in CONFLICT)
    assert np.abs(found - np.mean(CONFLICT, axis=0)).max() > 0.1


def test_gradients_that_agree_are_left_alone():
    np.testing.assert_allclose(gradient_of(AGREE)[0], np.mean(AGREE, axis=0), atol=1e-12)


def test_of_three_tasks_the_order_of_the_others_is_drawn():
    gradients, found = [*CONFLICT, np.array([0.5, -3.0, 0.2, 0.1])], set()
    possible = [published(gradients, orders) for orders in product(permutations(range(3)), repeat=3)]
    for seed in range(12):
        torch.manual_seed(seed)
        (near,) = np.flatnonzero([np.allclose(one, gradient_of(gradients)[0], atol=1e-12) for one in possible])[:1]
        found.add(tuple(possible[near].round(9)))
    assert len(found) > 1


def test_the_projected_gradients_of_the_batches_of_a_step_add_up():
    _, model = gradient_of(CONFLICT, 0.25)
    found, _ = gradient_of(AGREE, 0.75, model)
    wanted = 0.25 * published(CONFLICT, [[0, 1], [0, 1]]) + 0.75 * np.mean(AGREE, axis=0)
    np.testing.assert_allclose(found, wanted, atol=1e-12)


class Killed(BaseException):
    pass


@pytest.mark.parametrize("way", ["uncertainty", "pcgrad"])
@pytest.mark.parametrize("stop_after", [2, 3, 6, 11])
def test_a_training_of_two_targets_that_was_killed_and_run_again_ends_with_the_same_bytes(
    tmp_path, monkeypatch, way, stop_after
):
    settings = {"epochs": 3, "batch_size": 8, "accumulate": 2, "task_weights": way, "head_lr": 0.05, "patience": None}
    lab = Lab(tmp_path / "lab", table(), **settings)
    files = {name: [tmp_path / f"{name}.pt", tmp_path / f"{name}.csv"] for name in ("whole", "cut")}
    weights, calls = __import__(f"graft.training.task_weights.{way}", fromlist=["Weights"]).Weights, []
    backward, seen = weights.backward, []

    def killed(self, *arguments):
        calls.append(1)
        if len(calls) == stop_after:
            raise Killed
        backward(self, *arguments)

    def noted(self, *arguments):
        seen.append([one.detach().clone() for one in self.parameters()])
        backward(self, *arguments)

    monkeypatch.setattr(weights, "backward", noted)
    run = {name: lambda name=name: lab.trainer(state=name, method="full", save_every=0) for name in files}
    finetune.main(run["whole"](), *files["whole"])
    assert way != "uncertainty" or not torch.equal(seen[0][0], seen[-1][0])
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(weights, "backward", killed)
        finetune.main(run["cut"](), *files["cut"])
    steps = len(seen)
    finetune.main(run["cut"](), *files["cut"])
    assert len(seen) - steps == steps - (stop_after - 1) // 2 * 2  # what was done is not done again
    for whole, cut in zip(files["whole"], files["cut"], strict=True):
        assert whole.read_bytes() == cut.read_bytes()
    assert set(network.load(files["cut"][0])["targets"]) == set(TARGETS)
