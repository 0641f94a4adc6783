"""Sets as lists of names."""

import numpy as np

from graft.targets.lists import object_array


def named(inside, likeliest, classes):
    """The sets of rows as an object array of lists of names, in the order of the classes.

    Parameters
    ----------
    inside : bool array, shape (n, classes); likeliest : int array, shape (n,), the class that is in a set which would be empty
    classes : list of str
    """
    empty = np.flatnonzero(~inside.any(1))
    inside[empty, likeliest[empty]] = True
    names = np.array(classes, dtype=object)
    return object_array([names[row].tolist() for row in inside])
