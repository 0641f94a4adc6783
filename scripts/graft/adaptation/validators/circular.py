"""There and back: the method is fitted on the target with predicted labels, and predicts the source (Bruzzone, Marconcini 2010)."""

from dataclasses import replace

import numpy as np

from graft.adaptation.validators import source_losses
from graft.heads.calibration import decide

CLASSES_ONLY = False
REFITS = True
SEES_TARGET = True
OF_SOURCE = ("validation",)


def score(seen):
    """The share of each class's source rows that the way back predicts right, mean over the classes.

    Of values: the mean squared error, with the sign turned.
    """
    if not seen.classes:
        back = seen.refit(np.asarray(seen.target_outputs)[:, 0])
        return -float(source_losses(replace(seen, source_outputs=back)).mean())
    right = decide(seen.refit(decide(seen.target_outputs))) == seen.source_labels
    return float(np.mean([right[seen.source_labels == label].mean() for label in np.unique(seen.source_labels)]))
