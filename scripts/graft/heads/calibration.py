"""From logits to probabilities: temperature and class intercepts; reliability tables and the spread of residuals."""

import numpy as np
import pandas as pd
from scipy.special import logsumexp, softmax

LOWEST, HIGHEST = 0.05, 20.0

# Standard deviations of the priors, in nats. tests/benchmarks/calibration_priors.py simulates 2, 4 and 10 classes and 6 to 100
# rows, with factors on the logits between 1/2 and 4. With 12 rows, the log loss of 2 (4, 10) classes is above the best by
# 0.034 (0.039, 0.053) with 0.5, 0.064 (0.113, 0.217) with 0.1, 0.045 (0.057, 0.052) with 1, 0.33 (0.18, 0.06) without a
# prior, and 0.070 (0.137, 0.297) without a temperature. From 50 rows on, 0.5 and more are equal. The prior of an intercept is
# wider: it is around what the class weights imply, which fits linear heads well and networks less.
TEMPERATURE_PRIOR = 0.5
INTERCEPT_PRIOR = 1.0


def fit_calibration(logits, labels, shift=None):
    """What makes probabilities of the logits: `fit_temperature`, and with `shift` an intercept per class, too.

    Class weights teach a network that all classes are equally frequent. Intercepts take that back (vector scaling, Guo
    et al. 2017, with one temperature). They minimise the cross-entropy of ``logits / temperature + intercepts``
    together with the temperature, with a normal prior around `shift`.

    Parameters
    ----------
    logits : array of float, shape (N, C)
    labels : array of int, shape (N,)
        Rows with -1 (unlabelled) are left out.
    shift : array of float, shape (C,), optional
        What the class weights imply: see `log_shares`. None: the loss had no class weights.

    Returns
    -------
    dict with "temperature", a float, and with `shift` "intercepts", a list of C floats
    """
    temperature = fit_temperature(logits, labels)
    if shift is None:
        return {"temperature": temperature}
    from scipy.optimize import minimize  # here, since predicting need not wait for it

    logits, labels = _known(logits, labels)
    shift = np.asarray(shift, dtype=np.float64)
    rows, width = np.arange(len(labels)), len(shift)

    def loss(parameters):
        log_temperature, moved = parameters[0], parameters[1:]
        scaled = logits * np.exp(-log_temperature)
        logs = scaled + shift + moved
        normal = logsumexp(logs, axis=1)
        residual = np.exp(logs - normal[:, None])
        residual[rows, labels] -= 1
        value = (normal - logs[rows, labels]).sum()
        slope = np.concatenate([[-(residual * scaled).sum()], residual.sum(0)])
        width_of = np.array([TEMPERATURE_PRIOR] + [INTERCEPT_PRIOR] * width)
        return value + (parameters**2 / width_of**2).sum() / 2, slope + parameters / width_of**2

    bounds = [(np.log(LOWEST), np.log(HIGHEST))] + [(None, None)] * width
    found = minimize(loss, np.zeros(width + 1), jac=True, method="L-BFGS-B", bounds=bounds, options=PRECISE).x
    return {"temperature": float(np.exp(found[0])), "intercepts": (shift + found[1:]).tolist()}


PRECISE = {"maxiter": 1000, "maxfun": 10_000, "ftol": 1e-15, "gtol": 1e-9}


