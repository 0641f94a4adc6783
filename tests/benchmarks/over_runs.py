"""Means over several runs of one model, with honest 95 % intervals: over random splits, and over training seeds."""

import numpy as np

from graft.evaluation.intervals import UNDEFINED, mean_interval


def mean_over_splits(values, ratio):
    """Mean over several random splits of one data set, with the interval of Nadeau and Bengio (2003, section 3).

    The splits share most of their rows, so that their mean is less certain than its spread says.

    Parameters
    ----------
    values : one metric, or one difference of metrics, per split
    ratio : float, test rows over train rows of a split
    """
    found = mean_interval(values)
    if found["high"] is None:
        return found
    half = (found["high"] - found["value"]) * np.sqrt(1 + len(values) * ratio)
    return {"value": found["value"], "low": float(found["value"] - half), "high": float(found["value"] + half)}


def mean_over_seeds(values, lows, highs):
    """Mean over training seeds that were all tested on the same rows.

    Seeds that agree are not certain of other rows. So the interval has two parts: the spread of the seeds, and that of
    the test rows, which the single metrics have (`lows`, `highs`). The second does not shrink with the number of seeds.
    NaN or None: that seed's metric has no interval.
    """
    values, lows, highs = (np.asarray(one, dtype=np.float64) for one in (values, lows, highs))
    if len(values) == 0:
        return dict(UNDEFINED)
    mean = float(values.mean())
    below, above = (float(np.mean(one)) for one in (values - lows, highs - values))
    if not np.isfinite([below, above]).all():
        return {"value": mean, "low": None, "high": None}
    seeds = mean_interval(values)
    half = 0.0 if seeds["high"] is None else seeds["high"] - mean
    return {"value": mean, "low": mean - float(np.hypot(half, below)), "high": mean + float(np.hypot(half, above))}
