"""`columns.weight`: the weight of a row multiplies its loss, in the loop and in the solvers, and nothing else."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from graft.common.errors import UserError, UserErrors
from graft.data.prepare import digests_of
from graft.heads.binary_probe import solve_questions
from graft.heads.probe import solve_probe
from graft.targets.kinds import classification
from graft.training.objectives import kd
from vector_lab import POOL, WIDTH, Vectors, problem_of, table

L2 = 0.05
SPLITS, FOLDS = np.repeat(["train", "validation"], [60, 20]).astype(object), np.full(80, -1)


def weighed(unlabelled=POOL, **weights):
    """The table with a column of weights, integers from 0 to 3; `weights` are other ones, by split."""
    frame = table(unlabelled)
    frame["w"] = np.random.default_rng(3).integers(0, 4, len(frame)).astype(float)
    frame["w"] += frame["split"].map(weights).fillna(0.0)
    return frame


def rows(seed=0):
    draw = np.random.default_rng(seed)
    return draw.normal(size=(80, WIDTH)).astype(np.float32), draw.integers(3, size=80), draw.random(80) * 3


def settings(class_weights="none"):
    return {"l2": [L2], "class_weights": class_weights}


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_a_head_for_classes_is_that_of_scikit_learns_sample_weights(class_weights):
    features, codes, weights = rows()
    target = {"kind": "classification", "classes": ["x", "y", "z"]}
    found = solve_probe(features, codes, SPLITS, FOLDS, target, settings(class_weights), 0.0, weights=weights)
    train, scaler = SPLITS == "train", StandardScaler().fit(features[SPLITS == "train"])
    own = weights[train]
    if class_weights == "balanced":
        own = own * (train.sum() / (3 * np.bincount(codes[train])))[codes[train]]
    model = LogisticRegression(C=1 / (L2 * own.sum()), tol=1e-10, max_iter=10_000)
    model.fit(scaler.transform(features[train]), codes[train], sample_weight=own)
    ours = features.astype(float) @ found["weight"].numpy().T + found["bias"].numpy()
    wanted = model.decision_function(scaler.transform(features))
    np.testing.assert_allclose(ours - ours.mean(1, keepdims=True), wanted - wanted.mean(1, keepdims=True), atol=2e-3)


def test_a_head_for_a_number_is_that_of_scikit_learns_sample_weights():
    features, codes, weights = rows()
    values = codes + 0.1 * features[:, 0]
    found = solve_probe(features, values, SPLITS, FOLDS, {"kind": "regression"}, settings(), 0.0, weights=weights)
    train, scaler = SPLITS == "train", StandardScaler().fit(features[SPLITS == "train"])
    model = Ridge(alpha=L2 * weights[train].sum())
    model.fit(scaler.transform(features[train]), values[train], sample_weight=weights[train])
    ours = features.astype(float) @ found["weight"].numpy().T + found["bias"].numpy()
    np.testing.assert_allclose(ours[:, 0], model.predict(scaler.transform(features)), atol=1e-5)


def test_a_question_is_weighed_on_the_rows_that_answer_it():
    features, codes, weights = rows()
    answers = np.stack([codes > 0, codes > 1], 1).astype(float)
    answers[::3, 1] = np.nan
    target = {"kind": "multilabel", "classes": ["p", "q"]}
    found = solve_questions(features, answers, SPLITS, FOLDS, target, settings(), 0.0, weights=weights)
    own = np.flatnonzero(np.isfinite(answers[:, 1]))
    two = {"kind": "classification", "classes": ["no", "yes"]}
    part = features[own], answers[own, 1].astype(np.int64), SPLITS[own], FOLDS[own]
    alone = solve_probe(*part, two, settings(), 0.0, weights=weights[own])
    assert torch.equal(found["weight"][1], alone["weight"][1] - alone["weight"][0])
    plain = solve_questions(features, answers, SPLITS, FOLDS, target, settings(), 0.0)
    assert not torch.allclose(found["weight"], plain["weight"], atol=1e-3)


def test_every_kinds_head_of_a_run_gets_the_weights(tmp_path):
    frame = weighed(unlabelled=0)
    heads = [
        replace(lab.trainer("e.tiny.full"), frozen=True).probe().network.heads
        for lab in (Vectors(tmp_path / "with", frame, weight="w"), Vectors(tmp_path / "without", frame))
    ]
    for name in heads[0]:
        assert not torch.allclose(heads[0][name].weight, heads[1][name].weight, atol=1e-4), name


def test_the_loss_of_a_step_is_the_mean_of_each_rows_loss_times_its_weight(tmp_path, monkeypatch):
    frame = weighed(unlabelled=0)
    trainer = Vectors(tmp_path, frame, ["kind"], weight="w").trainer("e.tiny.full")
    problem, places = problem_of(trainer, monkeypatch), trainer.data.places("train")
    outputs = torch.randn(len(places), 3, generator=torch.Generator().manual_seed(0))
    known = frame.set_index("id")
    own = known.loc[trainer.data.rows["sample_id"].to_numpy()[places], "w"].to_numpy()
    own = own / known.loc[known["split"] == "train", "w"].mean()
    codes = torch.from_numpy(trainer.data.targets["kind"].codes[places])
    each = classification.losses(outputs, codes, trainer.settings).numpy()
    for batch in (np.arange(len(places)), np.arange(3, 14)):
        found = problem.loss(lambda _, batch=batch: {"kind": outputs[batch]}, problem.read(batch, 0), 0.0)
        assert found.item() == pytest.approx((each[batch] * own[batch]).mean(), rel=1e-5)
    assert own.mean() == pytest.approx(1) and np.ptp(own) > 1


def test_a_row_of_the_pool_weighs_as_a_train_row_does_on_average(tmp_path, monkeypatch):
    lab = Vectors(tmp_path, weighed(), ["kind"], weight="w")
    trainer = lab.trainer(alpha=1.0)
    data = trainer.data
    draw = torch.Generator().manual_seed(0)
    told, said = (torch.randn(len(data.taught), 3, generator=draw) for _ in range(2))
    problem = problem_of(trainer, monkeypatch, kd.losses, SimpleNamespace(logits=lambda name, at, seed: told[at]))
    codes = torch.from_numpy(data.targets["kind"].codes[data.taught])
    each = kd.losses(said, codes, trainer.settings, None, told).numpy()
    found = problem.loss(lambda _: {"kind": said}, problem.read(np.arange(len(data.taught)), 0), 0.0)
    train = data.manifest.frame[data.manifest.frame["split"] == "train"]["weight"]
    own = np.concatenate([train / train.mean(), np.ones(POOL)])
    assert found.item() == pytest.approx((each * own).mean(), rel=1e-5)


def test_only_the_weights_of_train_rows_and_only_their_ratios_change_a_training(tmp_path):
    """Those of validation rows judge nothing: the same epochs, calibration and history. Twice the weights are the same."""
    lab = Vectors(tmp_path / "first", weighed(), weight="w")
    first = lab.distil()
    assert Vectors(tmp_path / "validation", weighed(validation=2.0, pool=5.0), weight="w").distil() == first
    double = weighed()
    double["w"] *= 2
    assert Vectors(tmp_path / "double", double, weight="w").distil() == first
    assert Vectors(tmp_path / "other", weighed(train=1.0), weight="w").distil() != first
    assert Vectors(tmp_path / "none", weighed()).distil() != first


def test_a_changed_weight_trains_again_and_does_nothing_else(tmp_path):
    found = {
        name: digests_of(Vectors(tmp_path / name, frame, weight="w").prepared)
        for name, frame in {"first": weighed(), "train": weighed(train=1.0), "test": weighed(test=1.0)}.items()
    }
    changed = {name: {key for key in one if one[key] != found["first"][key]} for name, one in found.items()}
    assert changed == {"first": set(), "train": {"training"}, "test": set()}


def test_train_rows_that_all_weigh_nothing_are_refused(tmp_path):
    """As those of one target may, or those that a fold leaves, although others of the data set have weights."""
    trainer = Vectors(tmp_path, weighed(unlabelled=0), ["kind"], weight="w").trainer("e.tiny.full")
    trainer.data.rows.loc[trainer.data.splits == "train", "weight"] = 0.0
    with pytest.raises(UserError, match="all of its train rows are 0"):
        trainer.probe()


def test_rows_of_the_pool_need_no_weight_and_keep_none(tmp_path):
    frame = weighed()
    frame.loc[frame["split"] == "pool", "w"] = None
    found = Vectors(tmp_path, frame, weight="w").prepared.frame
    assert found.loc[found["split"] == "pool", "weight"].isna().all()
    assert found.loc[found["split"] != "pool", "weight"].notna().all()


def test_a_row_is_judged_only_by_a_head_that_a_row_of_its_class_has_taught():
    features, codes, _ = rows()
    weights, folds = np.ones(80), np.where(SPLITS == "train", np.arange(80) % 3, -1)
    one = np.flatnonzero((codes == 2) & (folds == 0))[0]
    weights[(codes == 2) & (np.arange(80) != one)] = 0  # folds 1 and 2 have the class; the head without fold 0 has not
    target = {"kind": "classification", "classes": ["x", "y", "z"]}
    found = solve_probe(
        features, codes, SPLITS, folds, target, {"l2": [1e-4], "class_weights": "none"}, 0.0, weights=weights
    )
    assert np.isnan(found["outputs"][(folds == 0) & (codes == 2)]).all()
    assert np.isfinite(found["outputs"][(folds == 1) & (codes == 2)]).all()


@pytest.mark.parametrize(
    ("weight", "said"),
    [("-1", "1 weights are below 0"), ("", "1 rows have no weight"), ("much", "1 weights are no finite numbers")]
    + [("inf", "1 weights are no finite numbers"), ("nan", "1 weights are no finite numbers")],
)
def test_a_weight_that_is_none_is_said_with_its_row(tmp_path, weight, said):
    frame = weighed().astype({"w": object})
    frame.loc[3, "w"] = weight
    with pytest.raises((UserError, UserErrors), match=said) as error:
        Vectors(tmp_path / "v", frame, ("kind",), weight="w")
    assert "columns.weight: w" in str(error.value)
