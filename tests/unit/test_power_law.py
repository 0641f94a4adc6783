"""The power law through a learning curve, nested subsets, and what is foretold, against truths that are known."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from graft.curves import forecast as forecast_module
from graft.curves import power_law
from graft.curves.forecast import _means, forecast
from graft.curves.subsets import nested

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)
SIZES = np.array([50, 100, 250, 500, 750, 1000])
AHEAD = np.array([1000, 2000, 10_000])


def pow4(n, a, b, c, d):
    return c + (a * n + b) ** -d


@pytest.mark.parametrize("truth", [(0.02, 0.5, 0.1, 0.7), (0.1, 0.05, 0.0, 0.4), (0.004, 2.0, 0.05, 2.0)])
def test_an_exact_power_law_is_found_again_for_many_curves_at_once(truth):
    curves = np.stack([pow4(SIZES, *truth), 2 * pow4(SIZES, *truth)])
    found = power_law.fit(SIZES, curves, np.ones(6)).at(AHEAD)
    assert found[0] == pytest.approx(pow4(AHEAD, *truth), rel=0.03)
    assert found[1] == pytest.approx(2 * pow4(AHEAD, *truth), rel=0.03)


def test_a_noisy_curve_is_fitted_as_well_as_by_scipy_with_unequal_weights():
    draw = np.random.default_rng(3)
    sigma = 0.05 / np.sqrt(SIZES)
    errors = pow4(SIZES, 0.03, 1.0, 0.08, 0.8) + draw.normal(size=6) * sigma
    bounds = ([1e-6, 0, 0, 0.02], [10, 100, 1, 3])
    best, _ = curve_fit(pow4, SIZES, errors, (0.05, 0.5, 0.05, 0.7), sigma, bounds=bounds, max_nfev=20_000)
    own = power_law.fit(SIZES, errors, sigma**-2)
    losses = [(((one - errors) / sigma) ** 2).sum() for one in (own.at(SIZES)[0], pow4(SIZES, *best))]
    assert losses[0] <= 1.05 * losses[1]


def test_a_fitted_error_never_falls_below_none_and_never_grows():
    draw = np.random.default_rng(0)
    found = power_law.fit(SIZES, np.abs(draw.normal(size=(200, 6))), np.ones(6)).at(np.r_[SIZES, AHEAD])
    assert (found >= 0).all() and (np.diff(found[:, :6]) <= 1e-9).all()


def test_subsets_are_nested_have_the_shares_of_the_classes_and_are_others_in_each_draw():
    strata = np.repeat([0, 1, 2], [700, 280, 20])
    draws = [nested(strata, np.arange(1000), FRACTIONS, seed) for seed in (0, 1)]
    for first in draws:
        sizes = [np.bincount(strata[first <= number], minlength=3) for number in range(6)]
        for fraction, counts in zip(FRACTIONS, sizes, strict=True):
            assert np.abs(counts - fraction * np.array([700, 280, 20])).max() <= 1.5
    assert (draws[0] == nested(strata, np.arange(1000), FRACTIONS, 0)).all()
    assert ((draws[0] == 0) & (draws[1] == 0)).sum() < 15  # of 50, by chance 2 or 3


def test_groups_are_drawn_whole():
    units = np.random.default_rng(0).integers(0, 60, 1000)
    first = nested(np.arange(1000) % 2, units, FRACTIONS, 0)
    assert all(len(set(first[units == unit])) == 1 for unit in set(units))
    assert [abs((first <= number).mean() - share) < 0.05 for number, share in enumerate(FRACTIONS)] == [True] * 6


def simulated(draw, count, draws=5, truth=(0.02, 0.5, 0.1, 0.7), noise=0.2):
    """Measurements whose chance is that of a mean over the rows of nested subsets, and one of four times the rows."""
    rows = draw.normal(size=4 * count) * noise
    table = []
    for number in range(draws):
        order = draw.permutation(count)
        for fraction in FRACTIONS[: None if number == 0 else -1]:
            size = round(fraction * count)
            table.append((fraction, size, 1 - pow4(size, *truth) + rows[order[:size]].mean()))
    return table, 1 - pow4(4 * count, *truth) + rows.mean()


@pytest.fixture
def few_resamples(monkeypatch):
    monkeypatch.setattr(forecast_module, "RESAMPLES", 200)


def test_the_band_holds_what_is_measured_later_about_as_often_as_it_says(few_resamples):
    draw, hits, widths, tried = np.random.default_rng(0), 0, [], 60
    for _ in range(tried):
        table, later = simulated(draw, 400)
        found = forecast(*zip(*table, strict=True), ahead=np.array([1600]))
        tried -= bool(found.why)
        if not found.why:
            hits += found.low[0] <= later <= found.high[0]
            widths.append(found.high[0] - found.low[0])
    assert tried >= 50 and hits >= 0.9 * tried and np.median(widths) < 0.12


def test_the_band_holds_what_as_many_other_rows_give(few_resamples):
    draw, hits = np.random.default_rng(0), []
    for _ in range(150):
        table, _ = simulated(draw, 400, noise=0.5)
        found = forecast(*zip(*table, strict=True), ahead=np.array([400]))
        later = 1 - pow4(400, 0.02, 0.5, 0.1, 0.7) + draw.normal() * 0.5 / 20
        hits += [] if found.why else [found.low[0] <= later <= found.high[0]]
    assert len(hits) > 100 and np.mean(hits) > 0.94


def test_means_of_nested_draws_vary_together_as_is_assumed():
    draw, found, noise = np.random.default_rng(1), [], []
    for _ in range(1500):
        table, _ = simulated(draw, 200, noise=1.0)
        noise.append(_means(*(np.array(column, float) for column in zip(*table, strict=True))).noise)
        found.append([np.mean([value for part, _, value in table if part == fraction]) for fraction in FRACTIONS])
    fractions, labels, values = (np.array(column) for column in zip(*table, strict=True))
    assumed = _means(fractions, labels.astype(float), 1 - values)
    assert np.cov(np.array(found).T) == pytest.approx(assumed.covariance / assumed.noise**2, rel=0.15)
    assert np.sqrt(np.mean(np.square(noise))) == pytest.approx(1.0, rel=0.03)  # that of single rows, which is not seen


@pytest.mark.parametrize("metric_is_error", [False, True])
def test_smaller_is_better_for_errors_and_larger_for_the_rest(metric_is_error):
    table, _ = simulated(np.random.default_rng(5), 400, noise=0.1)
    fractions, labels, values = (np.array(column) for column in zip(*table, strict=True))
    if metric_is_error:
        values = 1 - values
    found = forecast(fractions, labels, values, best=0.0 if metric_is_error else 1.0)
    assert not found.why and (found.low <= found.value).all() and (found.value <= found.high).all()
    assert np.sign(found.value[-1] - found.value[0]) == (-1 if metric_is_error else 1)
    assert found.labels[0] == 400 and found.labels[-1] == 4000 and (found.low >= 0).all()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda table: [row for row in table if row[0] > 0.25], "fewer than 4 numbers of labels"),
        (lambda table: [(*row[:2], 0.8) for row in table], "no difference that is larger than chance"),
        (lambda table: [(part, size, 0.9 - part / 10 + (size % 3) / 1e4) for part, size, _ in table], "worse"),
    ],
    ids=["few", "equal", "falling"],
)
def test_a_curve_that_is_not_well_behaved_has_no_forecast_and_a_reason(change, why):
    table, _ = simulated(np.random.default_rng(0), 400)
    found = forecast(*zip(*change(table), strict=True))
    assert why in found.why and not len(found.labels) and not len(found.low)
