"""k nearest neighbours: how often the most similar rows have the same label. Nothing is fitted."""

import numpy as np

K = 10
BLOCK = 1024


def score(rows):
    """Accuracy of the neighbours' weighted votes (R² of their mean for numbers); rows of the same unit are no neighbours.

    The weights of votes are exp(cosine / 0.07), as Wu et al. 2018 evaluate frozen networks.
    """
    if rows.kind == "multilabel":
        return None
    codes = rows.codes
    near, votes = _nearest(rows.features, rows.units)
    if rows.kind == "regression":
        said = (codes[near] * votes).sum(1) / np.maximum(votes.sum(1), 1e-300)
        return float(1 - ((codes - said) ** 2).sum() / max(((codes - codes.mean()) ** 2).sum(), 1e-12))
    counted = np.zeros((len(codes), codes.max() + 1))
    for place in range(near.shape[1]):
        np.add.at(counted, (np.arange(len(codes)), codes[near[:, place]]), votes[:, place])
    return float(np.mean(counted.argmax(1) == codes))


def _nearest(features, units):
    """Places of the k most similar rows of other units, and the weight of each one's vote: arrays of shape (n, k)."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    count = min(K, len(unit) - 1)
    near, votes = np.empty((len(unit), count), int), np.empty((len(unit), count))
    for start in range(0, len(unit), BLOCK):
        part = slice(start, start + BLOCK)
        cosines = unit[part] @ unit.T
        cosines[units[part, None] == units] = -np.inf
        near[part] = np.argsort(-cosines, axis=1, kind="stable")[:, :count]
        votes[part] = np.exp(np.take_along_axis(cosines, near[part], 1) / 0.07)  # 0 for rows of the same unit
    return near, votes
