"""The least sure rows: the smallest margin between the two most probable classes (Scheffer et al. 2001)."""

import numpy as np


def order(pool, count):
    """The score is how unsure the model is; see pool.unsure_of."""
    places = np.argsort(-pool.unsure, kind="stable")[:count]
    return places, pool.unsure[places]
