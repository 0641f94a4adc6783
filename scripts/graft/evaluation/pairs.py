"""Every pair of models on the same rows: how much better one is, whether that may be chance, and who is tied."""

from itertools import combinations

import numpy as np
import pandas as pd

from graft.evaluation.choosing import common_rows, interval, is_defined, resampled_seeds, sizes_of

COLUMNS = ["model", "other", "metric", "value", "other_value", "difference", "low", "high", "p", "p_holm", "tied"]
SURE = 0.05


def compare_pairs(candidates, classes, groups, metrics, seed=0):
    """Compare all pairs by a paired bootstrap over the data's groups and over the models' seeds.

    Each resample draws the groups, the same ones for all models, and of each model as many of its seeds as it has. p is twice the
    share of resamples in which the difference has the other sign, and p_holm is corrected for the number of pairs (Holm 1979).
    Two models are tied where that is 0.05 or more.

    Parameters
    ----------
    candidates, classes, groups : as for choosing.choose
    metrics : list of str, of which the first that is defined is taken; larger is better
    seed : int, of the draws

    Returns
    -------
    DataFrame with COLUMNS, the better model of a pair first, its difference at least 0; empty where nothing can be compared
    """
    ids, tables = common_rows(candidates)
    metric = next((name for name in metrics if ids and is_defined(name, tables, classes)), None)
    if metric is None or len(candidates) < 2:
        return pd.DataFrame(columns=COLUMNS)
    units, values, drawn = resampled_seeds(metric, tables, classes, ids, groups, seed)
    sizes, random = sizes_of(metric, tables, units), np.random.default_rng([seed, 1])
    means = {name: _mean_of_drawn_seeds(each, random) for name, each in drawn.items()}
    order = sorted(values, key=lambda name: -values[name])
    rows = [_row(*pair, metric, values, means, sizes) for pair in combinations(order, 2)]
    table = pd.DataFrame(rows, columns=COLUMNS[:-2])
    return table.assign(p_holm=holm(table["p"].to_numpy()), tied=lambda found: ~(found["p_holm"] < SURE))


def _mean_of_drawn_seeds(drawn, random):
    """Mean over seeds that are drawn anew in each resample; `drawn` has shape (seeds, resamples)."""
    places = random.integers(0, len(drawn), drawn.shape)
    return np.take_along_axis(drawn, places, axis=0).mean(0)


def _row(model, other, metric, values, means, sizes):
    gap, drawn = values[model] - values[other], means[model] - means[other]
    low, high = interval(gap, drawn, sizes)
    if np.isnan(low):  # one group alone
        p = np.nan
    else:
        below, above = np.mean(drawn <= 0), np.mean(drawn >= 0)
        p = min(1.0, 2 * (min(below, above) * len(drawn) + 1) / (len(drawn) + 1))
    return model, other, metric, values[model], values[other], gap, low, high, p


def holm(p):
    """Holm's step-down correction; NaN stays NaN and counts as no comparison."""
    p, out = np.asarray(p, np.float64), np.full(len(p), np.nan)
    order = np.argsort(p)[: np.isfinite(p).sum()]
    steps = p[order] * np.arange(len(order), 0, -1)
    out[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return out
