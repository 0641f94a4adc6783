"""Temperature scaling, reliability tables and the spread of residuals."""

import numpy as np
import pandas as pd
from scipy.special import logsumexp, softmax

LOWEST, HIGHEST = 0.05, 20.0


def fit_temperature(logits, labels):
    """The temperature that minimises the cross-entropy of ``logits / temperature`` (Guo et al. 2017).

    The cross-entropy is convex in 1 / temperature, so its derivative has one root, which is bracketed. If every
    prediction is right, the minimum would lie at temperature 0; then the targets are softened by one pseudo-count
    per class (as Platt 1999 does), so that few right answers give less confidence than many.

    Parameters
    ----------
    logits : array of float, shape (N, C)
    labels : array of int, shape (N,)
        Rows with -1 (unlabelled) are left out.

    Returns
    -------
    float
        Between 0.05 and 20; 1 if there are no rows or the logits do not differ.
    """
    from scipy.optimize import brentq  # here, since predicting need not wait for it

    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    known = labels >= 0
    logits, labels = logits[known], labels[known].astype(np.int64)
    if not np.isfinite(logits).all():
        raise ValueError("logits are not finite")
    if logits.size == 0 or np.ptp(logits, axis=1).max() == 0:
        return 1.0
    rows, width = logits.shape
    logits = logits - logits.max(1, keepdims=True)
    picked = logits[np.arange(rows), labels]
    target = picked
    if ((logits >= picked[:, None]).sum(1) == 1).all():
        soft = 1 / (rows + width)
        target = (1 - width * soft) * picked + soft * logits.sum(1)

    def derivative(log_sharpness):
        return float(((softmax(np.exp(log_sharpness) * logits, axis=1) * logits).sum(1) - target).mean())

    softest, sharpest = -np.log(HIGHEST), -np.log(LOWEST)
    if derivative(softest) >= 0:
        return HIGHEST
    if derivative(sharpest) <= 0:
        return LOWEST
    return float(np.exp(-brentq(derivative, softest, sharpest, xtol=1e-10)))


def probabilities(logits, temperature=1.0):
    """Softmax of ``logits / temperature`` over the last axis, float64."""
    return softmax(np.asarray(logits, dtype=np.float64) / temperature, axis=-1)


def log_loss(logits, labels, temperature=1.0):
    """Cross-entropy of each row in nats, exact for any confidence: shape of `labels`."""
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    picked = np.take_along_axis(scaled, np.asarray(labels)[..., None], axis=-1)[..., 0]
    return logsumexp(scaled, axis=-1) - picked


def reliability(labels, probabilities, bins=15):
    """Table behind a reliability diagram.

    Parameters
    ----------
    labels : array of int, shape (N,)
        Rows with -1 (unlabelled) are left out.
    probabilities : array of float, shape (N, C)
    bins : int
        Number of equally wide bins of confidence.

    Returns
    -------
    DataFrame
        One row per bin that has samples: low, high, count, confidence (mean), accuracy. The expected calibration
        error is the mean of ``|accuracy - confidence|`` weighted by count.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    known = labels >= 0
    labels, probabilities = labels[known], probabilities[known]
    confidence = probabilities.max(1, initial=0.0)
    right = probabilities.argmax(1) == labels if len(labels) else np.zeros(0)
    place = np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
    count = np.bincount(place, minlength=bins)
    filled = np.flatnonzero(count)
    return pd.DataFrame(
        {
            "low": filled / bins,
            "high": (filled + 1) / bins,
            "count": count[filled],
            "confidence": np.bincount(place, weights=confidence, minlength=bins)[filled] / count[filled],
            "accuracy": np.bincount(place, weights=right, minlength=bins)[filled] / count[filled],
        }
    )


def residual_std(values, predicted):
    """Root mean square of the residuals on held-out rows, the one standard deviation given with each prediction.

    Unlabelled rows (not finite) are left out; None if no row is left.
    """
    residual = np.asarray(predicted, dtype=np.float64) - np.asarray(values, dtype=np.float64)
    residual = residual[np.isfinite(residual)]
    return float(np.sqrt(np.mean(residual**2))) if len(residual) else None
