"""The columns of a prediction table that say which class a sample has, and how sure that is."""

import numpy as np

from graft.evaluation.metrics import clipped_log


def columns_of_classes(chances, predicted, codes, classes):
    """Label, predicted class and confidence, with the spread of the probabilities.

    Parameters
    ----------
    chances : float array, shape (n, classes), calibrated
    predicted : int array, shape (n,), the classes that the model decides for
    codes : int array, shape (n,), the true ones, -1 where unlabelled
    classes : list of str
    """
    names, ranked = np.array(classes, dtype=object), np.sort(chances, axis=1)
    return {
        "label": np.where(codes >= 0, names[np.maximum(codes, 0)], None),
        "predicted": names[predicted],
        "confidence": np.take_along_axis(chances, predicted[:, None], axis=1)[:, 0],
        "entropy": -np.sum(chances * np.log(np.maximum(chances, 1e-300)), axis=1),
        "margin": ranked[:, -1] - ranked[:, -2],
    }


def evidence(chances, codes):
    """The probability of the true class of each labelled row; chances (n, classes), codes int (n,)."""
    rows = np.flatnonzero(codes >= 0)
    return chances[rows, codes[rows]]


def loss_of_evidence(chances):
    """The mean log loss of probabilities of what is true, in nats."""
    return float(-clipped_log(chances).mean())
