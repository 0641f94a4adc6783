"""Rows of which the model is unsure, that many others are like, and that are far from what has a label or a better place."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from graft.labelling.pool import MOST

NEIGHBOURS = 20


def order(pool, count):
    """The score is the product of three: how unsure the model is, how like a row its neighbours are (information density, Settles and
    Craven 2008, eq. 13), and how far it is from the nearest row that has a label or a better place. So near copies come last.

    In a large pool it looks at the MOST rows of which the model is least sure.
    """
    candidates = np.argsort(-pool.unsure, kind="stable")[:MOST]
    rows, known = pool.look(candidates)
    places, scores = farthest(pool.unsure[candidates] * density(rows), rows, known, min(count, len(rows)))
    return candidates[places], scores


def density(rows):
    """The mean cosine of each row and its neighbours, at least 0.001; rows of length 1, shape (n, width)."""
    count = min(NEIGHBOURS, len(rows) - 1)
    if not count:
        return np.ones(len(rows))
    lengths, _ = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(rows).kneighbors()
    return np.maximum(1 - (lengths**2).mean(1) / 2, 1e-3)


def farthest(weights, rows, known, count):
    """`count` places, one after the other: the largest product of weight and distance to what is known or was taken before.

    With equal weights it is the greedy k-center of Sener and Savarese (2018, alg. 1).

    Returns
    -------
    int array and float array of these products, shape (count,)
    """
    apart, places, scores = distances(rows, known), [], []
    for _ in range(count):
        score = weights * apart
        score[places] = -1
        place = int(score.argmax())
        places.append(place)
        scores.append(score[place])
        apart = np.minimum(apart, np.linalg.norm(rows - rows[place], axis=1))
    return np.array(places), np.array(scores)


def distances(rows, known):
    """From each row to the nearest known one, at most 2 as all have length 1; shape (n,)."""
    nearest = np.full(len(rows), 2.0)
    for start in range(0, len(known), 1000):
        squares = 2 - 2 * (rows @ known[start : start + 1000].T).max(axis=1)
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0)))
    return nearest
