"""Random rows, to compare the other strategies with."""

import numpy as np


def order(pool, count):
    """The score is the number that was drawn; of other rows in the pool the same row has another."""
    drawn = np.random.default_rng(0).random(len(pool.unsure))
    places = np.argsort(-drawn, kind="stable")[:count]
    return places, drawn[places]
