"""How the losses of a batch's samples become one number, and how classes weigh in them."""

import numpy as np
import torch


def mean_of(losses, rows, share=1.0):
    """The mean over the samples of a batch that have a label.

    It is divided by how many of `rows` samples have one on average, not by those of the batch: these depend on chance, and
    a label would count more in a batch that has few.

    Parameters
    ----------
    losses : Tensor of shape (n,), of the labelled samples
    rows : int, samples of the batch
    share : float, of the train rows that have a label
    """
    return losses.mean() if len(losses) == rows and share == 1.0 else losses.sum() / (rows * share)


def class_weights(counts):
    """Weight of each class in the loss, float32 Tensor of shape (classes,), from the train rows of each class.

    All classes that have train rows get the same total, and the mean over the train rows is 1.
    """
    return torch.tensor(counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1)), dtype=torch.float32)
