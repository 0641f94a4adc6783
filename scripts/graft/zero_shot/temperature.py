"""From scores to probabilities: a temperature without labels, or from a few of them."""

import numpy as np
from scipy.special import softmax

from graft.heads.calibration import fit_temperature

STEPS = 500
TOLERANCE = 1e-9


def from_unlabelled(scores):
    """The temperature that the scores of unlabelled rows imply.

    A row's scores, less their mean, are taken to be normal: larger by `gap` for its own class, which is unknown and any
    with equal chance, and with the same variance for all. Then the probability of a class given the scores is
    softmax(scores * gap / variance). Gap and variance are those of the largest likelihood, found by
    expectation-maximisation (Dempster et al. 1977) that begins at the class of the largest score.

    Parameters
    ----------
    scores : array of float, shape (n, classes)

    Returns
    -------
    float; 1 if no row's scores differ
    """
    scores = np.asarray(scores, dtype=np.float64)
    rows, classes = scores.shape
    centred = scores - scores.mean(1, keepdims=True)
    total = (centred**2).sum() / max(1, rows * (classes - 1))
    if not total:
        return 1.0
    own = centred.max(1).mean()  # the mean score of a row's own class, as far as that is known
    temperature = None
    for _ in range(STEPS):
        gap = own * classes / (classes - 1)
        variance = max(total - gap**2 / classes, total * 1e-6)
        before, temperature = temperature, variance / gap
        if before and abs(temperature / before - 1) < TOLERANCE:
            break
        own = (softmax(centred / temperature, axis=1) * centred).sum(1).mean()
    return float(temperature)


def from_labelled(scores, labels):
    """The temperature of the smallest cross-entropy on labelled rows, see calibration.fit_temperature.

    Parameters
    ----------
    scores : array of float, shape (n, classes); of any unit, so they are first scaled to unit spread
    labels : array of int, shape (n,)
    """
    spread = float(scores.std(axis=1).mean()) or 1.0
    return spread * fit_temperature(scores / spread, labels)
