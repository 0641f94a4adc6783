"""The linear probe: its L2 is chosen by rows that its heads did not see, and nothing is judged by rows that it saw."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize, minimize_scalar
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from fits import fit_logistic
from graft.heads import calibration, principal_axes, solvers
from graft.heads.probe import VALIDATION, solve_probe
from graft.targets import predictions
from graft.training.data import TrainingData
from graft.training.methods import linear
from graft.training.model_file import facts_of_targets
from graft.training.trainer import Trainer

CLASSES = {"kind": "classification", "classes": ["a", "b", "c"]}
NUMBER = {"kind": "regression"}
PLAIN = {"l2": None, "class_weights": "none"}


def rows(count=240, width=8, seed=0, folds=4, kind="classification"):
    """Features, codes, splits (two thirds train, a sixth validation, a sixth test) and folds of the train rows."""
    draw = np.random.default_rng(seed)
    features = (draw.normal(size=(count, width)) * draw.uniform(0.1, 5, width) + 2).astype(np.float32)
    scores = StandardScaler().fit_transform(features)[:, :3] + draw.normal(size=(count, 3))
    codes = scores.argmax(1) if kind == "classification" else scores.sum(1)
    splits = np.array(["train", "train", "validation", "train", "train", "test"] * count, object)[:count]
    return features, codes, splits, np.where(splits == "train", np.arange(count) % folds, -1)


def solve(features, codes, splits, folds, target=CLASSES, settings=PLAIN, **more):
    return solve_probe(features, codes, splits, folds, target, settings, **more)


def calibrated_loss(logits, codes):
    """The mean cross-entropy with the temperature whose logarithm has a normal prior of width 1/2."""

    def loss(log_temperature):
        scaled = logits * np.exp(-log_temperature)
        return (np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(codes)), codes]).sum()

    best = minimize_scalar(lambda t: loss(t) + t**2 / 0.5**2 / 2, bounds=(-3, 3), method="bounded").x
    return loss(best) / len(codes)


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_the_loss_that_chooses_is_that_of_folds_and_validation_rows_together(kind):
    features, codes, splits, folds = rows(kind=kind)
    found = solve(features, codes, splits, folds, CLASSES if kind == "classification" else NUMBER)
    train, validation = splits == "train", splits == "validation"
    scaled = StandardScaler().fit(features[train].astype(float)).transform(features)
    for one in found["history"]:
        losses, logits, of_rows = [], [], []
        for fold in (None, *range(4)):
            fit = train & (folds != fold) if fold is not None else train
            judged = train & (folds == fold) if fold is not None else validation
            if kind == "classification":
                model = LogisticRegression(C=1 / (one["l2"] * fit.sum()), tol=1e-10, max_iter=5000)
                logits.append(model.fit(scaled[fit], codes[fit]).decision_function(scaled[judged]))
                of_rows.append(codes[judged])
            else:
                model = Ridge(alpha=one["l2"] * fit.sum()).fit(scaled[fit], codes[fit])
                losses += ((model.predict(scaled[judged]) - codes[judged]) ** 2).tolist()
        loss = np.mean(losses) if losses else calibrated_loss(np.concatenate(logits), np.concatenate(of_rows))
        assert one["unseen_loss"] == pytest.approx(loss, rel=1e-3)
        assert one["best"] == (one["l2"] == found["l2"])
    assert found["l2"] == min(found["history"], key=lambda one: one["unseen_loss"])["l2"]


def test_under_class_weights_heads_are_judged_with_intercepts_as_the_model_will_have_them():
    features, codes, splits, folds = rows()
    codes[codes == 2] = np.arange((codes == 2).sum()) % 3  # one class is rarer than the others
    found = solve(features, codes, splits, folds, settings={**PLAIN, "class_weights": "balanced"}, refit=True)
    known = np.isfinite(found["outputs"][:, 0])
    outputs, labels = found["outputs"][known], codes[known]
    shift = np.log(np.bincount(codes[splits == "train"]) / (splits == "train").sum())

    def loss(values):
        scaled = outputs * np.exp(-values[0]) + shift + values[1:]
        return (np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]).sum()

    best = minimize(lambda x: loss(x) + x[0] ** 2 / 0.5**2 / 2 + (x[1:] ** 2).sum() / 2, np.zeros(4)).x
    kept = next(one for one in found["history"] if one["best"])
    assert kept["unseen_loss"] == pytest.approx(loss(best) / len(labels), rel=1e-5)


@pytest.mark.parametrize(("kind", "target"), [("classification", CLASSES), ("regression", NUMBER)])
def test_only_the_refitted_head_has_seen_validation_labels_and_no_fold_its_own(kind, target):
    features, codes, splits, folds = rows(kind=kind)
    settings = {**PLAIN, "l2": [0.1]}

    def heads_of(changed, refit):
        other = np.where(changed, codes.max() - codes, codes)
        return solve(features, other, splits, folds, target, settings, refit=refit)

    nothing, validation, fold = np.zeros(len(codes), bool), splits == "validation", folds == 1
    before, after = (heads_of(changed, True) for changed in (nothing, validation))
    assert before["unseen"]["folds"].tolist() == [VALIDATION, 0, 1, 2, 3]
    assert torch.equal(before["unseen"]["weight"], after["unseen"]["weight"])
    assert not torch.equal(before["weight"], after["weight"])
    judged = splits != "test"
    assert np.array_equal(before["outputs"][judged], after["outputs"][judged])
    plain, plain_after = (heads_of(changed, False) for changed in (nothing, validation))
    assert torch.equal(plain["weight"], plain_after["weight"]) and plain["unseen"]["folds"].tolist() == [0, 1, 2, 3]
    one = heads_of(fold, True)["unseen"]["weight"]
    same = (one == before["unseen"]["weight"]).flatten(1).all(1)
    assert same.tolist() == [False, False, True, False, False]


def test_the_refitted_head_is_that_of_train_and_validation_rows():
    features, codes, splits, folds = rows()
    found = solve(features, codes, splits, folds, refit=True)
    seen = splits != "test"
    weights, biases = fit_logistic(features[seen], codes[seen], 3, [found["l2"]])
    torch.testing.assert_close(found["weight"], weights[0], atol=1e-4, rtol=0)
    torch.testing.assert_close(found["bias"], biases[0], atol=1e-3, rtol=0)


@pytest.mark.parametrize("refit", [False, True])
def test_without_folds_validation_rows_choose_alone(refit):
    features, codes, splits, folds = rows()
    for none in (np.full(len(folds), -1), np.where(folds >= 0, 0, -1)):
        found = solve(features, codes, splits, none, refit=refit)
        assert (found["unseen"]["folds"].tolist() == [VALIDATION]) if refit else found["unseen"] is None
        assert np.isfinite(found["outputs"][:, 0]).tolist() == (splits == "validation").tolist()
        judged, own = splits == "validation", found["outputs"][splits == "validation"]
        kept = next(one for one in found["history"] if one["best"])
        assert kept["unseen_loss"] == pytest.approx(calibrated_loss(own, codes[judged]), rel=1e-4)
        assert kept["val_loss"] == pytest.approx(calibration.log_loss(own, codes[judged]).mean())


def test_a_class_that_only_one_fold_has_judges_no_head_that_never_saw_it():
    features, codes, splits, folds = rows()
    codes[codes == 2] = 0
    rare = np.flatnonzero(folds == 1)[:2]
    codes[rare] = 2
    found = solve(features, codes, splits, folds, refit=True)
    assert np.isnan(found["outputs"][rare]).all() and found["l2"] in [one["l2"] for one in found["history"]]
    assert np.isfinite(found["outputs"][(splits == "train") & (codes < 2)]).all()
    assert torch.isfinite(found["unseen"]["weight"]).all()


def test_few_rows_are_enough():
    features, codes, splits, folds = rows(12, folds=2)
    found = solve(features, codes, splits, folds, refit=True)
    assert torch.isfinite(found["weight"]).all() and np.isfinite(found["l2"])


def spectra(seed=0):
    """Columns that say nearly the same: what matters of them is 1e-3 of their spread."""
    draw = np.random.default_rng(seed)
    smooth = np.cumsum(draw.normal(size=(4, 60)), 1)
    parts = draw.normal(size=(180, 4)) * [100, 30, 3, 0.03]
    features = parts @ smooth + 1e-5 * draw.normal(size=(180, 60))
    splits = np.array((["train"] * 4 + ["validation", "test"]) * 30, object)
    values = (parts[:, 3] - parts[:, 3].mean()) / parts[:, 3].std()
    return features, values, splits, np.where(splits == "train", np.arange(180) % 5, -1)


def test_the_grid_goes_on_while_its_end_wins_and_says_so(caplog):
    features, values, splits, folds = spectra()
    with caplog.at_level("INFO"):
        found = solve(features, values, splits, folds, NUMBER, dead=0.0)
    assert found["l2"] < 1e-6 and "the lowest of the values wins, 1e-05" in caplog.text
    kept = next(one for one in found["history"] if one["best"])
    assert kept["unseen_loss"] < 0.5 * min(one["unseen_loss"] for one in found["history"] if one["l2"] > 0.9e-5)
    assert [one["l2"] for one in found["history"]] == sorted(one["l2"] for one in found["history"])
    caplog.clear()
    with caplog.at_level("INFO"):
        own = solve(features, values, splits, folds, NUMBER, {**PLAIN, "l2": [1e-5, 1e-4]}, dead=0.0)
    assert own["l2"] == 1e-5 and "the lowest of your values wins" in caplog.text


def test_columns_with_units_that_say_nothing_are_named_and_have_no_weight(caplog):
    """Constant over the rows that are learnt from, whatever the test rows hold."""
    features, codes, splits, folds = rows()
    features[:, 2] = np.where(splits == "test", np.arange(len(splits)), 0.1)
    with caplog.at_level("INFO"):
        found = solve(features, codes, splits, folds, settings={**PLAIN, "l2": [0.1]}, dead=0.0, refit=True)
    assert "1 columns say nothing over the train rows and get weight 0: number 3" in caplog.text
    assert found["weight"][:, 2].abs().max() == 0 and found["weight"][:, 1].abs().max() > 0.01


def test_labels_by_lot_end_the_grid_at_a_constant_head():
    features, codes, splits, folds = rows()
    found = solve(features, np.random.default_rng(1).permutation(codes), splits, folds)
    assert found["l2"] <= 1e5 and len(found["history"]) < 20


def run_of(features, codes, splits, folds, target=CLASSES, **settings):
    """A trainer on embeddings that lie ready, without a network."""
    settings, kept = {"name": "e.tiny.linear", "targets": ["y"], **PLAIN, **settings}, {}
    data = TrainingData(settings, None, None, SimpleNamespace(spec={"library": "timm"}), None)
    trainer = Trainer(data, 0, None, torch.device("cpu"), "fp32", frozen=True)
    vars(data).update(
        manifest=SimpleNamespace(targets={"y": target}, codes=lambda target, rows: codes),
        rows=pd.DataFrame({"fold": folds, "weight": np.nan}),
        splits=splits,
        embeddings=features,
    )
    trainer.untrained = lambda: SimpleNamespace(set_head=lambda _, weight, bias: kept.update(weight=weight, bias=bias))
    return trainer, kept


def table_of(run, kept, trained, features, codes, splits, folds):
    """The prediction table of a trained head as predict makes it."""
    facts = facts_of_targets(run, trained)
    content = {
        "name": "m",
        "seed": 0,
        "targets": facts,
        "fold_heads": trained.fold_heads,
        "state_dict": {"heads.y.weight": kept["weight"].float(), "heads.y.bias": kept["bias"].float()},
    }
    frame = pd.DataFrame({"sample_id": [f"s{i}" for i in range(len(codes))], "split": splits, "fold": folds})
    manifest = SimpleNamespace(codes=lambda target, rows: codes)
    return predictions.predict(content, "y", manifest, frame, features), content


def test_a_unit_of_the_network_that_few_rows_wake_does_not_outweigh_the_others():
    features, codes, splits, folds = rows()
    rare = np.zeros((len(codes), 1), np.float32)
    rare[np.flatnonzero(splits == "train")[0]] = 0.02
    rare[np.flatnonzero(splits == "test")[::2]] = 3
    run, kept = run_of(np.hstack([features, rare]), codes, splits, folds)
    linear.train(run)
    outputs = solvers.outputs(run.data.embeddings[splits == "test"], kept["weight"], kept["bias"])
    assert np.abs(outputs[::2]).max() < 3 * np.abs(outputs[1::2]).max()


def test_columns_are_divided_by_their_own_spread_and_that_of_the_median_column():
    features = (np.random.default_rng(0).normal(size=(50, 131)) * np.arange(131)).astype(np.float32)
    variance = features.astype(float).var(0)
    living = np.quantile(variance[variance > 0], 0.5, method="lower")  # the first column is constant
    np.testing.assert_allclose(principal_axes.steadied(features), np.sqrt(variance + living), rtol=1e-9)


@pytest.mark.parametrize("noise", [0, 1e-9])
def test_units_of_which_most_are_dead_in_the_train_rows_are_borne_when_other_rows_wake_one(noise):
    """ReLU networks have such: of 1,280 units 881 were 0 in all train rows of 40 small images."""
    features, codes, splits, folds = rows()
    draw = np.random.default_rng(1)
    dead = draw.normal(0, noise, (len(codes), 3 * features.shape[1]))
    dead[np.flatnonzero(splits == "validation")[0], 0] = 0.5
    run, kept = run_of(np.hstack([features, dead.astype(np.float32)]), codes, splits, folds)
    linear.train(run)
    plain, alone = run_of(features, codes, splits, folds)
    linear.train(plain)
    width = features.shape[1]
    np.testing.assert_allclose(kept["weight"][:, :width], alone["weight"], rtol=0.1, atol=0.02)
    assert kept["weight"][:, width:].abs().max() < kept["weight"].abs().max()


def test_classes_that_are_separate_end_the_search_where_the_loss_decides_nothing():
    codes = np.repeat(np.arange(3), 16)
    features = (10 * np.eye(3)[codes] + np.random.default_rng(0).normal(0, 0.1, (48, 3))).astype(np.float32)
    splits = np.tile(["train", "train", "validation"], 16)
    losses = {one["l2"]: one["unseen_loss"] for one in solve(features, codes, splits, np.full(48, -1))["history"]}
    lowest, *_, highest = sorted(losses)
    assert lowest >= 1e-6 and losses[lowest] < 0.001 < losses[highest]


@pytest.mark.parametrize("library", ["timm", "vectors"])
def test_embeddings_have_one_unit_and_the_users_own_columns_have_theirs(library):
    features, codes, splits, folds = rows(width=9)
    run, kept = run_of(features, codes, splits, folds)
    run.data.backbone.spec["library"] = library
    linear.train(run)
    unit = principal_axes.steadied(features[splits == "train"]) if library == "timm" else None
    expected = solve(features, codes, splits, folds, dead=run.data.dead, unit=unit, refit=True)
    assert torch.equal(kept["weight"], expected["weight"]) and torch.equal(kept["bias"], expected["bias"])


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_the_prediction_table_says_which_head_predicted_each_row(weights):
    features, codes, splits, folds = rows()
    run, kept = run_of(features, codes, splits, folds, class_weights=weights)
    trained = linear.train(run)
    table, content = table_of(run, kept, trained, features, codes, splits, folds)
    assert (table["fold"] == np.where(splits == "validation", VALIDATION, folds)).all()
    logits = table[["logit_a", "logit_b", "logit_c"]].to_numpy()
    known = np.isfinite(trained.unseen["y"][:, 0])
    np.testing.assert_allclose(logits[known], trained.unseen["y"][known], atol=1e-4)
    whole = solvers.outputs(features, kept["weight"], kept["bias"])
    np.testing.assert_allclose(logits[splits == "test"], whole[splits == "test"], atol=1e-4)
    assert np.abs(logits[known] - whole[known]).max() > 0.01
    names = [column for column in table if column.startswith("intercept_")]
    assert names == ([] if weights == "none" else ["intercept_a", "intercept_b", "intercept_c"])
    scaled = logits / table[["temperature"]].to_numpy() + (table[names].to_numpy() if names else 0)
    chances = table[["prob_a", "prob_b", "prob_c"]].to_numpy()
    np.testing.assert_allclose(np.exp(scaled) / np.exp(scaled).sum(1, keepdims=True), chances)
    assert (table["predicted"] == np.array(["a", "b", "c"])[logits.argmax(1)]).all()
    taught = predictions.teaching_logits(content, "y", features)
    np.testing.assert_allclose(taught[splits == "validation"], logits[splits == "validation"])
    assert np.abs(taught[splits == "test"] - logits[splits == "test"]).max() > 1e-3


def test_a_model_of_an_earlier_version_is_predicted_as_it_was():
    features, codes, splits, folds = rows()
    run, kept = run_of(features, codes, splits, folds)
    trained = linear.train(run)
    blind = trained.fold_heads["y"]
    old = replace(trained, fold_heads={"y": {"weight": blind["weight"][1:], "bias": blind["bias"][1:]}})
    new, _ = table_of(run, kept, trained, features, codes, splits, folds)
    table, _ = table_of(run, kept, old, features, codes, splits, folds)
    assert (table["fold"] == folds).all()
    pd.testing.assert_frame_equal(table[splits != "validation"], new[splits != "validation"])


def test_a_target_known_for_few_rows_keeps_the_numbers_of_its_folds():
    features, codes, splits, folds = rows()
    few = np.flatnonzero((splits != "train") | np.isin(folds, [1, 3]))
    run, kept = run_of(features[few], codes[few], splits[few], folds[few])
    trained = linear.train(run)
    assert trained.fold_heads["y"]["folds"].tolist() == [VALIDATION, 1, 3]
    table, _ = table_of(run, kept, trained, features, codes, splits, folds)
    train = splits == "train"
    assert set(table["fold"][train]) == {-1, 1, 3}
    assert (table["fold"][train & (folds == 3)] == 3).all()
    logits = table[["logit_a", "logit_b", "logit_c"]].to_numpy()
    np.testing.assert_allclose(logits[few][folds[few] == 3], trained.unseen["y"][folds[few] == 3], atol=1e-4)


def test_calibration_is_fitted_on_rows_of_all_folds_and_validation():
    features, codes, splits, folds = rows()
    run, _ = run_of(features, codes, splits, folds)
    trained = linear.train(run)
    seen = splits != "test"
    assert facts_of_targets(run, trained)["y"]["temperature"] == calibration.fit_temperature(
        trained.unseen["y"][seen], codes[seen]
    )
    run, _ = run_of(*rows(kind="regression"), NUMBER)
    trained = linear.train(run)
    residual, facts = (
        (trained.unseen["y"][:, 0] - run.data.targets["y"].codes)[seen],
        facts_of_targets(run, trained)["y"],
    )
    assert facts["residual_std"] == pytest.approx(facts["std"] * np.sqrt(np.mean(residual**2))) and facts["std"] > 1.1


def test_the_same_rows_give_the_same_bits():
    first, second = (solve(*rows(), refit=True) for _ in range(2))
    assert torch.equal(first["weight"], second["weight"]) and np.array_equal(
        first["outputs"], second["outputs"], equal_nan=True
    )
