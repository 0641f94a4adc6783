"""How a metric grows with the number of labels: a power law with four parameters through a measured learning curve.

Of the curves that were compared on hundreds of data sets, POW4 extrapolates best (Mohr et al. 2022, LCDB); many curves are not
well-behaved, though, and of these nothing is foretold (Viering and Loog 2023).
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

DRAWS = 200
LEAST_SIZES = 4  # numbers of labels that were measured
LEAST_LABELS = 30  # the largest of them
WIDEST = 0.25  # a band that is wider at twice the labels says nothing
STEEPEST, FURTHEST = 2.0, 10.0  # of the exponent; and how many times the measured labels is foretold
POINTS = 40


@dataclass(frozen=True)
class Forecast:
    """What is foretold, or why nothing is.

    labels : int array; value, low, high : float arrays, the metric and its 95 % band at these numbers of labels; all empty if `why`
    why : str, the reason why there is no forecast, else ""
    """

    labels: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    why: str

    def labels_to_reach(self, wanted):
        """Between how many and how many labels the metric reaches a value; None for an end that is beyond what is foretold."""
        ends = [np.flatnonzero(band >= wanted) for band in (self.high, self.low)]
        return tuple(int(self.labels[places[0]]) if len(places) else None for places in ends)


def forecast(sizes, values, best=1.0, seed=0):
    """Extrapolate a learning curve.

    Parameters
    ----------
    sizes : int array, shape (m,), labels that each measurement learned from
    values : float array, shape (m,), the metric, larger is better
    best : float, what a perfect model has
    seed : int, of the draws

    Returns
    -------
    Forecast
    """
    sizes, values = np.asarray(sizes, np.float64), np.asarray(values, np.float64)
    known = np.isfinite(values)
    sizes, errors = sizes[known], best - values[known]
    distinct = np.unique(sizes)
    why = _why_not(sizes, errors, distinct)
    if why:
        return _nothing(why)
    random = np.random.default_rng(seed)
    most = distinct[-1]
    ahead = np.unique(np.round(np.geomspace(most, most * FURTHEST, POINTS))).astype(int)
    spread = _spread(sizes, errors, distinct)
    drawn = []
    for _ in range(DRAWS):
        means = np.array([random.choice(errors[sizes == size], (sizes == size).sum()).mean() for size in distinct])
        # Where every draw has the same rows, as with all labels, the next larger sizes say how much a draw moves.
        means = means + random.normal(size=len(distinct)) * spread / np.sqrt(
            [(sizes == size).sum() for size in distinct]
        )
        found = _fit(distinct, means)
        drawn.append(_curve(found, ahead) + random.normal() * spread[-1])
    low, middle, high = np.percentile(drawn, [2.5, 50, 97.5], axis=0)
    twice = np.searchsorted(ahead, 2 * most)
    if high[twice] - low[twice] > WIDEST:
        return _nothing(f"the band would be {high[twice] - low[twice]:.2f} wide at twice the labels")
    return Forecast(ahead, best - middle, best - high, np.minimum(best - low, best), "")


def _why_not(sizes, errors, distinct):
    if len(distinct) < LEAST_SIZES or distinct[-1] < LEAST_LABELS:
        return f"{len(distinct)} numbers of labels up to {distinct[-1] if len(distinct) else 0:.0f} are too few"
    means = np.array([errors[sizes == size].mean() for size in distinct])
    noise = np.array([errors[sizes == size].std() / np.sqrt((sizes == size).sum()) for size in distinct])
    if means[-1] > means[:-1].min() + 2 * noise.max():
        return "it does not grow with the number of labels"
    if means[0] - means[-1] < 2 * noise.max():
        return "it is flat: more labels have made no difference yet"
    return ""


def _spread(sizes, errors, distinct):
    """Standard deviation of single draws at each size; where all draws are equal, that of the size before."""
    found = np.array([errors[sizes == size].std(ddof=1) if (sizes == size).sum() > 1 else 0.0 for size in distinct])
    for place in range(1, len(found)):
        if found[place] == 0:
            found[place] = found[place - 1] * np.sqrt(distinct[place - 1] / distinct[place])
    return found


def _fit(sizes, errors):
    """POW4: error(n) = c + (a n + b)^-d, by least squares on the scale of the measured sizes."""
    scale = sizes[-1]
    starts = [(1.0, 0.1, 0.5, 0.5 * errors[-1]), (5.0, 1.0, 1.0, 0.9 * errors[-1]), (0.5, 0.01, 0.2, 0.0)]
    bounds = ([1e-6, 0.0, 0.01, 0.0], [1e6, 1e3, STEEPEST, max(errors[-1], 1e-9)])
    fits = [
        least_squares(
            lambda p: p[3] + (p[0] * sizes / scale + p[1]) ** -p[2] - errors,
            np.clip(start, np.array(bounds[0]) + 1e-9, np.array(bounds[1]) - 1e-12),
            bounds=bounds,
            max_nfev=200,
        )
        for start in starts
    ]
    return (*min(fits, key=lambda one: one.cost).x, scale)


def _curve(found, sizes):
    a, b, d, c, scale = found
    return c + (a * sizes / scale + b) ** -d


def _nothing(why):
    empty = np.empty(0)
    return Forecast(empty.astype(int), empty, empty, empty, why)
