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


def of_strata(scores, strata, level, within):
    """The thresholds of strata, and that of rows which are of none of them.

    Parameters
    ----------
    scores : float array, shape (n,); strata : Categorical, shape (n,), whose categories are to have a threshold
    within : str, `within` of the config; rows of an unknown group have the threshold of all rows, but of an unknown value of a column
        that the config names nothing is promised

    Returns
    -------
    float or None; dict, name -> float or None; and the note of `too_few`
    """
    groups = of_each(scores, strata, strata.categories, level)
    note = too_few(groups, strata.value_counts().to_dict(), level, within)
    return threshold(scores, level) if within == "group" else None, groups, note


def limits_of(fitted, rows, strata):
    """The thresholds of each row: float array, shape (rows, thresholds); NaN where there is none.

    Parameters
    ----------
    fitted : dict with "thresholds", and where strata have their own "groups", name -> threshold
    rows : int; strata : Categorical, shape (rows,); None: they are not known
    """
    limits = np.tile(np.array(fitted["thresholds"], np.float64), (rows, 1))  # None becomes NaN
    for name, limit in fitted.get("groups", {}).items() if strata is not None else ():
        limits[strata == name] = np.nan if limit is None else limit
    return limits


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
    return f"{what} '{least}'{more}: {counts[least]} labelled rows are left to calibrate with, and {100 * level:g} % sets need {least_rows(level)}"
