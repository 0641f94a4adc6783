"""Intervals of numbers, of regression targets."""

import numpy as np

from graft.common import plugins
from graft.conformal.thresholds import limits_of, of_strata, threshold, too_few

SCORE = "intervals"  # the key of the config that names the score
COLUMNS = ("low", "high")
SIZE = "width"


def fit(table, facts, settings, level, strata):
    """The threshold of the score, and what the score has learned from the half of the rows that does not calibrate then.

    Parameters and the note are as in `classes.fit`.
    """
    score = plugins.load("number_score", settings["intervals"])
    predicted, values = (table[name].to_numpy(np.float64) for name in ("predicted", "value"))
    calibrates, learned = np.ones(len(table), bool), None
    if hasattr(score, "fit") and len(table) > 1:
        calibrates[np.random.default_rng(0).permutation(len(table))[: len(table) // 2]] = False
        learned = score.fit(predicted[~calibrates], values[~calibrates], level)
    own = score.score(values[calibrates], predicted[calibrates], learned) if calibrates.any() else np.empty(0)
    if strata is not None:
        others, groups, note = of_strata(own, strata[calibrates], level, settings["within"])
        return {"thresholds": [others], "groups": groups, "learned": learned}, note
    limit = threshold(own, level)
    return {"thresholds": [limit], "learned": learned}, too_few({"any": limit}, {"any": len(own)}, level, "value")


def columns(table, facts, score, fitted, strata=None):
    """The lower and the upper end of each row's interval: float arrays; NaN where there is none."""
    predicted = table["predicted"].to_numpy(np.float64)
    limits = limits_of(fitted, len(table), strata)[:, 0]
    if np.isnan(limits).all():
        return limits, limits
    return plugins.load("number_score", score).interval(predicted, limits, fitted["learned"])


def judged(table, low, high):
    """Whether each row's value is in its interval, and how wide this is."""
    values = table["value"]
    return ((low <= values) & (values <= high)).to_numpy(bool), (high - low).to_numpy(float)
