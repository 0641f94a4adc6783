"""The loss on source rows that the model was not trained on. It is good if the domains differ little."""

from graft.adaptation.validators import source_losses

CLASSES_ONLY = False
REFITS = False
SEES_TARGET = False
OF_SOURCE = ("validation",)


def score(seen):
    """The mean loss, with the sign turned."""
    return -float(source_losses(seen).mean())
