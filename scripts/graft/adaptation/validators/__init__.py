"""Selection without labels of the target. One file per validator, found by its name, with ``score(seen) -> float``: higher is better.

Scores of one validator on one pair of domains can be compared with each other, and with nothing else. Constants: CLASSES_ONLY (it
needs probabilities of classes), REFITS (it needs `refit`, which only methods on stored embeddings have), SEES_TARGET (False: it
cannot tell whether adapting hurts, since a model of the source alone is the best on the source), OF_SOURCE (the splits of the source
whose rows it looks at: a network is not run on others).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from graft.heads.calibration import log_loss


@dataclass
class Seen:
    """What a validator may look at: a model's answers. There are no labels of the target.

    Parameters
    ----------
    source_embeddings (n, width), source_outputs (n, outputs) : arrays, of source rows that the model was not trained on, with
    source_labels : array, shape (n,), class indices or values
    target_embeddings (m, width), target_outputs (m, outputs) : arrays
    train_embeddings : array, shape (k, width), of the source rows that the model was trained on
    classes : whether outputs are logits of classes; else values
    refit : callable, predicted labels (m,) of the target's rows -> outputs (n, outputs) of the source's rows, by the method fitted
        the other way round, see heads.way_back
    """

    source_embeddings: np.ndarray
    source_outputs: np.ndarray
    source_labels: np.ndarray
    target_embeddings: np.ndarray
    target_outputs: np.ndarray
    train_embeddings: np.ndarray
    classes: bool = True
    refit: Callable | None = None


def source_losses(seen):
    """Each source row's loss, shape (n,): cross-entropy in nats, or the squared error of values."""
    if seen.classes:
        return log_loss(seen.source_outputs, seen.source_labels)
    return (np.asarray(seen.source_outputs, np.float64)[:, 0] - seen.source_labels) ** 2


def mean_entropy(chances):
    """Mean entropy in nats of rows of probabilities, shape (n, classes)."""
    return float(-(chances * np.log(np.maximum(chances, 1e-300))).sum(1).mean())
