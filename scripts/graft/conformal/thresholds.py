"""Which score a new row's truth stays at or below with the probability that is asked for."""

import math

import numpy as np

ROUNDING = 1e-9


def threshold(scores, level):
    """The smallest score that at least (n + 1) * level of n calibrating scores do not exceed.

    A new score stays at or below it with a probability of at least `level` (Lei et al. 2018, theorem 2.1).

    Parameters
    ----------
    scores : float array, shape (n,)
    level : float between 0 and 1

    Returns
    -------
    float; None where the rows are too few, which is where n < 1 / (1 - level) - 1
    """
    place = math.ceil((len(scores) + 1) * level - ROUNDING)
    return None if place > len(scores) else float(np.partition(np.asarray(scores, np.float64), place - 1)[place - 1])


def least_rows(level):
    """How many calibrating rows a level needs."""
    return math.ceil(1 / (1 - level) - 1 - ROUNDING)


def of_each(scores, strata, names, level):
    """A threshold for each of some strata (classes, groups): dict, name -> float or None."""
    return {name: threshold(scores[strata == name], level) for name in names}


def too_few(thresholds, counts, level, what):
    """A sentence about the strata that have too few rows; "" where all have enough.

    Parameters
    ----------
    thresholds : dict, name -> float or None; counts : dict, name -> rows
    what : str, what a name is, such as "class"
    """
    lacking = [name for name, limit in thresholds.items() if limit is None]
    if not lacking:
        return ""
    least, more = min(lacking, key=counts.get), f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    return (
        f"{what} '{least}'{more} has {counts[least]} calibrating rows, and {100 * level:g} % needs {least_rows(level)}"
    )
