"""Metrics agree with scikit-learn; intervals agree with a bootstrap that copies rows; nothing is ever NaN."""

import json

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss, r2_score, roc_auc_score

from graft import metrics


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


@pytest.mark.parametrize("classes", [2, 5])
def test_values_agree_with_scikit_learn(classes):
    labels, chances = data(150, classes)  # rounded, so that scores tie
    result = metrics.classification_metrics(labels, chances, classes)
    predicted = chances.argmax(1)
    assert result["accuracy"]["value"] == pytest.approx((predicted == labels).mean())
    assert result["balanced_accuracy"]["value"] == pytest.approx(balanced_accuracy_score(labels, predicted))
    assert result["macro_f1"]["value"] == pytest.approx(f1_score(labels, predicted, average="macro"))
    assert result["auroc"]["value"] == pytest.approx(area(labels, chances))
    if classes == 2:
        assert result["auroc"]["value"] == pytest.approx(roc_auc_score(labels, chances[:, 1]))
    chances = chances / chances.sum(1, keepdims=True)
    result = metrics.classification_metrics(labels, chances, [str(c) for c in range(classes)])
    assert result["log_loss"]["value"] == pytest.approx(log_loss(labels, chances))


def test_calibration_error_is_the_weighted_gap_over_15_bins():
    labels, chances = data(300, 3)
    confidence, right = chances.max(1), chances.argmax(1) == labels
    gaps = []
    for low in range(15):
        rows = (confidence * 15 >= low) & ((confidence * 15 < low + 1) | (low == 14))
        gaps.append(abs(right[rows].mean() - confidence[rows].mean()) * rows.mean() if rows.any() else 0)
    assert metrics.classification_metrics(labels, chances, 3)["ece"]["value"] == pytest.approx(sum(gaps))


@pytest.mark.parametrize("classes", [2, 3])
def test_intervals_agree_with_a_bootstrap_that_copies_rows(classes):
    labels, chances = data(120, classes)
    result = metrics.classification_metrics(labels, chances, classes, samples=2000)
    rng = np.random.default_rng(7)
    drawn = {"accuracy": [], "auroc": [], "log_loss": []}
    losses = -np.log(np.clip(chances[np.arange(120), labels], 1e-15, 1))
    for _ in range(800):
        rows = rng.integers(0, 120, 120)
        drawn["accuracy"].append((chances[rows].argmax(1) == labels[rows]).mean())
        drawn["auroc"].append(area(labels[rows], chances[rows]))
        drawn["log_loss"].append(losses[rows].mean())
    for name, values in drawn.items():
        low, high = np.percentile(values, [2.5, 97.5])
        width = high - low
        assert result[name]["low"] == pytest.approx(low, abs=0.15 * width), name
        assert result[name]["high"] == pytest.approx(high, abs=0.15 * width), name


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
    assert result["auroc"] == {"value": None, "low": None, "high": None}
    assert all(result[name]["value"] is not None for name in result if name != "auroc")
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
    result = metrics.classification_metrics(np.array([0, 1]), np.array([[0.0, 1.0], [0.0, 1.0]]), 2)
    assert 10 < result["log_loss"]["value"] < 40


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


def test_large_data_draw_fewer_resamples(monkeypatch):
    monkeypatch.setattr(metrics, "DRAWS", 1000)
    drawn = metrics._bootstrap_means(np.ones((100, 1)), 1000, np.random.default_rng(0))
    assert len(drawn) == 200


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


def test_calibration_error_over_episodes_equals_that_of_all_queries():
    labels, chances = data(120, 3)
    right, confidence = chances.argmax(1) == labels, chances.max(1)
    one = metrics.episode_calibration_error(right.reshape(12, 10), confidence.reshape(12, 10))
    assert one["value"] == pytest.approx(metrics.classification_metrics(labels, chances, 3)["ece"]["value"])
    assert one["low"] <= one["value"] <= one["high"]


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
    assert names == ["accuracy"] and caveat == "no row of 'rare', so these figures say nothing of it"
    names, caveat = metrics.headline(one, {"rare": 3, "common": 97})
    assert names == ["balanced_accuracy", "accuracy"] and caveat == "only 3 rows of 'rare'"
    assert metrics.headline({"accuracy": {"value": None, "low": None, "high": None}}, {"a": 0, "b": 0}) == ([], "")
