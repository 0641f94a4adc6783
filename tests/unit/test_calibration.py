"""The temperature minimises the cross-entropy, and stays sane where that has no minimum."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from graft import calibration


def data(rows=400, classes=4, sharpness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * 2
    chances = calibration.probabilities(logits)
    labels = (chances.cumsum(1) > rng.random((rows, 1))).argmax(1)
    return logits * sharpness, labels


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 5.0])
def test_the_temperature_minimises_the_cross_entropy(sharpness):
    logits, labels = data(sharpness=sharpness)
    found = calibration.fit_temperature(logits, labels)
    best = minimize_scalar(
        lambda t: calibration.log_loss(logits, labels, np.exp(t)).mean(), bounds=np.log([0.05, 20]), method="bounded"
    )
    assert found == pytest.approx(np.exp(best.x), rel=1e-3)


def test_scaled_logits_scale_the_temperature():
    logits, labels = data()
    assert calibration.fit_temperature(3 * logits, labels) == pytest.approx(
        3 * calibration.fit_temperature(logits, labels)
    )


def test_overconfident_logits_are_softened_and_predictions_stay():
    logits, labels = data(sharpness=4)
    temperature = calibration.fit_temperature(logits, labels)
    assert temperature > 2
    assert (calibration.probabilities(logits, temperature).argmax(1) == logits.argmax(1)).all()


def test_few_right_answers_give_less_confidence_than_many():
    logits = np.tile([[1.0, 0.0]], (1000, 1))
    few = calibration.fit_temperature(logits[:5], np.zeros(5, int))
    many = calibration.fit_temperature(logits, np.zeros(1000, int))
    assert 0.05 < many < few
    assert calibration.probabilities(logits[:1], few)[0, 0] == pytest.approx(6 / 7, abs=1e-6)


def test_the_temperature_keeps_its_bounds():
    right = np.tile([[1e-3, 0.0]], (1000, 1))
    assert calibration.fit_temperature(right, np.zeros(1000, int)) == pytest.approx(0.05)
    assert calibration.fit_temperature(right * 1e6, np.ones(1000, int)) == pytest.approx(20)


def test_nothing_to_learn_from_gives_temperature_1():
    assert calibration.fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1
    assert calibration.fit_temperature(np.full((5, 3), 2.0), np.zeros(5, int)) == 1
    assert calibration.fit_temperature(np.ones((5, 3)) * [1, 2, 3], np.full(5, -1)) == 1


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="not finite"):
        calibration.fit_temperature(np.array([[np.inf, 0.0]]), np.array([0]))


def test_huge_logits_do_not_overflow():
    logits = np.array([[1e6, 0.0], [0.0, 1e6]])
    assert np.isfinite(calibration.probabilities(logits)).all()
    assert calibration.log_loss(logits, np.array([1, 1])).tolist() == [1e6, 0.0]


def test_the_reliability_table_counts_every_labelled_row_once():
    logits, labels = data(300)
    labels[:7] = -1
    chances = calibration.probabilities(logits)
    table = calibration.reliability(labels, chances)
    known = labels >= 0
    assert table["count"].sum() == 293
    assert (table["count"] * table["accuracy"]).sum() == pytest.approx((chances.argmax(1) == labels)[known].sum())
    assert (table["count"] * table["confidence"]).sum() == pytest.approx(chances.max(1)[known].sum())
    assert table["confidence"].between(table["low"], table["high"]).all()
    assert not table.isna().any(axis=None)
    assert len(calibration.reliability(np.zeros(0, int), np.zeros((0, 2)))) == 0


def test_residual_std_is_the_root_mean_square_of_known_residuals():
    assert calibration.residual_std([1.0, 2.0, np.nan], [4.0, 6.0, 0.0]) == pytest.approx(np.sqrt(12.5))
    assert calibration.residual_std([], []) is None
