"""Sure predictions on each row of the target, and all classes used: the mutual information (Musgrave et al. 2022)."""

from graft.adaptation.validators import mean_entropy
from graft.heads.calibration import probabilities

CLASSES_ONLY = True
REFITS = False
SEES_TARGET = True
OF_SOURCE = ()


def score(seen):
    """The entropy of the mean prediction, less the mean entropy of the predictions, in nats."""
    chances = probabilities(seen.target_outputs)
    return mean_entropy(chances.mean(0, keepdims=True)) - mean_entropy(chances)
