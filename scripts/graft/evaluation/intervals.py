"""95 % intervals from the influence of each row, or of each group of rows, on a metric.

A metric is close to its mean over all data plus the mean of its influence values. Rows of one group (a patient, a
plate, copies of one content) are drawn together, so their influence is summed first. This is the bootstrap over groups
in its first order, without drawing. It adds what the bootstrap lacks where rows or groups are few: Student's quantiles,
a scale on which the metric is nearly normal, and a prior worth one error, since "no error seen" is not "no error".
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtrit

UNDEFINED = {"value": None, "low": None, "high": None}
ALIKE = 0.1  # assumed correlation of a group's rows, while no error has shown it
LEAST_DF = 4  # where few rows outweigh all others, an interval is at most as wide as that of five rows


def units_of(groups):
    """What is drawn together: the number of each row's unit, or None if every row is alone.

    Parameters
    ----------
    groups : sequence of str or None, shape (N,), or None; a row without a group (None, NaN, blanks) is its own unit
    """
    if groups is None:
        return None
    words = [word.strip() if isinstance(word, str) else "" for word in groups]
    seen = {}
    codes = np.array([seen.setdefault(word or i, len(seen)) for i, word in enumerate(words)], dtype=np.int64)
    return codes if len(seen) < len(codes) else None


def part_of(units, rows):
    """The units of some rows, numbered again; None if each is alone."""
    if units is None:
        return None
    names, codes = np.unique(units[rows], return_inverse=True)
    return codes if len(names) < len(codes) else None


def sums(influence, units):
    """The influence summed per unit."""
    return influence if units is None else np.bincount(units, weights=influence)


@dataclass(frozen=True)
class Design:
    """How much less the rows say because they come in groups.

    effect : variance of the metric by groups over that by rows (the design effect, Kish 1965)
    size : mean size of the group that a row is in
    widening : square of Student's quantile for the groups over that for the rows
    """

    effect: float
    size: float
    widening: float


def design_of(influence, units, labels=None):
    """The design effect of a metric; None if all rows are of one group, so that nothing is known of other groups.

    Student's degrees of freedom are those of Satterthwaite (1946): for groups of different sizes, and over the classes
    if the metric is a mean over classes (`labels`: the class of each row).
    """
    if units is None:
        return Design(1.0, 1.0, 1.0)
    sizes = np.bincount(units)
    rows, groups = len(units), len(sizes)
    if groups < 2:
        return None
    alone, together = float((influence**2).sum()), float((sums(influence, units) ** 2).sum()) * groups / (groups - 1)
    size = float((sizes**2).sum() / rows)
    effect = together / alone if alone > 0 else 1.0
    alike = np.clip((effect - 1) / (size - 1), 0, 1) if alone > 0 else ALIKE
    spread = sizes * (1 + (sizes - 1) * alike)
    df = spread.sum() ** 2 / (spread**2).sum() - 1
    if labels is not None and alone > 0:
        df = min(df, _df_over_classes(influence, units, labels))
    return Design(effect, size, float((stdtrit(max(df, 1.0), 0.975) / stdtrit(rows - 1, 0.975)) ** 2))


def _df_over_classes(influence, units, labels):
    parts = [
        (sums(influence[labels == c], units[labels == c]), len(np.unique(units[labels == c])))
        for c in np.unique(labels)
    ]
    spread = np.array([(one**2).sum() for one, _ in parts])
    df = np.array([max(count - 1, 1) for _, count in parts])
    return spread.sum() ** 2 / (spread**2 / df).sum()


def share(value, variance, least, design):
    """Interval of a metric between 0 and 1: Wilson's, with as many rows as a share of the same variance would have.

    For the accuracy of rows without groups this is Wilson's (1927) own. Groups take the design effect off the number of
    rows (as Korn and Graubard 1998 do). While errors are few, their variance is little known and too small; it is
    mixed with that of `least` rows, which has the weight of one error.

    Parameters
    ----------
    value : float or None
    variance : float, of the value if all rows were independent
    least : float > 0, how many rows the metric is worth where no error is seen
    design : Design or None
    """
    if value is None:
        return dict(UNDEFINED)
    if design is None:
        return {"value": float(value), "low": None, "high": None}
    product = value * (1 - value)
    seen = product > 1e-12
    weight = 1 / (1 + min(value, 1 - value) * least) if seen else 1.0
    spread = variance / product if seen else 0.0
    rows = (1 - weight) * spread + weight / least
    groups = (1 - weight) * spread * design.effect + weight / least * (1 + ALIKE * (design.size - 1))
    low, high = _wilson(np.float64(value), 1 / max(rows, groups * design.widening))
    return {"value": float(value), "low": float(low), "high": float(high)}


def proportion(hits, units):
    """Share of true values, with its interval."""
    if not len(hits):
        return dict(UNDEFINED)
    value, count = float(np.mean(hits)), len(hits)
    return share(value, value * (1 - value) / count, count, design_of(hits - value, units))


def positive(value, influence, units):
    """Interval of a metric above 0 (a mean loss, a ratio): Student's on the scale of logarithms.

    The degrees of freedom fall with the kurtosis of the influence, by as much as it makes the variance uncertain.
    """
    each = sums(influence, units)
    count, rows = len(each), len(influence)
    if count < 2:
        return {"value": float(value), "low": None, "high": None}
    squares = float((each**2).sum())
    if value <= 0 or squares == 0:
        return {"value": float(value), "low": float(value), "high": float(value)}
    kurtosis = count * float((each**4).sum()) / squares**2
    df = max(min(count, 2 * count / max(kurtosis - 1, 1e-9)) - 1, min(count - 1, LEAST_DF))
    # The jackknife's variance: a metric from few groups moves more than its slope says.
    half = stdtrit(df, 0.975) * count / (count - 1) * np.sqrt(squares) / rows / value
    return {"value": float(value), "low": float(value * np.exp(-half)), "high": float(value * np.exp(half))}


def positive_mean(values, units):
    """Mean of values that are not negative, with its interval."""
    value = float(values.mean())
    return positive(value, values - value, units)


def half_width(influence, units):
    """Half the 95 % interval of a mean of influence values; None if there is one unit."""
    each = sums(influence, units)
    count, rows = len(each), len(influence)
    if count < 2:
        return None
    return float(stdtrit(count - 1, 0.975) * np.sqrt((each**2).sum() * count / (count - 1)) / rows)


def wilson(hits, counts):
    """Wilson's 95 % intervals of shares; honest for few samples and for shares of 1.

    Parameters
    ----------
    hits, counts : arrays of int, shape (N,)

    Returns
    -------
    low, high : arrays, shape (N,); NaN where there is nothing to count
    """
    hits, counts = np.asarray(hits, np.float64), np.asarray(counts, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return _wilson(hits / counts, counts)


def _wilson(share, counts):
    z = ndtri(0.975)
    centre = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
    half = z / (1 + z**2 / counts) * np.sqrt(share * (1 - share) / counts + z**2 / (4 * counts**2))
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def mean_interval(values):
    """Mean of independent values (episodes) with the 95 % t interval of the mean.

    One value has no interval (low and high are None), no value has no mean either.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return dict(UNDEFINED)
    mean = float(values.mean())
    if len(values) == 1:
        return {"value": mean, "low": None, "high": None}
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return {"value": mean, "low": mean - half, "high": mean + half}
