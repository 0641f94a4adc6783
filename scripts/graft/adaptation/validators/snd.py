"""How many other target rows have nearly the same prediction: soft neighbourhood density (Saito et al. 2021)."""

import numpy as np
from scipy.special import log_softmax

from graft.heads.calibration import probabilities

CLASSES_ONLY = True
REFITS = False
SEES_TARGET = True
OF_SOURCE = ()

TEMPERATURE = 0.05  # of the paper, sec. 4.2
ROWS = 1024  # rows of the similarity matrix at a time


def score(seen):
    """The mean entropy of softmax(cosine of the predictions / 0.05) over the other rows (eq. 1 to 3)."""
    chances = probabilities(seen.target_outputs)
    units = chances / np.linalg.norm(chances, axis=1, keepdims=True)
    total = 0.0
    for start in range(0, len(units), ROWS):
        close = units[start : start + ROWS] @ units.T / TEMPERATURE
        close[np.arange(len(close)), start + np.arange(len(close))] = -1e9  # not the row itself
        logs = log_softmax(close, axis=1)
        total -= (np.exp(logs) * logs).sum()
    return float(total / len(units))
