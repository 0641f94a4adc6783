"""What a training minimises where no teacher is asked, by the kind of the target.

A loss is `loss(outputs, labels, settings, class_weights, teacher)`, a mean over the samples of a batch: the loop makes of it
the mean over a step, in which each sample weighs the same in every batch.
"""

import numpy as np
import torch
import torch.nn.functional as functional


def cross_entropy(logits, labels, settings, class_weights=None, teacher=None):
    """Mean of the samples' cross-entropies, each times its class's weight; logits (n, classes), labels int64 (n,)."""
    losses = functional.cross_entropy(logits, labels, label_smoothing=settings["label_smoothing"], reduction="none")
    return weighted_mean(losses, labels, class_weights)


def squared_error(outputs, values, settings, class_weights=None, teacher=None):
    """Mean squared error against standardised values; outputs (n, 1), values float (n,)."""
    return functional.mse_loss(outputs.squeeze(1), values.to(outputs.dtype))


def weighted_mean(losses, labels, class_weights):
    """The mean of the samples' losses, shape (n,), each times its class's weight, shape (classes,), or None.

    It is divided by n, not by the weights of the batch: those depend on which classes happen to be in it, and a batch
    without a rare class would count as much as one with it.
    """
    return losses.mean() if class_weights is None else (losses * class_weights[labels]).mean()


def class_weights(counts):
    """Weight of each class in the loss, float32 Tensor of shape (classes,), from the train rows of each class.

    All classes that have train rows get the same total, and the mean over the train rows is 1.
    """
    return torch.tensor(counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1)), dtype=torch.float32)


OF_KIND = {"classification": cross_entropy, "regression": squared_error}
