"""Like `aps`, with a penalty for each class after the first ones. With many classes, sets are smaller (Angelopoulos et al. 2021)."""

import numpy as np

from graft.conformal.class_scores import aps

PENALTY, FREE = 0.01, 5  # lambda and k_reg of the paper's experiments


def score(chances, samples):
    """The score of `aps` plus PENALTY for each place after the first FREE ones (eq. 4)."""
    return aps.score(chances, samples) + PENALTY * np.maximum(aps.places_of(chances) + 1 - FREE, 0)
