"""Several labels per sample: masked losses, heads, thresholds and metrics are those of scikit-learn, label by label."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from graft.evaluation.multilabel_metrics import multilabel_metrics
from graft.heads.binary_probe import solve_questions
from graft.heads.probe import VALIDATION
from graft.targets.kinds import multilabel

TARGET = {"kind": "multilabel", "classes": ["a", "b", "c"]}


def answers_and_scores(rows=300, seed=0, unknown=0.0):
    draw = np.random.default_rng(seed)
    answers = (draw.random((rows, 3)) < [0.5, 0.2, 0.1]).astype(float)
    chances = expit(draw.normal(size=(rows, 3)) * 1.5 + 2 * answers - 1.5).round(3)  # some are equal
    answers[draw.random(answers.shape) < unknown] = np.nan
    return answers, chances


def test_the_loss_is_the_binary_cross_entropy_of_the_known_cells():
    answers, chances = answers_and_scores(unknown=0.3)
    logits = torch.from_numpy(np.log(chances / (1 - chances)))
    found = multilabel.losses(logits, torch.from_numpy(answers), {})
    for row, one in enumerate(found):
        own = np.isfinite(answers[row])
        cells = [
            metrics.log_loss([yes], [[1 - p, p]], labels=[0, 1])
            for yes, p in zip(answers[row, own], chances[row, own], strict=True)
        ]
        assert float(one) == pytest.approx(sum(cells) / 3)


def test_an_unknown_label_has_no_gradient():
    answers = torch.tensor([[1.0, float("nan"), 0.0]])
    logits = torch.zeros(1, 3, requires_grad=True)
    multilabel.losses(logits, answers, {}).sum().backward()
    assert logits.grad[0, 1] == 0 and logits.grad[0, 0] < 0 < logits.grad[0, 2]


def test_the_best_constant_answer_has_the_chance_loss():
    answers, _ = answers_and_scores(unknown=0.3)
    shares = np.nanmean(answers, axis=0)
    logits = torch.from_numpy(np.log(shares / (1 - shares))).expand(len(answers), 3)
    rows = multilabel.known(answers)
    constant = multilabel.losses(logits, torch.from_numpy(answers), {}).numpy()[rows].mean()
    assert multilabel.chance_loss(answers) == pytest.approx(constant)


def sklearn_metrics(answers, chances, called):
    return {
        "map": metrics.average_precision_score(answers, chances, average="macro"),
        "macro_auroc": metrics.roc_auc_score(answers, chances, average="macro"),
        "micro_auroc": metrics.roc_auc_score(answers, chances, average="micro"),
        "macro_f1": metrics.f1_score(answers, called, average="macro"),
        "micro_f1": metrics.f1_score(answers, called, average="micro"),
        "hamming_loss": metrics.hamming_loss(answers, called),
        "exact_match": metrics.accuracy_score(answers, called),
        "log_loss": np.mean([metrics.log_loss(answers[:, k], chances[:, k], labels=[0, 1]) for k in range(3)]),
    }


def test_metrics_are_those_of_scikit_learn():
    answers, chances = answers_and_scores()
    called = chances > [0.5, 0.4, 0.3]
    found = multilabel_metrics(answers, chances, called)
    for name, value in sklearn_metrics(answers, chances, called).items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
        assert found[name]["low"] < value < found[name]["high"]


def test_unknown_cells_are_left_out_label_by_label():
    answers, chances = answers_and_scores(unknown=0.3)
    called = chances > 0.4
    found = multilabel_metrics(answers, chances, called)
    known = np.isfinite(answers)
    labels = [(answers[known[:, k], k], chances[known[:, k], k], called[known[:, k], k]) for k in range(3)]
    cells = [np.concatenate(parts) for parts in zip(*labels, strict=True)]
    assert found["map"]["value"] == pytest.approx(
        np.mean([metrics.average_precision_score(*one[:2]) for one in labels])
    )
    assert found["macro_f1"]["value"] == pytest.approx(np.mean([metrics.f1_score(one[0], one[2]) for one in labels]))
    assert found["micro_auroc"]["value"] == pytest.approx(metrics.roc_auc_score(*cells[:2]))
    assert found["micro_f1"]["value"] == pytest.approx(metrics.f1_score(cells[0], cells[2]))
    assert found["hamming_loss"]["value"] == pytest.approx(np.mean(cells[0] != cells[2]))


@pytest.mark.parametrize("groups", [False, True])
def test_intervals_are_as_wide_as_those_of_a_bootstrap_of_the_units(groups):
    answers, chances = answers_and_scores(400)
    units = np.arange(400) // 4 if groups else np.arange(400)
    if groups:  # rows of a group are alike
        answers, chances = answers[units * 4], np.clip(chances[units * 4], 0.01, 0.99)
    called = chances > 0.4
    names = [f"g{one}" for one in units] if groups else None
    found, draw = multilabel_metrics(answers, chances, called, names), np.random.default_rng(1)
    drawn = []
    for _ in range(300):
        picked = draw.integers(0, units.max() + 1, units.max() + 1)
        rows = np.concatenate([np.flatnonzero(units == one) for one in picked]) if groups else picked
        drawn.append(sklearn_metrics(answers[rows], chances[rows], called[rows]))
    for name, one in found.items():
        low, high = np.percentile([each[name] for each in drawn], [2.5, 97.5])
        assert 0.75 < (one["high"] - one["low"]) / (high - low) < 1.5, name


def test_unknown_cells_make_the_interval_of_map_wider():
    """Half of the cells say half as much, whichever rows they are in."""
    answers, chances = answers_and_scores(2000)
    hidden = np.where(np.random.default_rng(2).random(answers.shape) < 0.5, np.nan, answers)
    widths = []
    for one in (answers, hidden):
        found = multilabel_metrics(one, chances, chances > 0.5)
        widths.append([found[name]["high"] - found[name]["low"] for name in ("map", "macro_auroc", "micro_auroc")])
    np.testing.assert_allclose(np.divide(*widths[::-1]), np.sqrt(2), rtol=0.1)


def test_each_head_is_scikit_learns_on_the_rows_that_know_its_label():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(200, 5)).astype(np.float32)
    answers = (features[:, :3] + draw.normal(size=(200, 3)) > 0.3).astype(float)
    answers[draw.random(answers.shape) < 0.2] = np.nan
    splits = np.where(np.arange(200) % 5 < 4, "train", "validation").astype(object)
    folds = np.where(splits == "train", np.arange(200) % 3, -1)
    found = solve_questions(features, answers, splits, folds, TARGET, {"l2": [0.1], "class_weights": "none"}, 0.0)
    assert found["weight"].shape == (3, 5) and found["unseen"]["weight"].shape == (3, 3, 5)
    assert found["unseen"]["folds"].tolist() == [0, 1, 2] and VALIDATION not in found["unseen"]["folds"]
    for k in range(3):
        known = np.isfinite(answers[:, k])
        for fold, weight, bias in [
            (None, found["weight"], found["bias"]),
            (1, found["unseen"]["weight"][1], found["unseen"]["bias"][1]),
        ]:
            train = known & (splits == "train")
            scaler = StandardScaler().fit(features[train])
            rows = train & (folds != fold)
            model = LogisticRegression(C=2 / (0.1 * rows.sum()), tol=1e-10, max_iter=5000)
            model.fit(scaler.transform(features[rows]), answers[rows, k])
            ours = features.astype(float) @ weight[k].numpy() + float(bias[k])
            np.testing.assert_allclose(ours, model.decision_function(scaler.transform(features)), atol=2e-3)
        fold_1 = known & (folds == 1)
        unseen = features[fold_1].astype(float) @ found["unseen"]["weight"][1, k].numpy() + float(
            found["unseen"]["bias"][1, k]
        )
        np.testing.assert_allclose(found["outputs"][fold_1, k], unseen, atol=1e-5)
    assert np.array_equal(np.isfinite(found["outputs"]), np.isfinite(answers))


def test_a_threshold_has_the_largest_f1_of_all():
    answers, chances = answers_and_scores(120, unknown=0.1)
    for k in range(3):
        known = np.isfinite(answers[:, k])
        threshold = multilabel.best_threshold(answers[:, k], chances[:, k])
        true, own = answers[known, k], chances[known, k]
        best = max(metrics.f1_score(true, own >= one) for one in np.unique(own))
        assert metrics.f1_score(true, own >= threshold) == pytest.approx(best)
    assert multilabel.best_threshold(np.zeros(9), np.linspace(0, 1, 9)) == 0.5


def test_calibration_scales_each_label_by_its_own_temperature():
    answers, chances = answers_and_scores(4000)
    chances = chances.clip(0.001, 0.999)
    logits = np.log(chances / (1 - chances)) * [0.5, 2.0, 4.0]
    found = multilabel.calibrate(logits, answers, TARGET, None)
    plain = multilabel.calibrate(logits / [0.5, 2.0, 4.0], answers, TARGET, None)
    np.testing.assert_allclose(np.array(found["temperature"]) / plain["temperature"], [0.5, 2.0, 4.0], rtol=0.02)


def test_predictions_are_lists_and_probabilities_are_independent():
    logits, answers = np.array([[2.0, -3.0, 1.0], [-1.0, -1.0, -1.0]]), np.array([[1.0, 0.0, np.nan], [np.nan] * 3])
    facts = {**TARGET, "temperature": [1.0, 2.0, 1.0], "thresholds": [0.5, 0.1, 0.9]}
    found = multilabel.columns(logits, answers, facts)
    assert found["label"].tolist() == [["a"], None] and found["predicted"].tolist() == [["a", "b"], ["b"]]
    np.testing.assert_allclose(found["prob_b"], expit([-1.5, -0.5]))
    assert np.isnan(found["confidence"]) and np.isnan(found["margin"]) and found["unknown_c"].tolist() == [True, True]


def test_a_split_without_rows_has_metrics_without_a_value():
    logits, answers = np.array([[2.0, -3.0, 1.0]]), np.array([[1.0, 0.0, 1.0]])
    facts = {**TARGET, "temperature": [1.0] * 3, "thresholds": [0.5] * 3}
    table = pd.DataFrame(multilabel.columns(logits, answers, facts)).assign(group=None)
    found = multilabel.metrics({"test": table, "validation": table.iloc[:0]}, facts)
    assert found["validation"]["map"]["value"] is None and found["test"]["exact_match"]["value"] == 1
