"""Conformal prediction: sets of classes, and intervals of numbers, that hold the truth with a probability that was asked for.

What is fitted here needs rows that had no part in the model: then, of new rows like them, a share of at least `level` has its
true class in its set (split conformal prediction; Vovk et al. 2005). "Like them" means exchangeable: of another instrument, or
of groups that were in no calibration row, nothing is promised.
"""

import numpy as np

SCORES = ("lac", "aps", "raps")
PENALTY, FREE = 0.01, 5  # of RAPS: for each class behind the first five, as in its paper's experiments
FEW = 10  # classes, up to which each of them gets its own threshold by default


def scores_of(chances, score="lac"):
    """How unusual each class would be as the truth of each row.

    Parameters
    ----------
    chances : float array, shape (n, classes), probabilities
    score : "lac", 1 - probability (Sadinle et al. 2019): the smallest sets; "aps", the probability of this class and of all
        that are more probable (Romano et al. 2020): sets that grow where the model is unsure; "raps", the same with a
        penalty for each class behind the first five (Angelopoulos et al. 2021)

    Returns
    -------
    float array, shape (n, classes)
    """
    chances = np.asarray(chances, np.float64)
    if score == "lac":
        return 1 - chances
    order = np.argsort(-chances, axis=1, kind="stable")
    places = np.argsort(order, axis=1, kind="stable")
    summed = np.take_along_axis(np.cumsum(np.take_along_axis(chances, order, 1), axis=1), places, 1)
    return summed + (PENALTY * np.maximum(places + 1 - FREE, 0) if score == "raps" else 0.0)


def threshold(scores, level):
    """The score that a new row like these stays at or below with probability `level`; None if there are too few rows to say.

    It is the smallest score that at least (n + 1) * level of the n rows do not exceed; so n must be 1 / (1 - level) - 1 at least.
    """
    place = int(np.ceil((len(scores) + 1) * level - 1e-9))
    return None if place > len(scores) else float(np.partition(np.asarray(scores, np.float64), place - 1)[place - 1])


def class_thresholds(scores, codes, level, per_class):
    """A threshold for each class, by rows of all classes or by those of its own.

    Parameters
    ----------
    scores : float array, shape (n, classes); see `scores_of`
    codes : int array, shape (n,), the rows' classes
    level : float, the probability that is asked for
    per_class : bool, whether it is asked for in each class

    Returns
    -------
    list of float; None in place of those for which there are too few rows
    """
    own = scores[np.arange(len(codes)), codes]
    if not per_class:
        return [threshold(own, level)] * scores.shape[1]
    return [threshold(own[codes == number], level) for number in range(scores.shape[1])]


def sets_of(scores, thresholds):
    """Which classes are in each row's set, bool, shape (n, classes). The class of the lowest score always is: no set is empty."""
    inside = scores <= np.asarray(thresholds, np.float64) + 1e-12
    inside[np.arange(len(scores)), scores.argmin(1)] = True
    return inside
