"""Intervals of few-shot metrics: how they would come out on other data sets, of which rows are drawn again.

The spread of the episodes only says how a metric depends on which episodes were drawn. With few rows to draw from, all
episodes share them, and another data set of the same kind gives quite another value.
"""

from functools import cached_property

import numpy as np
from scipy.special import ndtri, stdtrit

from graft.evaluation.calibration_error import ends, signed_gaps
from graft.evaluation.intervals import Design, mean_interval, share, units_of


def figures_of(episodes, judged, smaller=None):
    """Accuracy, log loss and calibration error of few-shot episodes, with intervals.

    Parameters
    ----------
    episodes : Episodes
    judged : dict with right (bool), confidence, loss: arrays, shape (episodes, queries)
    smaller : (Episodes, dict like `judged`), or None
        The same episodes with smaller supports, if theirs hold more than half of a class.

    Returns
    -------
    dict of str to {"value", "low", "high"}
        accuracy, log_loss, ece: their intervals hold for other data sets, of which rows and episodes are drawn again.
        accuracy_episodes, log_loss_episodes: those hold for other episodes of the same rows.
    """
    raw, debiased, gaps = _gaps(episodes, judged)
    fewer, less = (episodes, judged) if smaller is None else smaller
    worth = len(np.unique(episodes.query))
    variance, left = _variance(episodes, gaps, fewer, gaps if smaller is None else _gaps(fewer, less)[2])
    return {
        "accuracy": _share(judged["right"], *_variance(episodes, judged["right"], fewer, less["right"]), worth),
        "log_loss": _positive(judged["loss"], *_variance(episodes, judged["loss"], fewer, less["loss"])),
        "ece": ends(raw, debiased, float(stdtrit(left, 0.975) * np.sqrt(variance)) if left else None),
        "accuracy_episodes": mean_interval(judged["right"].mean(1)),
        "log_loss_episodes": mean_interval(judged["loss"].mean(1)),
    }


class Episodes:
    """Which rows the episodes of one task were made of.

    Parameters
    ----------
    classes : array of int, shape (episodes, ways)
    support, query : arrays of int, shape (episodes, ways * shots or queries), rows, class by class
    sizes : array of int, shape (C,), rows per class that supports were drawn from
    groups : sequence of str or None, one per row, or None; rows of one group are drawn together
    """

    def __init__(self, classes, support, query, sizes, groups=None):
        self.classes, self.support, self.query, self.sizes = classes, support, query, np.asarray(sizes)
        units = units_of(groups)
        self.units = np.arange(max(support.max(), query.max()) + 1) if units is None else units

    def of_queries(self, values):
        """Variance of the mean of `values` (episodes, queries) from the query rows, as means per row show it.

        Returns
        -------
        variance, chance : float
            `chance` is the part of it that comes from the answers to one row being different in different episodes.
        left : int
            Degrees of freedom; 0 if a class has queries of one unit only.
        """
        place, rows, of_class, count = self._queries
        times, total = np.bincount(place.ravel()), np.bincount(place.ravel(), weights=values.ravel())
        level = np.bincount(of_class, weights=total) / np.maximum(np.bincount(of_class, weights=times), 1)
        chance = ((values - (total / times)[place]) ** 2).sum() / values.size**2
        influence = (total - times * level[of_class]) / values.size * _bessel(count)[of_class]
        left = 0 if (count == 1).any() else len(np.unique(self.units[rows])) - (count > 0).sum()
        return float((np.bincount(self.units[rows], weights=influence) ** 2).sum()), float(chance), max(int(left), 0)

    def of_support(self, values):
        """Variance of the mean of `values` from the support rows; None if a class has one unit, or no row to spare.

        In its support the mean is a U-statistic; its variance is, in the first order, that of the terms of single rows
        (Hoeffding 1948). What chance adds to a row's term is subtracted: the products of an episode with itself.
        """
        episodes, ways = self.classes.shape
        shots = self.support.shape[1] // ways
        place, _, of_class, count = self._supports
        sizes = self.sizes[of_class]
        if (sizes <= shots).any() or (count == 1).any():
            return None
        seen = np.bincount(self.classes.ravel(), minlength=len(self.sizes))
        scores = values.mean(1)
        level = np.bincount(self.classes.ravel(), weights=scores.repeat(ways), minlength=len(seen)) / np.maximum(
            seen, 1
        )
        deviation = scores[:, None] - level[self.classes.repeat(shots, axis=1)]
        # Given one row, the others of a support are drawn from the rest of its class, which takes a part of its effect.
        effect = seen[of_class] / episodes * shots / sizes * (sizes - 1) / (sizes - shots) / np.bincount(place.ravel())
        effect *= _bessel(count)[of_class]
        added = (effect[place] * deviation).ravel()
        total, each = (
            np.bincount(self.units[self.support].ravel(), weights=added),
            np.bincount(self._cells, weights=added),
        )
        return float(max((total**2).sum() - (each**2).sum(), 0.0))

    @cached_property
    def _queries(self):
        return self._rows(self.query)

    @cached_property
    def _supports(self):
        return self._rows(self.support)

    @cached_property
    def _cells(self):
        """The cell of every support row in a table of episodes and units."""
        units = self.units[self.support] + np.arange(len(self.support))[:, None] * (self.units.max() + 1)
        return np.unique(units, return_inverse=True)[1].ravel()

    def _rows(self, drawn):
        """Places of the drawn rows among the different ones; these, their classes, and the units of each class."""
        rows, place = np.unique(drawn, return_inverse=True)
        place = place.reshape(drawn.shape)
        of_class = np.empty(len(rows), np.int64)
        of_class[place] = self.classes.repeat(drawn.shape[1] // self.classes.shape[1], axis=1)
        pairs = np.unique(of_class * (self.units.max() + 1) + self.units[rows]) // (self.units.max() + 1)
        return place, rows, of_class, np.bincount(pairs, minlength=len(self.sizes))


def _variance(episodes, values, fewer, fewer_values):
    """Variance of the mean of `values` over data sets and episodes, and its degrees of freedom; 0 if it is unknown."""
    of_queries, chance, left = episodes.of_queries(values)
    of_support = fewer.of_support(fewer_values)
    if of_support is None or len(values) < 2:
        return None, 0
    of_episodes = max(values.mean(1).var(ddof=1) / len(values) - chance, 0.0)
    return of_queries + of_support + of_episodes, left


def _share(right, variance, left, worth):
    """Interval of an accuracy that rests on `worth` query rows."""
    design = Design(1.0, 1.0, float((stdtrit(left, 0.975) / ndtri(0.975)) ** 2)) if left else None
    return share(float(right.mean()), variance, worth, design)


def _positive(losses, variance, left):
    """Interval of a mean loss, on the scale of logarithms."""
    value = float(losses.mean())
    if not left or value <= 0:
        return {"value": value, "low": None, "high": None}
    half = stdtrit(left, 0.975) * np.sqrt(variance) / value
    return {"value": value, "low": float(value * np.exp(-half)), "high": float(value * np.exp(half))}


def _gaps(episodes, judged):
    """Calibration error of all queries, raw and debiased, and what each query adds to the raw one."""
    shape = judged["right"].shape
    units = np.unique(episodes.units[episodes.query.ravel()], return_inverse=True)[1]
    raw, debiased, signed = signed_gaps(judged["right"].ravel(), judged["confidence"].ravel(), units)
    return raw, debiased, signed.reshape(shape)


def _bessel(count):
    return np.sqrt(count / np.maximum(count - 1, 1))
