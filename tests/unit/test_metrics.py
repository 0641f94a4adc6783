"""Metrics agree with scikit-learn; intervals agree with a bootstrap that copies groups; nothing is ever NaN."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    r2_score,
    recall_score,
    roc_auc_score,
)

from graft.evaluation import metrics
from graft.evaluation.calibration_error import signed_gaps
from graft.evaluation.curves import areas


def data(rows, classes, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, rows - classes)])
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), labels] += 1.5
    chances = np.exp(logits)
    return labels, (chances / chances.sum(1, keepdims=True)).round(2) / 1.0


def area(labels, chances):
    chosen = [1] if chances.shape[1] == 2 else range(chances.shape[1])
    return np.mean([one_area(chances[labels == c, c], chances[labels != c, c]) for c in chosen])


def one_area(positives, negatives):
    below = (positives[:, None] > negatives).mean()
    return below + (positives[:, None] == negatives).mean() / 2


def test_scores_are_those_of_scikit_learn_to_the_last_digits():
    for classes in (2, 5):
        labels, chances = data(150, classes)  # rounded, so that scores tie
        chances = chances / chances.sum(1, keepdims=True)
        result = metrics.classification_metrics(labels, chances, classes, threshold=0.4)
        scores = chances[:, 1] if classes == 2 else chances
        for name, expected in {
            "accuracy": accuracy_score(labels, chances.argmax(1)),
            "balanced_accuracy": balanced_accuracy_score(labels, chances.argmax(1)),
            "macro_f1": f1_score(labels, chances.argmax(1), average="macro"),
            "auroc": roc_auc_score(labels, scores, multi_class="ovr"),
            "average_precision": average_precision_score(labels, scores),
            "brier": brier_score_loss(labels, scores),
            "log_loss": log_loss(labels, chances),
        }.items():
            assert result[name]["value"] == pytest.approx(expected, abs=1e-12), name
    labels, chances = data(150, 2)
    called = chances[:, 1] >= 0.4
    result = metrics.classification_metrics(labels, chances, 2, threshold=0.4)
    assert result["sensitivity"]["value"] == pytest.approx(recall_score(labels, called), abs=1e-12)
    assert result["specificity"]["value"] == pytest.approx(recall_score(1 - labels, ~called), abs=1e-12)
    assert result["threshold"] == {"value": 0.4, "low": None, "high": None}


def test_the_threshold_has_the_largest_sum_of_sensitivity_and_specificity():
    rng = np.random.default_rng(0)
    labels, scores = rng.integers(0, 2, 60), rng.random(60).round(2)
    called = scores >= metrics.choose_threshold(labels, scores)
    best = max((scores[labels == 1] >= t).mean() + (scores[labels == 0] < t).mean() for t in np.linspace(0, 1.01, 203))
    assert called[labels == 1].mean() + 1 - called[labels == 0].mean() == pytest.approx(best)
    assert metrics.choose_threshold([0, 1, -1], [0.1, 0.3, 0.9]) == pytest.approx(0.2)
    assert metrics.choose_threshold([1, 1], [0.1, 0.3]) == 0.5  # no negative row to choose by
    assert metrics.choose_threshold([], []) == 0.5


def brute_force_error(true, probability, halves=1000):
    """The debiased calibration error by what it says: signs from one half of a bin, sizes from the other."""
    rng, total = np.random.default_rng(0), 0.0
    place = np.minimum((probability * 15).astype(int), 14)
    for one in np.unique(place):
        gap = (true - probability)[place == one]
        inside = rng.random((halves, len(gap))) < 0.5
        first, second = (inside * gap).sum(1), (~inside * gap).sum(1)
        total += (np.sign(first) * second + np.sign(second) * first).mean()
    return total / len(true)


def test_calibration_errors_are_signs_from_one_half_of_a_bin_and_sizes_from_the_other():
    rng = np.random.default_rng(1)
    chances = rng.random(6000)
    chances = np.column_stack([1 - chances, chances])
    labels = (rng.random(6000) < chances[:, 1] ** 1.4).astype(int)
    result = metrics.classification_metrics(labels, chances, 2)
    expected = brute_force_error(labels == 1, chances[:, 1])
    assert result["class_ece"]["value"] == pytest.approx(expected, abs=0.002) and expected > 0.05
    # By chance alone the gaps are below 0, which no calibration error is.
    labels = (rng.random(6000) < chances[:, 1]).astype(int)
    _, found, _ = signed_gaps(labels == 1, chances[:, 1])
    assert found == pytest.approx(brute_force_error(labels == 1, chances[:, 1]), abs=0.002)


def test_class_wise_calibration_error_is_the_mean_over_all_classes_and_its_upper_end_that_of_what_is_seen():
    rng = np.random.default_rng(2)
    chances = rng.dirichlet([1, 1, 1], 3000)
    labels = (rng.random(3000)[:, None] > np.cumsum(chances, axis=1)).sum(1)
    chances = np.column_stack([chances[:, 0] ** 2, chances[:, 1] + chances[:, 0] * (1 - chances[:, 0]), chances[:, 2]])
    found = metrics.classification_metrics(labels, chances, 3)["class_ece"]
    each = [brute_force_error(labels == c, chances[:, c]) for c in range(3)]
    assert found["value"] == pytest.approx(np.mean(each), abs=0.002) and each[0] > 0.1 > each[2]
    parts = [signed_gaps(labels == c, chances[:, c]) for c in range(3)]
    signed = np.mean([part[2] for part in parts], axis=0)
    raw = np.mean([part[0] for part in parts])
    half = stats.t.ppf(0.975, 2999) * signed.std(ddof=1) / np.sqrt(3000)
    assert found["high"] == pytest.approx(raw + half) and found["high"] > found["value"] + half + 1e-4


def test_copies_of_rows_are_no_more_evidence_of_a_calibration_error():
    rng, found = np.random.default_rng(3), {"grouped": [], "alone": []}
    for _ in range(200):
        chances = rng.random(60).repeat(10)
        true = (rng.random(60) < chances[::10]).repeat(10)
        for name, units in (("grouped", np.arange(60).repeat(10)), ("alone", None)):
            found[name].append(signed_gaps(true, chances, units)[1])
    assert abs(np.mean(found["grouped"])) < 0.03 < 0.1 < np.mean(found["alone"])


def test_calibration_errors_that_chance_cannot_explain_are_those_of_guo():
    labels, chances = data(4000, 3)
    chances = chances**6 / (chances**6).sum(1, keepdims=True)  # far too sure
    place = np.minimum((chances.max(1) * 15).astype(int), 14)
    gap = (chances.argmax(1) == labels) - chances.max(1)
    raw = sum(abs(gap[place == one].sum()) for one in range(15)) / len(labels)
    result = metrics.classification_metrics(labels, chances, 3)
    assert result["ece"]["value"] == pytest.approx(raw, abs=0.003) and raw > 0.1
    each = [abs((labels == c) - chances[:, c])[chances[:, c] > 0.999].mean() for c in range(3)]
    assert min(each) > 0.05 and result["class_ece"]["value"] > 0.05


def test_right_probabilities_have_no_calibration_error_and_an_interval_from_0():
    rng = np.random.default_rng(0)
    ends, values = [], []
    for rows in (20, 100, 500) * 20:
        chances = rng.dirichlet(np.ones(3), rows)
        labels = (rng.random(rows)[:, None] > chances.cumsum(1)).sum(1)
        for name in ("ece", "class_ece"):
            one = metrics.classification_metrics(labels, chances, 3)[name]
            ends.append(one["low"])
            values.append(one["value"])
            assert one["low"] <= one["value"] <= one["high"]
    assert np.mean(np.array(ends) == 0) > 0.97 and np.mean(values) < 0.015


def test_the_influence_of_average_precision_is_its_slope_in_row_weights():
    labels, chances = data(80, 2)
    _, found = areas(labels, chances)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    for row in (0, 1, 40, 79):
        weight = np.ones(80)
        weight[row] += 1e-6
        moved = average_precision_score(labels, chances[:, 1], sample_weight=weight)
        assert (moved - found.value) * 80 / 1e-6 == pytest.approx(found.influence[row], abs=1e-4)


@pytest.mark.parametrize("classes", [2, 3])
def test_intervals_of_many_rows_agree_with_a_bootstrap_that_copies_groups(classes):
    labels, chances = data(600, classes)
    groups = np.array([f"g{i}" for i in np.random.default_rng(3).integers(0, 150, 600)])
    labels = np.where(np.char.endswith(groups, "7"), 0, labels)  # some groups are alike
    names = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "average_precision", "log_loss", "brier")
    result = metrics.classification_metrics(labels, chances, classes, groups)
    rng, members = np.random.default_rng(7), [np.flatnonzero(groups == one) for one in np.unique(groups)]
    drawn = {name: [] for name in names}
    for _ in range(300):
        rows = np.concatenate([members[i] for i in rng.integers(0, len(members), len(members))])
        again = metrics.classification_metrics(labels[rows], chances[rows], classes)
        for name in names:
            drawn[name].append(again[name]["value"])
    for name, values in drawn.items():
        low, high = np.percentile(values, [2.5, 97.5])
        assert result[name]["low"] == pytest.approx(low, abs=0.2 * (high - low)), name
        assert result[name]["high"] == pytest.approx(high, abs=0.2 * (high - low)), name


def test_rows_of_one_group_alone_have_no_interval():
    labels, chances = data(40, 2)
    result = metrics.classification_metrics(labels, chances, 2, ["p1"] * 40, threshold=0.5)
    assert all(one["low"] is None and one["high"] is None for one in result.values())
    assert result["accuracy"]["value"] is not None
    result = metrics.regression_metrics(labels + 0.5 * np.arange(40), labels, [" p1"] * 20 + ["p1 "] * 20)
    assert all(one["low"] is None for one in result.values())
    json.dumps(result, allow_nan=False)


def test_rows_without_a_group_stand_alone():
    labels, chances = data(60, 3)
    plain = metrics.classification_metrics(labels, chances, 3)
    for groups in ([None] * 60, [""] * 60, [f"row {i}" for i in range(60)], [float("nan")] * 60):
        assert metrics.classification_metrics(labels, chances, 3, groups) == plain
    some = metrics.classification_metrics(labels, chances, 3, [None] * 30 + ["p"] * 15 + ["q"] * 15)
    assert some["accuracy"]["high"] - some["accuracy"]["low"] > plain["accuracy"]["high"] - plain["accuracy"]["low"]


def test_influence_values_are_the_slope_of_the_auroc_in_row_weights():
    labels, chances = data(80, 3)
    value, influence = metrics.auroc(labels, chances)
    assert influence.mean() == pytest.approx(0, abs=1e-12)
    # Doubling row 5 adds 1 / 81 of its weight.
    more = np.append(np.arange(80), 5)
    assert area(labels[more], chances[more]) - value == pytest.approx(influence[5] / 81, rel=0.1)


def test_a_missing_class_makes_only_the_auroc_undefined():
    labels, chances = data(50, 3)
    keep = labels != 2
    with np.errstate(all="raise"):
        result = metrics.classification_metrics(labels[keep], chances[keep], 3)
    undefined = ("auroc", "average_precision")
    assert all(result[name] == {"value": None, "low": None, "high": None} for name in undefined)
    assert all(result[name]["value"] is not None for name in result if name not in undefined)
    json.dumps(result, allow_nan=False)


@pytest.mark.parametrize("rows", [0, 1])
def test_no_row_and_one_row_give_null_or_numbers_never_nan(rows):
    result = metrics.classification_metrics(np.zeros(rows, int), np.full((rows, 2), 0.5), 2)
    assert (result["accuracy"]["value"] is None) == (rows == 0)
    json.dumps(result, allow_nan=False)
    result = metrics.regression_metrics(np.ones(rows), np.zeros(rows))
    assert result["r2"]["value"] is None
    json.dumps(result, allow_nan=False)


def test_unlabelled_rows_are_left_out():
    labels, chances = data(60, 3)
    more = np.concatenate([labels, [-1, -1]]), np.concatenate([chances, np.full((2, 3), 1 / 3)])
    assert metrics.classification_metrics(*more, 3) == metrics.classification_metrics(labels, chances, 3)


def test_certain_and_wrong_costs_a_finite_loss():
    labels, chances = np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]])
    result = metrics.classification_metrics(labels, chances, 2)
    assert result["log_loss"]["value"] == pytest.approx(log_loss(labels, chances), abs=1e-12)
    assert 10 < result["log_loss"]["value"] < result["log_loss"]["high"] < 36.05  # what two wrong rows would have


def test_the_value_lies_inside_every_interval():
    for seed in range(5):
        labels, chances = data(25, 3, seed)
        for name, one in metrics.classification_metrics(labels, chances, 3).items():
            assert one["low"] <= one["value"] <= one["high"], name
    # Calibrated to the row: every resample looks worse than the data.
    labels = np.repeat([1, 0, 1, 0], [90, 30, 140, 20])
    chances = np.repeat([[0.25, 0.75], [0.125, 0.875]], [120, 160], axis=0)
    one = metrics.classification_metrics(labels, chances, 2)["ece"]
    assert one["value"] == pytest.approx(0)
    assert one["low"] <= one["value"] <= one["high"]


def test_probabilities_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        metrics.classification_metrics(np.array([0]), np.array([[np.nan, 1.0]]), 2)


def test_regression_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    values = rng.normal(size=80) * 3 + 1e4
    predicted = values + rng.normal(size=80)
    result = metrics.regression_metrics(np.append(values, np.nan), np.append(predicted, 0.0))
    assert result["r2"]["value"] == pytest.approx(r2_score(values, predicted))
    assert result["rmse"]["value"] == pytest.approx(np.sqrt(np.mean((values - predicted) ** 2)))
    assert result["mae"]["value"] == pytest.approx(np.abs(values - predicted).mean())
    assert all(one["low"] < one["value"] < one["high"] for one in result.values())


def test_values_that_do_not_vary_have_no_r2():
    result = metrics.regression_metrics(np.full(10, 3.3), np.arange(10.0))
    assert result["r2"]["value"] is None and result["rmse"]["value"] > 0


def test_the_interval_of_a_mean_is_students():
    result = metrics.mean_interval([1.0, 2.0, 3.0])
    assert result["value"] == 2
    assert result["high"] - 2 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)
    assert metrics.mean_interval([5.0]) == {"value": 5.0, "low": None, "high": None}
    assert metrics.mean_interval([]) == {"value": None, "low": None, "high": None}


def test_agreement_stays_within_0_and_1():
    result = metrics.agreement(np.zeros(20), np.zeros(20))
    assert result["value"] == 1 and 0.8 < result["low"] < 1 and result["high"] == pytest.approx(1)
    assert metrics.agreement([], [])["value"] is None
    with pytest.raises(ValueError, match="cannot be compared"):
        metrics.agreement([1, 2], [1])


def test_wilson_intervals_are_those_of_scipy_and_of_nothing_there_is_none():
    hits, counts = np.array([0, 1, 3, 10, 7, 0]), np.array([1, 1, 7, 10, 900, 0])
    low, high = metrics.wilson(hits, counts)
    for i in range(5):
        expected = stats.binomtest(int(hits[i]), int(counts[i])).proportion_ci(0.95, method="wilson")
        assert (low[i], high[i]) == pytest.approx((expected.low, expected.high), abs=1e-12)
    assert np.isnan(low[5]) and np.isnan(high[5]) and low[0] == 0 and high[3] == 1


def figures(*names):
    return {name: {"value": 0.9, "low": 0.8, "high": 1.0} for name in names}


def test_the_headline_names_what_a_rare_class_cannot_hide_behind():
    all_of_them = figures("accuracy", "balanced_accuracy", "auroc", "average_precision")
    assert metrics.headline(all_of_them, {"no": 60, "yes": 40}) == (["auroc", "accuracy"], "")
    assert metrics.headline(all_of_them, {"no": 900, "yes": 40}) == (["auroc", "average_precision"], "")
    assert metrics.headline(all_of_them, {"no": 40, "yes": 900}) == (["auroc", "balanced_accuracy"], "")
    assert metrics.headline(all_of_them, {"a": 500, "b": 500, "c": 50})[0] == ["auroc", "balanced_accuracy"]
    assert metrics.headline(figures("r2", "rmse", "mae")) == (["r2", "rmse"], "")


def test_the_headline_says_which_class_has_no_row_or_few():
    one = figures("accuracy", "balanced_accuracy") | {"auroc": {"value": None, "low": None, "high": None}}
    names, caveat = metrics.headline(one, {"common": 20, "rare": 0})
    assert names == ["accuracy"] and caveat == "no row of 'rare', so these metrics say nothing of it"
    names, caveat = metrics.headline(one, {"rare": 3, "common": 97})
    assert names == ["balanced_accuracy", "accuracy"] and caveat == "only 3 rows of 'rare'"
    assert metrics.headline({"accuracy": {"value": None, "low": None, "high": None}}, {"a": 0, "b": 0}) == ([], "")
