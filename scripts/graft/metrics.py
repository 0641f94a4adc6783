"""Metrics with 95 % intervals: percentile bootstrap over samples, computed from counts instead of copies.

A resample of the rows is a count per row, so every metric that is a function of sums over rows takes one matrix
product. What is undefined (a class without samples, no rows at all) is None, never NaN.
"""

import numpy as np
from scipy.special import ndtri, stdtrit

UNDEFINED = {"value": None, "low": None, "high": None}
BINS = 15
FEW = 10  # rows of a class, below which its share of a figure hangs on single rows
DRAWS = 20_000_000  # row draws per bootstrap; above this, large data get fewer resamples (never below 200)


def classification_metrics(labels, probabilities, classes, samples=1000, seed=0):
    """Accuracy, balanced accuracy, macro F1, AUROC, log loss and calibration error, with intervals.

    Accuracy, balanced accuracy (over the classes that have samples) and macro F1 (over the classes that have
    samples or predictions) are bootstrapped through the cells of the confusion matrix, which is exact. The AUROC
    (two classes: of the second one; more: macro average, one against the rest) is bootstrapped through its
    influence values (the placements of DeLong et al. 1988), one sort per class instead of one per resample. The
    calibration error (Guo et al. 2017) has 15 equally wide bins of confidence; since resampling only ever adds to
    it, its interval is widened to hold the value.

    Parameters
    ----------
    labels : array of int, shape (N,)
        Class indices; rows with -1 (unlabelled) are left out.
    probabilities : array of float, shape (N, C)
    classes : sequence of C names, or C itself
    samples : int
        Bootstrap resamples.
    seed : int

    Returns
    -------
    dict of str to {"value", "low", "high"}
        accuracy, balanced_accuracy, macro_f1, auroc, log_loss (nats), ece.
    """
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    width = classes if isinstance(classes, int) else len(classes)
    if probabilities.ndim != 2 or probabilities.shape != (len(labels), width):
        raise ValueError(f"probabilities have shape {probabilities.shape}, not ({len(labels)}, {width})")
    known = labels >= 0
    labels, probabilities = labels[known].astype(np.int64), probabilities[known]
    names = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece")
    if len(labels) == 0:
        return {name: dict(UNDEFINED) for name in names}
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities are not finite")

    rng = np.random.default_rng(seed)
    predicted = probabilities.argmax(1)
    results = _confusion_metrics(labels, predicted, width, samples, rng)

    area, influence = auroc(labels, probabilities)
    loss = -np.log(np.clip(probabilities[np.arange(len(labels)), labels], 1e-15, 1.0))
    confidence = probabilities.max(1)
    gap = np.zeros((len(labels), BINS))
    gap[np.arange(len(labels)), _bin(confidence, BINS)] = (predicted == labels) - confidence
    columns = np.column_stack([loss, influence if area is not None else np.zeros(len(labels)), gap])
    drawn = _bootstrap_means(columns, samples, rng)
    results["auroc"] = _interval(area, None if area is None else np.clip(area + drawn[:, 1], 0, 1))
    results["log_loss"] = _interval(loss.mean(), drawn[:, 0])
    results["ece"] = _interval(np.abs(gap.mean(0)).sum(), np.abs(drawn[:, 2:]).sum(1))
    return {name: results[name] for name in names}


def episode_calibration_error(right, confidence, samples=1000, seed=0):
    """Expected calibration error of all queries, with a bootstrap over episodes (whose queries share a support).

    Parameters
    ----------
    right : array of bool, shape (episodes, queries)
    confidence : array of float, shape (episodes, queries)

    Returns
    -------
    {"value", "low", "high"}
    """
    episodes, queries = right.shape
    place = np.arange(episodes)[:, None] * BINS + _bin(confidence, BINS)
    gap = np.bincount(place.ravel(), weights=(right - confidence).ravel(), minlength=episodes * BINS)
    gap = gap.reshape(episodes, BINS) / queries
    drawn = _bootstrap_means(gap, samples, np.random.default_rng(seed))
    return _interval(np.abs(gap.mean(0)).sum(), np.abs(drawn).sum(1))


