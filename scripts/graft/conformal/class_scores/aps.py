"""The summed probability down to the class: sets that grow where the model is unsure (Romano, Sesia and Candès 2020)."""

import numpy as np


def score(chances):
    """The probability of a class and of all that are more probable (eq. 7, without its random part)."""
    order = np.argsort(-chances, axis=1, kind="stable")
    summed = np.cumsum(np.take_along_axis(chances, order, axis=1), axis=1)
    return np.take_along_axis(summed, places_of(chances), axis=1)


def places_of(chances):
    """The place of each class, 0 that of the most probable; int array of the same shape."""
    return np.argsort(np.argsort(-chances, axis=1, kind="stable"), axis=1, kind="stable")
