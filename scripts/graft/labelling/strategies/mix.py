"""Rows of which the model is unsure, each far from what has a label and from what was chosen before it; so near copies come last."""

import numpy as np

from graft.labelling.pool import MOST


def order(pool, count):
    """The score is the product of how unsure the model is and of the distance to the nearest row with a label or a better place.

    With equal sureness it is the greedy k-center of Sener and Savarese (2018, alg. 1). In a large pool it looks at the MOST rows
    of which the model is least sure.
    """
    candidates = np.argsort(-pool.unsure, kind="stable")[:MOST]
    rows, known = pool.look(candidates)
    weights, apart = pool.unsure[candidates], distances(rows, known)
    places, scores = [], []
    for _ in range(min(count, len(rows))):
        score = weights * apart
        score[places] = -1
        place = int(score.argmax())
        places.append(place)
        scores.append(score[place])
        apart = np.minimum(apart, np.linalg.norm(rows - rows[place], axis=1))
    return candidates[places], np.array(scores)


def distances(rows, known):
    """From each row to the nearest known one, at most 2 as all have length 1; shape (n,)."""
    nearest = np.full(len(rows), 2.0)
    for start in range(0, len(known), 1000):
        squares = 2 - 2 * (rows @ known[start : start + 1000].T).max(axis=1)
        nearest = np.minimum(nearest, np.sqrt(np.maximum(squares, 0)))
    return nearest
