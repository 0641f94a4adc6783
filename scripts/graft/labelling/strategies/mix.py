"""In turn a row of `typical`, and a row that is unsure, similar to many others, and far from the rows before."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from graft.labelling.pool import MOST
from graft.labelling.strategies import typical

NEIGHBOURS = 20


def order(pool, count):
    """Both say rows in their own order, and a row that one has named is passed over by the other. The score is how unsure the model is."""
    both = zip(typical.order(pool, count)[0], unsure_and_apart(pool, count), strict=True)
    places = np.array(list(dict.fromkeys(place for pair in both for place in pair))[:count])
    return places, pool.unsure[places]


def unsure_and_apart(pool, count):
    """Rows of the largest product of three: how unsure the model is, how like a row its neighbours are (information density, Settles
    and Craven 2008, eq. 13), and how far it is from the nearest row that has a label or a better place. So near copies come last.

    In a large pool it looks at the MOST rows of which the model is least sure.
    """
    candidates = np.argsort(-pool.unsure, kind="stable")[:MOST]
    rows, known = pool.look(candidates)
    return candidates[farthest(pool.unsure[candidates] * density(rows), rows, known, min(count, len(rows)))]


def density(rows):
    """The mean cosine of each row and its neighbours, at least 0.001; rows of length 1, shape (n, width)."""
    count = min(NEIGHBOURS, len(rows) - 1)
    if not count:
        return np.ones(len(rows))
    lengths, _ = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows).kneighbors()
    return np.maximum(1 - (lengths**2).mean(1) / 2, 1e-3)


def farthest(weights, rows, known, count):
    """`count` places, one after the other: the largest product of weight and distance to what is known or was taken before.

    With equal weights it is the greedy k-center of Sener and Savarese (2018, alg. 1). Int array, shape (count,).
    """
    apart, places = distances(rows, known), []
    for _ in range(count):
        score = weights * apart
        score[places] = -1
        places.append(int(score.argmax()))
        apart = np.minimum(apart, np.linalg.norm(rows - rows[places[-1]], axis=1))
    return np.array(places, int)


def distances(rows, known):
    """From each row to the nearest known one, at most 2 as all have length 1; shape (n,)."""
    nearest = np.full(len(rows), 2.0)
    for start in range(0, len(known), 1000):
        squares = 2 - 2 * (rows @ known[start : start + 1000].T).max(axis=1)
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0)))
    return nearest
