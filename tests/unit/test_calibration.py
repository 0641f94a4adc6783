"""Temperature and intercepts minimise the cross-entropy with their priors, and stay sane where rows are few."""

import numpy as np
import pytest
from scipy.optimize import minimize, minimize_scalar

from fits import fit_logistic
from graft.heads import calibration, solvers


def data(rows=400, classes=4, sharpness=1.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, classes)) * 2
    chances = calibration.probabilities(logits)
    labels = (chances.cumsum(1) > rng.random((rows, 1))).argmax(1)
    return logits * sharpness, labels


def penalised(logits, labels, temperature, moved=0.0, shift=None):
    """The objective as its documentation states it, without derivatives."""
    scaled = logits / temperature + (0 if shift is None else shift + moved)
    losses = np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(labels)), labels]
    return losses.sum() + np.log(temperature) ** 2 / (2 * 0.5**2) + np.sum(np.square(moved)) / 2


@pytest.mark.parametrize("rows", [12, 400])
@pytest.mark.parametrize("sharpness", [0.2, 1.0, 5.0])
def test_the_temperature_minimises_the_cross_entropy_with_its_prior(rows, sharpness):
    logits, labels = data(rows, sharpness=sharpness)
    found = calibration.fit_temperature(logits, labels)
    options = {"xatol": 1e-9}
    best = minimize_scalar(
        lambda t: penalised(logits, labels, np.exp(t)), bounds=np.log([0.05, 20]), method="bounded", options=options
    )
    assert found == pytest.approx(np.exp(best.x), rel=1e-5)


@pytest.mark.parametrize("sharpness", [0.3, 3.0])
def test_many_rows_outvote_the_prior(sharpness):
    logits, labels = data(5000, sharpness=sharpness)
    assert calibration.fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.06)


def test_few_rows_make_no_wild_temperature_and_better_probabilities_than_none():
    found, kept = [], []
    for seed in range(200):
        true, labels = data(12 + 500, classes=2, seed=seed)
        logits = true * np.exp(np.random.default_rng(seed).uniform(np.log(0.5), np.log(4)))
        temperature = calibration.fit_temperature(logits[:12], labels[:12])
        plain, own = (calibration.log_loss(logits[12:], labels[12:], t).mean() for t in (1.0, temperature))
        found.append(temperature)
        kept.append((plain, own))
    plain, own = np.transpose(kept)
    assert min(found) > 0.4 and max(found) < 4  # without a prior 0.05 to 20
    assert own.mean() < plain.mean() - 0.02 and own.max() < plain.max()


def test_rows_that_are_shown_again_and_again_count_once_against_the_prior():
    logits, labels = data(12, sharpness=5)
    once = calibration.fit_temperature(logits, labels)
    often = np.tile(logits, (50, 1)), np.tile(labels, 50)
    assert calibration.fit_temperature(*often, distinct=12) == pytest.approx(once, rel=1e-6)
    assert abs(np.log(calibration.fit_temperature(*often) / once)) > 0.2


def test_overconfident_logits_are_softened_and_predictions_stay():
    logits, labels = data(sharpness=4)
    temperature = calibration.fit_temperature(logits, labels)
    assert temperature > 2
    assert (calibration.probabilities(logits, temperature).argmax(1) == logits.argmax(1)).all()


def test_few_right_answers_give_less_confidence_than_many():
    logits = np.tile([[1.0, 0.0]], (100_000, 1))
    few = calibration.fit_temperature(logits[:5], np.zeros(5, int))
    many = calibration.fit_temperature(logits, np.zeros(len(logits), int))
    assert 0.05 < many < 0.2 < 0.6 < few < 1


def test_the_temperature_keeps_its_bounds():
    right = np.tile([[1e-3, 0.0]], (100_000, 1))
    assert calibration.fit_temperature(right, np.zeros(len(right), int)) == pytest.approx(0.05)
    assert calibration.fit_temperature(right * 1e6, np.ones(len(right), int)) == pytest.approx(20)


def test_intercepts_and_temperature_minimise_the_cross_entropy_with_their_priors():
    logits, labels = data(150, classes=3, sharpness=2)
    shift = np.log([0.7, 0.2, 0.1])
    found = calibration.fit_calibration(logits, labels, shift)
    best = minimize(
        lambda p: penalised(logits, labels, np.exp(p[0]), p[1:], shift),
        np.zeros(4),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 10_000, "maxfev": 10_000},
    )
    assert found["temperature"] == pytest.approx(np.exp(best.x[0]), rel=1e-4)
    assert found["intercepts"] == pytest.approx(shift + best.x[1:], abs=1e-4)
    assert set(calibration.fit_calibration(logits, labels)) == {"temperature"}


def test_class_weights_are_taken_off_the_probabilities_and_not_off_the_decision():
    draw = np.random.default_rng(0)
    labels = (draw.random(8000) < 0.05).astype(int)
    features = draw.normal(size=(8000, 5)) + 1.5 * labels[:, None] * np.eye(5)[0]
    own, others, later = slice(0, 1000), slice(1000, 3000), slice(3000, None)
    counts = np.bincount(labels[own])
    weight, bias = fit_logistic(features[own], labels[own], 2, [0.01], solvers.balanced_weights(labels[own], 2))
    logits = solvers.outputs(features, weight[0], bias[0])
    plain = calibration.probabilities(logits[later], calibration.fit_temperature(logits[others], labels[others]))
    facts = calibration.fit_calibration(logits[others], labels[others], calibration.log_shares(counts))
    chances = calibration.probabilities(logits[later], **facts)
    assert plain[:, 1].mean() > 0.2 and 0.035 < chances[:, 1].mean() < 0.065 and labels[later].mean() < 0.06
    loss = calibration.log_loss(logits[later], labels[later], **facts).mean()
    unweighted = fit_logistic(features[own], labels[own], 2, [0.01])
    yardstick = calibration.log_loss(
        solvers.outputs(features[later], *(one[0] for one in unweighted)), labels[later]
    ).mean()
    assert loss < yardstick + 0.01
    rare = labels[later] == 1
    assert (calibration.decide(logits[later])[rare] == 1).mean() > 0.7 > 0.4 > (chances.argmax(1)[rare] == 1).mean()


def test_probabilities_are_those_of_the_facts_with_and_without_intercepts():
    logits, _ = data(5)
    old, new = {"temperature": 2.0}, {"temperature": 2.0, "intercepts": [0.0, 1.0, -1.0, 0.5]}
    for facts in (old, new):
        found = calibration.probabilities(calibration.calibrated(logits, facts))
        np.testing.assert_array_equal(found, calibration.probabilities(logits, **facts))
    odds = calibration.probabilities(logits, **new) / calibration.probabilities(logits, **old)
    np.testing.assert_allclose(odds[:, 1] / odds[:, 0], np.e)


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


def test_log_shares_are_those_of_the_counts_and_a_class_without_rows_counts_half_a_row():
    assert calibration.log_shares([0, 10, 30]) == pytest.approx(np.log([0.5 / 40.5, 10 / 40.5, 30 / 40.5]))
