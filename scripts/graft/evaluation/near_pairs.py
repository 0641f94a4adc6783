"""Samples that are nearly the same, by their embeddings: what no hash of their bytes or words finds."""

import numpy as np

SHARE = 0.13  # of the median distance to the nearest neighbour, below which two samples are near copies (as cleanlab's Datalab)
ROUNDING = 1e-6  # of a cosine: copies of one content
EXACT = 40_000  # samples up to which each is compared with every other
MOST = 100_000  # beyond that none is compared: it would take longer than all else
LINES, WINDOW = (
    24,
    12,
)  # beyond that: random directions along which samples are sorted, and neighbours that each is compared with
CELLS = 2**25  # numbers that a block of cosines holds


def near_pairs(embeddings, seed=0):
    """Pairs of samples that are much nearer to each other than samples usually are.

    Parameters
    ----------
    embeddings : float array, shape (n, width), of n different contents
    seed : int, of the random directions

    Returns
    -------
    pairs : int array, shape (m, 2), the smaller number first, sorted
    cosines : float array, shape (m,)
    """
    unit = _unit(embeddings)
    if not 3 <= len(unit) <= MOST:  # of two there is nothing to compare their distance with
        return np.empty((0, 2), int), np.empty(0)
    if len(unit) <= EXACT:
        nearest = np.concatenate([_without_itself(unit, part).min(1) for part in _parts(unit)])
        limit = max(SHARE * np.median(nearest), ROUNDING)
        found = [
            _below(_without_itself(unit, part), part, limit) for part in _parts(unit) if (nearest[part] <= limit).any()
        ]
        pairs = np.concatenate([np.empty((0, 2), int), *found])
    else:
        pairs = _candidates(unit, seed)
        distances = _distances(unit, pairs)
        nearest = np.full(len(unit), np.inf)
        for side in pairs.T:
            np.minimum.at(nearest, side, distances)
        pairs = pairs[distances <= max(SHARE * np.median(nearest), ROUNDING)]
    pairs = np.unique(np.sort(pairs, axis=1), axis=0)
    return pairs, 1 - _distances(unit, pairs)


def cosines(embeddings, pairs):
    """The cosine of each pair of embeddings: float array, shape (m,)."""
    return 1 - _distances(_unit(embeddings), pairs)


def _unit(embeddings):
    unit = np.asarray(embeddings, np.float32)
    return unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)


def _parts(unit):
    step = max(1, CELLS // len(unit))
    return [np.arange(start, min(start + step, len(unit))) for start in range(0, len(unit), step)]


def _without_itself(unit, part):
    """1 - cosine of some samples to all; infinite to themselves."""
    distances = 1 - unit[part] @ unit.T
    distances[np.arange(len(part)), part] = np.inf
    return np.maximum(distances, 0)


def _below(distances, part, limit):
    rows, others = np.nonzero(distances <= limit)
    return np.column_stack([part[rows], others])


def _candidates(unit, seed):
    """Pairs that are neighbours along one of many random directions: near copies are along almost all of them."""
    random, found = np.random.default_rng(seed), []
    for _ in range(LINES):
        order = np.argsort(unit @ random.normal(size=unit.shape[1]).astype(np.float32), kind="stable")
        for step in range(1, WINDOW + 1):
            found.append(np.column_stack([order[:-step], order[step:]]))
    return np.unique(np.sort(np.concatenate(found), axis=1), axis=0)


def _distances(unit, pairs):
    step = max(1, CELLS // max(1, unit.shape[1]))
    parts = [pairs[start : start + step] for start in range(0, len(pairs), step)]
    return np.concatenate(
        [np.empty(0), *(np.maximum(1 - np.einsum("ij,ij->i", unit[one[:, 0]], unit[one[:, 1]]), 0) for one in parts)]
    )


def copies_in(pairs, split, other):
    """The samples of a split that are nearly the same as one of another split: a set of their ids.

    Parameters
    ----------
    pairs : DataFrame with sample_id, other, split, other_split
    split, other : str
    """
    ends = [("sample_id", "split", "other_split"), ("other", "other_split", "split")]
    return {
        name for end, own, beside in ends for name in pairs.loc[(pairs[own] == split) & (pairs[beside] == other), end]
    }