def fit_temperature(logits, labels, distinct=None):
    """The temperature that minimises the cross-entropy of ``logits / temperature`` (Guo et al. 2017), with a prior.

    Its logarithm has a normal prior around 0, so that few rows cannot make the logits much sharper or flatter. Many rows
    outvote it.

    Parameters
    ----------
    logits : array of float, shape (N, C)
    labels : array of int, shape (N,)
        Rows with -1 (unlabelled) are left out.
    distinct : int, optional
        How many different samples the rows show, where some are shown again and again: so many rows the prior is held
        against. By default every row counts.

    Returns
    -------
    float
        Between 0.05 and 20; 1 if there are no rows.
    """
    from scipy.optimize import brentq  # here, since predicting need not wait for it

    logits, labels = _known(logits, labels)
    if logits.size == 0:
        return 1.0
    logits = logits - logits.max(1, keepdims=True)
    target = logits[np.arange(len(labels)), labels].sum()
    count = 1.0 if distinct is None else distinct / len(labels)

    def slope(log_temperature):
        sharpness = np.exp(-log_temperature)
        expected = (softmax(sharpness * logits, axis=1) * logits).sum()
        return float(count * sharpness * (target - expected) + log_temperature / TEMPERATURE_PRIOR**2)

    # The cross-entropy falls towards one temperature from both sides, and the prior towards 1: the minimum is between.
    softer = slope(0.0) < 0
    end = np.log(HIGHEST if softer else LOWEST)
    if (slope(end) < 0) == softer:
        return HIGHEST if softer else LOWEST
    return float(np.exp(brentq(slope, 0.0, end, xtol=1e-10)))


def log_shares(counts):
    """What class weights that are inverse to `counts` add to the logits, with the sign turned: the log of each share.

    A network that weighs each class inversely to its share learns the odds that equally frequent classes would have
    (Elkan 2001); adding the log shares gives the odds of the data. A class without rows counts as half a row.
    """
    counts = np.maximum(np.asarray(counts, dtype=np.float64), 0.5)
    return np.log(counts / counts.sum())


def calibrated(logits, facts):
    """Logits whose softmax are the model's probabilities: float64, shape of `logits`.

    Parameters
    ----------
    logits : array of float, shape (..., C)
    facts : dict of ft_model.pt, the target's: "temperature", and "intercepts" where the loss had class weights
    """
    return _scaled(logits, facts["temperature"], facts.get("intercepts"))


def decide(logits):
    """The class that is predicted, shape (N,): that of the largest logit.

    Under class weights this treats all classes equally, as the user asked. The most probable class would rarely be a
    rare one.
    """
    return np.asarray(logits).argmax(1) if len(logits) else np.zeros(0, int)


def probabilities(logits, temperature=1.0, intercepts=None):
    """Softmax of ``logits / temperature + intercepts`` over the last axis, float64."""
    return softmax(_scaled(logits, temperature, intercepts), axis=-1)


def log_loss(logits, labels, temperature=1.0, intercepts=None):
    """Cross-entropy of each row in nats, exact for any confidence: shape of `labels`."""
    scaled = _scaled(logits, temperature, intercepts)
    picked = np.take_along_axis(scaled, np.asarray(labels)[..., None], axis=-1)[..., 0]
    return logsumexp(scaled, axis=-1) - picked


def _scaled(logits, temperature, intercepts):
    scaled = np.asarray(logits, dtype=np.float64) / temperature
    return scaled if intercepts is None else scaled + np.asarray(intercepts, dtype=np.float64)


def _known(logits, labels):
    """The labelled rows."""
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels)
    known = labels >= 0
    if not np.isfinite(logits[known]).all():
        raise ValueError("logits are not finite")
    return logits[known], labels[known].astype(np.int64)


def reliability(labels, probabilities, bins=15, predicted=None):
    """Table behind a reliability diagram.

    Parameters
    ----------
    labels : array of int, shape (N,)
        Rows with -1 (unlabelled) are left out.
    probabilities : array of float, shape (N, C)
    bins : int
        Number of equally wide bins of confidence.
    predicted : array of int, shape (N,), optional
        The classes that the model decides for (see `decide`), if not the most probable ones.

    Returns
    -------
    DataFrame
        One row per bin that has samples: low, high, count, confidence (mean), accuracy. The expected calibration
        error, before it is freed of chance, is the mean of ``|accuracy - confidence|`` weighted by count.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    known = labels >= 0
    predicted = decide(probabilities) if predicted is None else np.asarray(predicted)
    labels, probabilities, predicted = labels[known], probabilities[known], predicted[known]
    confidence, right = probabilities[np.arange(len(labels)), predicted], predicted == labels
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
