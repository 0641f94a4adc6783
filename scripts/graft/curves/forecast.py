"""A learning curve beyond the labels that there are, with a 95 % band; or, in words, why nothing is foretold.

Many curves are not well-behaved (Viering and Loog 2023, The shape of learning curves): of these nothing is foretold.
"""

from dataclasses import dataclass

import numpy as np

from graft.curves import power_law

LEAST_SIZES = 4  # numbers of labels that were measured: the law has four parameters
FURTHEST, POINTS = 10.0, 41  # how many times the measured labels is foretold, and at how many numbers of labels
RESAMPLES = 1000
SURE = 2.0  # standard errors, from which a difference counts


@dataclass(frozen=True)
class Forecast:
    """What is foretold, or why nothing is.

    labels : int array; value, low, high : float arrays, the metric and its 95 % band; all empty if `why`
    why : str, the reason why nothing is foretold, else ""
    """

    labels: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    why: str


@dataclass(frozen=True)
class _Means:
    """A curve at m numbers of labels, the last one of which was measured once.

    sizes, errors : float arrays, shape (m,), means over D draws
    noise : float, the standard deviation of a measurement times the root of its number of labels
    covariance : array, shape (m, m), of `errors` over other draws of all rows
    draws : int, D
    """

    sizes: np.ndarray
    errors: np.ndarray
    noise: float
    covariance: np.ndarray
    draws: int


def forecast(fractions, labels, values, best=1.0, ahead=None):
    """Extrapolate a learning curve.

    The band is of a bootstrap of the measurements: it holds for what is measured on the same validation (or test) rows with other
    train rows of the same kind, so many that a future measurement's own chance is in it, too.

    Parameters
    ----------
    fractions : float array, shape (n,), of all train rows; the measurements of one fraction are those of its draws, nested in the
        same draws of larger fractions
    labels : int array, shape (n,), rows that each measurement learned from
    values : float array, shape (n,), the metric
    best : float, what a perfect model has: 1 where larger is better, 0 where smaller is
    ahead : int array, numbers of labels; by default up to ten times those that were measured

    Returns
    -------
    Forecast
    """
    labels, errors = np.asarray(labels, np.float64), np.abs(best - np.asarray(values, np.float64))
    means = _means(np.asarray(fractions), labels, errors)
    why = _why_not(means)
    if why:
        return nothing(why)
    most = means.sizes[-1]
    ahead = np.unique(np.round(np.geomspace(most, most * FURTHEST, POINTS)).astype(int) if ahead is None else ahead)
    ends = [end if best == 0 else best - end for end in _band(means, ahead)]
    return Forecast(ahead, ends[1], min(ends, key=sum), max(ends, key=sum), "")


def nothing(why):
    """A forecast of nothing."""
    empty = np.empty(0)
    return Forecast(empty.astype(int), empty, empty, empty, why)


def _means(fractions, labels, errors):
    """Means over the draws, of fractions whose subsets are larger than those of the fraction before; None if these are too few."""
    places, last = [], 0.0
    for fraction in np.unique(fractions):
        own = np.flatnonzero(fractions == fraction)
        if labels[own].mean() > last:
            places.append(own)
            last = labels[own].mean()
    if len(places) < LEAST_SIZES:
        return None
    sizes, found = (np.array([values[own].mean() for own in places]) for values in (labels, errors))
    share = sizes / sizes[-1]
    draws = min(len(own) for own in places[:-1])
    # Draws of a share of all rows have that share of them in common, and differ by so much less than independent ones.
    squares = [errors[own].var(ddof=1) / (1 - part) for own, part in zip(places[:-1], share, strict=False)]
    # Few draws cannot tell how fast chance fades with more labels: by the root of their number, as that of a mean.
    noise = max(float(np.sqrt(np.mean(squares * sizes[:-1]))), 1e-9)
    nested = np.sqrt(np.minimum.outer(share, share) / np.maximum.outer(share, share))  # correlations within a draw
    apart = np.sqrt(np.outer(share, share))  # and between two draws, which have all rows in common
    single = noise / np.sqrt(sizes)
    return _Means(sizes, found, noise, np.outer(single, single) * (nested / draws + apart * (1 - 1 / draws)), draws)


def _why_not(means):
    """Why a curve is not fit to be extrapolated; "" if it is."""
    if means is None:
        return f"fewer than {LEAST_SIZES} numbers of labels could be tried, since there are too few labels or groups"
    gained = means.errors[:-1] - means.errors[-1]
    variances = means.covariance.diagonal()
    sure = SURE * np.sqrt(variances[:-1] + variances[-1] - 2 * means.covariance[:-1, -1])
    if (gained < -sure).any():
        return "with all labels it is worse than with fewer"
    if gained[0] <= sure[0]:
        return "more labels have made no difference that is larger than chance"
    return ""


def _band(means, ahead):
    """The 2.5th, 50th and 97.5th percentile of the error at each number of labels, by a parametric bootstrap."""
    random = np.random.default_rng(0)
    chance = random.multivariate_normal(np.zeros(len(means.sizes)), means.covariance, RESAMPLES, method="cholesky")
    # Student's t: how large chance is, is known from a few draws alone.
    wider = np.sqrt((means.draws - 1) / random.chisquare(means.draws - 1, (RESAMPLES, 1)))
    law = power_law.fit(means.sizes, means.errors + wider * chance, 1 / means.covariance.diagonal())
    own = random.normal(size=(RESAMPLES, 1)) * means.noise / np.sqrt(ahead)  # of the measurement that is foretold
    return np.maximum(np.percentile(law.at(ahead) + wider * own, [2.5, 50, 97.5], axis=0), 0.0)