def regression_metrics(values, predicted, samples=1000, seed=0):
    """R2, root mean square error and mean absolute error, with intervals.

    Parameters
    ----------
    values : array of float, shape (N,)
        Rows that are not finite (unlabelled) are left out.
    predicted : array of float, shape (N,)

    Returns
    -------
    dict of str to {"value", "low", "high"}
        r2 (None if the values do not vary), rmse, mae (both in the target's unit).
    """
    values, predicted = np.asarray(values, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    known = np.isfinite(values)
    values, predicted = values[known], predicted[known]
    if len(values) == 0:
        return {name: dict(UNDEFINED) for name in ("r2", "rmse", "mae")}
    if not np.isfinite(predicted).all():
        raise ValueError("predictions are not finite")
    centred, error = values - values.mean(), predicted - values
    columns = np.column_stack([error**2, np.abs(error), centred, centred**2])
    drawn = _bootstrap_means(columns, samples, np.random.default_rng(seed))
    return {
        "r2": _interval(_r2(columns.mean(0)[None])[0], _r2(drawn)),
        "rmse": _interval(np.sqrt(columns[:, 0].mean()), np.sqrt(drawn[:, 0])),
        "mae": _interval(columns[:, 1].mean(), drawn[:, 1]),
    }


def mean_interval(values):
    """Mean of independent values (episodes, seeds) with the 95 % t interval of the mean.

    One value has no interval (low and high are None), no value has no mean either.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 0:
        return dict(UNDEFINED)
    mean = float(values.mean())
    if len(values) == 1:
        return {"value": mean, "low": None, "high": None}
    half = float(stdtrit(len(values) - 1, 0.975) * values.std(ddof=1) / np.sqrt(len(values)))
    return {"value": mean, "low": mean - half, "high": mean + half}


def headline(metrics, counts=None):
    """Which figures of a split to name first, and what they do not show.

    A class is rare if it has less than half of an even share of the rows. Then accuracy is high for a model that never
    names the class, so balanced accuracy is named instead, or average precision where the rare one of two classes is
    the second, the positive one.

    Parameters
    ----------
    metrics : dict of str to {"value", "low", "high"}
        The figures of one split, as `classification_metrics` or `regression_metrics` gives them.
    counts : dict of str to int, or None
        Class -> labelled rows in that split, in the order of the classes; None for a number.

    Returns
    -------
    names : list of str
        One or two metrics that have a value, the more telling first; empty if none has.
    caveat : str
        Begins small, without a full stop; "" if there is nothing to say.
    """
    known = {name for name, one in metrics.items() if one["value"] is not None}
    if not counts or not sum(counts.values()):
        return [name for name in ("auroc", "accuracy", "r2", "rmse") if name in known][:2], ""
    sizes = list(counts.values())
    rare = [name for name, size in counts.items() if 0 < size < sum(sizes) / len(sizes) / 2]
    positive = len(sizes) == 2 and list(counts)[1] in rare
    wanted = ("average_precision" if positive else "balanced_accuracy") if rare else "accuracy"
    names = [name for name in dict.fromkeys(["auroc", wanted, "accuracy"]) if name in known][:2]
    missing = [name for name, size in counts.items() if not size]
    if missing:
        return names, f"no row of {_quoted(missing)}, so these figures say nothing of it"
    few = {name: size for name, size in counts.items() if size < FEW}
    if few:
        return names, f"only {min(few.values())} rows of {_quoted([min(few, key=few.get)])}"
    return names, ""


def _quoted(names, most=3):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def agreement(first, second):
    """Share of rows on which two models predict the same class, with its Wilson 95 % interval."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"predictions of {first.shape} and {second.shape} rows cannot be compared")
    if len(first) == 0:
        return dict(UNDEFINED)
    same = int((first == second).sum())
    low, high = wilson([same], [len(first)])
    return {"value": same / len(first), "low": float(low[0]), "high": float(high[0])}


def wilson(hits, counts):
    """Wilson's 95 % intervals of shares; unlike the bootstrap's they are honest for few samples and for shares of 1.

    Parameters
    ----------
    hits, counts : arrays of int, shape (N,)

    Returns
    -------
    low, high : arrays, shape (N,); NaN where there is nothing to count
    """
    hits, counts = np.asarray(hits, np.float64), np.asarray(counts, np.float64)
    z = ndtri(0.975)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = hits / counts
        centre = (share + z**2 / (2 * counts)) / (1 + z**2 / counts)
        half = z / (1 + z**2 / counts) * np.sqrt(share * (1 - share) / counts + z**2 / (4 * counts**2))
    return np.clip(centre - half, 0, share), np.clip(centre + half, share, 1)


def auroc(labels, probabilities):
    """Area under the ROC curve and the influence of each row on it.

    Parameters
    ----------
    labels : array of int, shape (N,)
    probabilities : array of float, shape (N, C)

    Returns
    -------
    area : float or None
        C = 2: of the second class; else the macro average, one against the rest. None if a class has no rows.
    influence : array, shape (N,), or None
        Mean 0; the area of a resample is close to ``area + influence[resample].mean()``.
    """
    rows, width = probabilities.shape
    if width < 2 or (np.bincount(labels, minlength=width) == 0).any():
        return None, None
    chosen = [1] if width == 2 else range(width)
    area, influence = 0.0, np.zeros(rows)
    for index in chosen:
        positive = labels == index
        # Placement: for a positive the share of negatives below it, for a negative the share of positives above.
        below, equal_or_below = _ranks(probabilities[:, index], probabilities[~positive, index])
        placement = (below + equal_or_below) / 2 / (rows - positive.sum())
        below, equal_or_below = _ranks(probabilities[:, index], probabilities[positive, index])
        placement = np.where(positive, placement, 1 - (below + equal_or_below) / 2 / positive.sum())
        one = placement[positive].mean()
        area += one / len(chosen)
        influence += (placement - one) / np.where(positive, positive.mean(), 1 - positive.mean()) / len(chosen)
    return float(area), influence


def _ranks(scores, others):
    others = np.sort(others)
    return np.searchsorted(others, scores, "left"), np.searchsorted(others, scores, "right")


def _confusion_metrics(labels, predicted, width, samples, rng):
    """Accuracy, balanced accuracy and macro F1 from multinomial draws over the filled cells."""
    cells, counts = np.unique(labels * width + predicted, return_counts=True)
    truth, guess = cells // width, cells % width
    classes, place = np.unique(np.concatenate([truth, guess]), return_inverse=True)
    truth, guess = place[: len(cells)], place[len(cells) :]
    is_truth, is_guess = np.eye(len(classes))[truth], np.eye(len(classes))[guess]
    hit = (truth == guess)[:, None] * is_truth

    def evaluate(drawn):
        drawn = drawn.astype(np.float64)
        hits, actual, claimed = drawn @ hit, drawn @ is_truth, drawn @ is_guess
        recall = np.divide(hits, actual, out=np.zeros_like(hits), where=actual > 0)
        either = actual + claimed
        f1 = np.divide(2 * hits, either, out=np.zeros_like(hits), where=either > 0)
        return (
            hits.sum(1) / drawn.sum(1),
            recall.sum(1) / (actual > 0).sum(1),
            f1.sum(1) / (either > 0).sum(1),
        )

    values = evaluate(counts[None])
    drawn = evaluate(rng.multinomial(len(labels), counts / len(labels), size=samples))
    names = ("accuracy", "balanced_accuracy", "macro_f1")
    return {name: _interval(value[0], many) for name, value, many in zip(names, values, drawn, strict=True)}


def _bootstrap_means(columns, samples, rng):
    """Column means over resampled rows, shape (samples, columns)."""
    rows = len(columns)
    samples = max(min(samples, DRAWS // rows), min(samples, 200))
    chunk = max(1, 2_000_000 // rows)
    means = []
    for start in range(0, samples, chunk):
        size = min(chunk, samples - start)
        drawn = rng.integers(0, rows, (size, rows)) + np.arange(size)[:, None] * rows
        counts = np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows)
        means.append(counts.astype(np.float64) @ columns / rows)
    return np.concatenate(means)


def _interval(value, drawn):
    if value is None or not np.isfinite(value):
        return dict(UNDEFINED)
    drawn = drawn[np.isfinite(drawn)]
    if len(drawn) == 0:
        return {"value": float(value), "low": None, "high": None}
    low, high = np.percentile(drawn, [2.5, 97.5])
    return {"value": float(value), "low": float(min(low, value)), "high": float(max(high, value))}


def _r2(means):
    variance = means[:, 3] - means[:, 2] ** 2
    # Values equal up to rounding have no variance to explain.
    constant = variance <= 1e-14 * means[:, 3].max(initial=0) + np.finfo(np.float64).tiny
    return np.where(constant, np.nan, 1 - means[:, 0] / np.where(constant, 1.0, variance))


def _bin(confidence, bins):
    return np.clip((confidence * bins).astype(np.int64), 0, bins - 1)
