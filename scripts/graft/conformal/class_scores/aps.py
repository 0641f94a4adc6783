"""The summed probability down to the class. If the model is unsure, sets are larger (Romano, Sesia and Candès 2020)."""

import numpy as np

from graft.conformal.draws import uniform


def score(chances, samples):
    """The probability of all classes that are more probable, and of a random part of the class itself (eq. 7).

    Without the random part, sets of few classes would nearly always hold all of them.
    """
    order = np.argsort(-chances, axis=1, kind="stable")
    ranked = np.take_along_axis(chances, order, axis=1)
    summed = np.cumsum(ranked, axis=1) - uniform(samples)[:, None] * ranked
    return np.take_along_axis(summed, places_of(chances), axis=1)


def places_of(chances):
    """The place of each class, 0 that of the most probable; int array of the same shape."""
    return np.argsort(np.argsort(-chances, axis=1, kind="stable"), axis=1, kind="stable")
