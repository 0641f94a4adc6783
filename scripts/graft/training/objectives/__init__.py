"""What is minimised. One file per objective, found by name, with `loss(outputs, labels, settings, class_weights, teacher)`.

A loss is a mean over the samples of a batch: the loop makes of it the mean over a step, in which each sample weighs the
same whatever batch it is in.
"""

from importlib import import_module


def load(name):
    """The module of an objective."""
    return import_module(f"graft.training.objectives.{name}")


def weighted_mean(losses, labels, class_weights):
    """The mean of the samples' losses, shape (n,), each times its class's weight, shape (classes,), or None.

    It is divided by n, not by the weights of the batch: those depend on which classes happen to be in it, and a batch
    without a rare class would count as much as one with it.
    """
    return losses.mean() if class_weights is None else (losses * class_weights[labels]).mean()
