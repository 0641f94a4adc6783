"""How sure the model is of the target's rows: their mean entropy (Morerio et al. 2018)."""

from graft.adaptation.validators import mean_entropy
from graft.heads.calibration import probabilities

CLASSES_ONLY = True
REFITS = False
SEES_TARGET = True
OF_SOURCE = ()


def score(seen):
    """The mean entropy of the target's rows in nats, with the sign turned."""
    return -mean_entropy(probabilities(seen.target_outputs))
