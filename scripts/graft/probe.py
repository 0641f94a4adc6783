"""The linear probe: a convex head on stored embeddings, with its L2 chosen on validation data."""

import numpy as np

from graft import heads
from graft.calibration import log_loss


def solve_probe(features, codes, splits, folds, target, settings, dead=heads.DEAD, unit=None):
    """Fit the head of one target on the train rows.

    Parameters
    ----------
    features : float array, shape (n, width); all labelled rows
    codes : array, shape (n,); class indices, or standardised values for regression
    splits : array of str, shape (n,)
    folds : array of int, shape (n,); -1 where a row has none
    target : dict of labels.json
    settings : dict with l2 (candidates or None) and class_weights
    dead : features whose spread is below this share of the widest count as constant (see heads)
    unit : Tensor, shape (width,), what standardises the features; by default their own spread

    Returns
    -------
    dict with "weight" (outputs, width), "bias" (outputs,), "fold_weight" (folds, outputs, width), "fold_bias",
    "history" (one dict per candidate), "l2"
    """
    l2s = list(settings["l2"] or heads.L2S)
    train, validation = splits == "train", splits == "validation"
    fit = (_classifier if target["kind"] == "classification" else _regressor)(target, settings, dead, unit)
    weights, biases = fit(features[train], codes[train], l2s, None)
    losses = [
        [_loss(features[rows], codes[rows], w, b, target) for w, b in zip(weights, biases, strict=True)]
        for rows in (train, validation)
    ]
    best = int(np.argmin(losses[1]))
    fold_weight, fold_bias = _fold_heads(fit, features[train], codes[train], folds[train], l2s[best])
    history = [
        {
            "epoch": i + 1,
            "train_loss": losses[0][i],
            "val_loss": losses[1][i],
            "stage": "probe",
            "l2": l2,
            "best": i == best,
        }
        for i, l2 in enumerate(l2s)
    ]
    return {
        "weight": weights[best],
        "bias": biases[best],
        "fold_weight": fold_weight,
        "fold_bias": fold_bias,
        "history": history,
        "l2": l2s[best],
    }


def _fold_heads(fit, features, codes, folds, l2):
    """One head per fold, trained on the other folds: its rows then get out-of-fold probabilities."""
    names = np.unique(folds[folds >= 0])
    if len(names) < 2:
        return None, None
    masks = np.stack([folds != name for name in names]).astype(np.float64)
    return fit(features, codes, [l2] * len(names), masks)


def _classifier(target, settings, dead, unit):
    def fit(features, codes, l2s, masks):
        classes = len(target["classes"])
        balance = heads.balanced_weights(codes, classes) if settings["class_weights"] == "balanced" else None
        weight = masks if balance is None else np.asarray(balance) * (1 if masks is None else masks)
        return heads.fit_logistic(features, codes, classes, l2s, sample_weight=weight, dead=dead, unit=unit)

    return fit


def _regressor(target, settings, dead, unit):
    def fit(features, values, l2s, masks):
        return heads.fit_ridge(features, values[:, None], l2s, sample_weight=masks, dead=dead, unit=unit)

    return fit


def _loss(features, codes, weight, bias, target):
    outputs = np.asarray(features, np.float64) @ np.asarray(weight).T + np.asarray(bias)
    if target["kind"] == "classification":
        return float(log_loss(outputs, codes).mean())
    return float(np.mean((outputs[:, 0] - codes) ** 2))
