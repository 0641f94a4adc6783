"""Metrics of classes that have an order, with intervals that hold for other rows and groups (see intervals.py)."""

import numpy as np

from graft.evaluation.intervals import UNDEFINED, design_of, positive, share, units_of
from graft.evaluation.metrics import classification_metrics

NAMES = ("quadratic_kappa", "mae_levels", "accuracy", "balanced_accuracy", "log_loss")


def ordinal_metrics(labels, predicted, probabilities, groups=None):
    """How good predicted classes with an order are.

    Parameters
    ----------
    labels, predicted : arrays of int, shape (N,), places in the order of the classes
    probabilities : array of float, shape (N, C)
    groups : as for `metrics.classification_metrics`

    Returns
    -------
    dict of str to {"value", "low", "high"}
        quadratic_kappa (Cohen 1968, weights (i - j)^2; None if nothing varies), mae_levels (mean distance in classes),
        accuracy, balanced_accuracy, log_loss (nats)
    """
    width = probabilities.shape[1]
    found = classification_metrics(labels, probabilities, width, groups, predicted=predicted)
    found |= {"quadratic_kappa": dict(UNDEFINED), "mae_levels": dict(UNDEFINED)}
    if len(labels):
        units = units_of(groups)
        found["quadratic_kappa"] = _kappa(labels.astype(float), predicted.astype(float), units)
        found["mae_levels"] = _distance(np.abs(labels - predicted), width - 1, units)
    return {name: found[name] for name in NAMES}


def _kappa(labels, predicted, units):
    """1 - kappa is a ratio: the mean squared distance over what it would be if labels and predictions were drawn apart."""
    squares = (labels - predicted) ** 2
    true, said = labels.mean(), predicted.mean()
    apart = (labels**2).mean() + (predicted**2).mean() - 2 * true * said
    if apart <= 0:
        return dict(UNDEFINED)
    ratio = float(squares.mean() / apart)
    moved = labels**2 + predicted**2 - 2 * labels * said - 2 * true * predicted
    influence = (squares - squares.mean() - ratio * (moved - moved.mean())) / apart
    found = positive(ratio, influence, units)
    low, high = (None if one is None else 1 - one for one in (found["high"], found["low"]))
    return {"value": 1 - ratio, "low": None if low is None else max(low, -1.0), "high": high}


def _distance(distances, most, units):
    """As a share of the largest distance, so that no error seen is not no error."""
    value = distances.mean() / most
    influence = distances / most - value
    found = share(value, influence.var() / len(influence), len(influence), design_of(influence, units))
    return {end: None if one is None else one * most for end, one in found.items()}
