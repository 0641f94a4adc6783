"""How sure and how different predictions are: the nuclear norm of their matrix (Cui et al. 2020)."""

import numpy as np

from graft.heads.calibration import probabilities

CLASSES_ONLY = True
REFITS = False
SEES_TARGET = True
OF_SOURCE = ()


def score(seen):
    """The sum of the singular values of the target's probabilities (eq. 8), over the root of the rows so that more rows are not more."""
    chances = probabilities(seen.target_outputs)
    return float(np.sqrt(np.linalg.eigvalsh(chances.T @ chances).clip(0)).sum() / np.sqrt(len(chances)))
