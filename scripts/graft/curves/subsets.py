"""Nested subsets of train rows: each holds the smaller ones, has the shares of the classes, and takes groups whole."""

import numpy as np

from graft.data.splitting.whole_groups import deal


def nested(strata, units, fractions, seed):
    """The subsets of one draw.

    Parameters
    ----------
    strata : array of int, shape (n,), the class of each row, or its bin
    units : array of int, shape (n,), rows of one unit (a group, a content) stay together
    fractions : increasing floats, the last one is 1
    seed : int, of the draw

    Returns
    -------
    int array, shape (n,): the number of the first fraction whose subset has the row
    """
    random = np.random.default_rng(seed)
    codes, places = (np.unique(values, return_inverse=True)[1] for values in (strata, units))
    quotas = np.bincount(codes)[:, None] * np.diff(fractions, prepend=0.0)
    return deal(places, codes, quotas, random.permutation(len(codes)).astype(np.float64), random)
