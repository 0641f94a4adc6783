"""Metrics with 95 % intervals that hold for other rows, and for other groups where rows come in groups.

The intervals follow from the influence of each row (see intervals.py), so a million rows take seconds. What is undefined
(a class without samples, no rows at all, an interval from one group) is None, never NaN.
"""

import numpy as np

from graft.evaluation.calibration_error import class_wise_error, top_label_error
from graft.evaluation.curves import areas
from graft.evaluation.intervals import (
    UNDEFINED,
    mean_interval,
    part_of,
    positive,
    positive_mean,
    proportion,
    units_of,
    wilson,
)
from graft.evaluation.over_classes import areas_under_curves, recall_and_f1

__all__ = [
    "UNDEFINED",
    "agreement",
    "auroc",
    "choose_threshold",
    "classification_metrics",
    "headline",
    "mean_interval",
    "regression_metrics",
    "wilson",
]
LEAST = np.finfo(np.float64).eps  # probability that a logarithm is taken of
FEW = 10  # rows of a class, below which its share of a metric depends on single rows


def classification_metrics(labels, probabilities, classes, groups=None, threshold=None, predicted=None):
    """How good predicted probabilities are, with intervals.

    Balanced accuracy is over the classes that have samples, macro F1 over those that have samples or predictions. AUROC
    and average precision are those of the second of two classes, of more classes the macro average of one against the
    rest. The Brier score is scikit-learn's: of two classes from 0 to 1, of more the sum over classes, from 0 to 2. The
    calibration errors are debiased (see calibration_error.py).

    Parameters
    ----------
    labels : array of int, shape (N,)
        Class indices; rows with -1 (unlabelled) are left out.
    probabilities : array of float, shape (N, C)
    classes : sequence of C names, or C itself
    groups : sequence of str or None, shape (N,), or None
        Rows of one group are drawn together: the intervals hold for other groups.
    threshold : float, optional
        Of two classes, the probability of the second one from which a row is called positive.
    predicted : array of int, shape (N,), optional
        The classes that the model decides for, if not those of the largest probability (see calibration.decide).

    Returns
    -------
    dict of str to {"value", "low", "high"}
        accuracy, balanced_accuracy, macro_f1, auroc, log_loss (nats), ece, average_precision, brier, class_ece; of two
        classes also sensitivity and specificity at the threshold, and the threshold (without an interval).
    """
    width = classes if isinstance(classes, int) else len(classes)
    labels, probabilities, predicted, units = _known_rows(labels, probabilities, width, groups, predicted)
    names = [*NAMES, *(("sensitivity", "specificity", "threshold") if width == 2 else ())]
    if len(labels) == 0:
        return {name: dict(UNDEFINED) for name in names}
    right = predicted == labels
    accuracy = proportion(right, units)
    results = {
        "accuracy": accuracy,
        **recall_and_f1(labels, predicted, width, units),
        **areas_under_curves(labels, probabilities, units),
        "ece": top_label_error(right, probabilities[np.arange(len(labels)), predicted], units),
        **_losses(labels, probabilities, right, accuracy, units),
        "class_ece": class_wise_error(labels, probabilities, units),
    }
    if width == 2:
        results |= _at_threshold(labels, probabilities[:, 1], threshold, units)
    return {name: results[name] for name in names}


def _known_rows(labels, probabilities, width, groups, predicted):
    """Labels, probabilities, predicted classes and units of the rows that have a label."""
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float64)
    if probabilities.shape != (len(labels), width):
        raise ValueError(f"probabilities have shape {probabilities.shape}, not ({len(labels)}, {width})")
    predicted = probabilities.argmax(1) if predicted is None else np.asarray(predicted)
    known = labels >= 0
    if not known.all():
        labels, probabilities, predicted = labels[known], probabilities[known], predicted[known]
        groups = None if groups is None else np.asarray(groups, dtype=object)[known]
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities are not finite")
    return labels.astype(np.int64), probabilities, predicted, units_of(groups)


NAMES = (
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "auroc",
    "log_loss",
    "ece",
    "average_precision",
    "brier",
    "class_ece",
)


def regression_metrics(values, predicted, groups=None):
    """R2, root mean square error and mean absolute error, with intervals.

    Parameters
    ----------
    values : array of float, shape (N,)
        Rows that are not finite (unlabelled) are left out.
    predicted : array of float, shape (N,)
    groups : as in `classification_metrics`

    Returns
    -------
    dict of str to {"value", "low", "high"}
        r2 (None if the values do not vary), rmse, mae (both in the target's unit).
    """
    values, predicted = np.asarray(values, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    known = np.isfinite(values)
    groups = None if groups is None else np.asarray(groups, dtype=object)[known]
    values, predicted, units = values[known], predicted[known], units_of(groups)
    if len(values) == 0:
        return {name: dict(UNDEFINED) for name in ("r2", "rmse", "mae")}
    if not np.isfinite(predicted).all():
        raise ValueError("predictions are not finite")
    squares, spread = (predicted - values) ** 2, (values - values.mean()) ** 2
    square = positive_mean(squares, units)
    root = {end: None if one is None else float(np.sqrt(one)) for end, one in square.items()}
    return {
        "r2": _r2(squares, spread, values, units),
        "rmse": root,
        "mae": positive_mean(np.abs(predicted - values), units),
    }


def choose_threshold(labels, scores):
    """The threshold with the largest sensitivity + specificity (Youden 1950); of several the nearest to 0.5.

    Parameters
    ----------
    labels : array of int, shape (N,); 1 is positive, 0 is not, -1 is unlabelled
    scores : array of float, shape (N,), the probability of class 1

    Returns
    -------
    float, half way between two scores; 0.5 if a class has no rows
    """
    labels, scores = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    steps, place = np.unique(scores[labels >= 0], return_inverse=True)
    counts = np.stack([np.bincount(place[labels[labels >= 0] == c], minlength=len(steps)) for c in (0, 1)])
    if (counts.sum(1) == 0).any():
        return 0.5
    # Thresholds below all scores, between two, and above all.
    gain = np.r_[0.0, np.cumsum(counts[0] / counts[0].sum() - counts[1] / counts[1].sum())]
    between = np.r_[steps[0] / 2, (steps[:-1] + steps[1:]) / 2, (steps[-1] + 1) / 2]
    best = np.flatnonzero(gain >= gain.max() - 1e-12)
    return float(between[best[np.abs(between[best] - 0.5).argmin()]])


def headline(metrics, counts=None):
    """Which metrics of a split to name first, and what they do not show.

    A class is rare if it has less than half of an even share of the rows. Then accuracy is high for a model that never
    names the class, so balanced accuracy is named instead. If the rare one of two classes is the second, the positive
    one, it is average precision.

    Parameters
    ----------
    metrics : dict of str to {"value", "low", "high"}
        The metrics of one split, as `classification_metrics` or `regression_metrics` gives them.
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
    labels = [name for name in ("map", "micro_f1") if name in known]  # of several labels per sample
    if not counts or not sum(counts.values()):
        return labels or [name for name in ("auroc", "accuracy", "r2", "rmse") if name in known][:2], ""
    ordered = ["quadratic_kappa"] if "quadratic_kappa" in known else []
    sizes = list(counts.values())
    rare = [name for name, size in counts.items() if 0 < size < sum(sizes) / len(sizes) / 2]
    positive = len(sizes) == 2 and list(counts)[1] in rare
    wanted = ("average_precision" if positive else "balanced_accuracy") if rare else "accuracy"
    names = labels or [name for name in dict.fromkeys([*ordered, "auroc", wanted, "accuracy"]) if name in known][:2]
    missing = [name for name, size in counts.items() if not size]
    if missing:
        return names, f"no row of {_quoted(missing)}, so these metrics say nothing of it"
    few = {name: size for name, size in counts.items() if size < FEW}
    if few:
        return names, f"only {min(few.values())} rows of {_quoted([min(few, key=few.get)])}"
    return names, ""


def _quoted(names, most=3):
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def agreement(first, second, groups=None):
    """Share of rows on which two models predict the same class, with its 95 % interval."""
    first, second = np.asarray(first), np.asarray(second)
    if first.shape != second.shape:
        raise ValueError(f"predictions of {first.shape} and {second.shape} rows cannot be compared")
    return proportion(first == second, units_of(groups))


def auroc(labels, probabilities):
    """Area under the ROC curve and the influence of each row on it (see `curves.areas`); (None, None) if undefined."""
    area, _ = areas(labels, probabilities)
    return (None, None) if area is None else (area.value, area.influence)


def _losses(labels, probabilities, right, accuracy, units):
    """Log loss and Brier score with their intervals.

    Where almost no row is wrong, the losses say little of what errors cost. So the upper end also holds the errors
    that the accuracy's interval allows for. Each costs what a right row would cost if its runner-up were true. This
    part fades with the square of the errors that are seen.
    """
    rows, width = probabilities.shape
    scale = 2 if width == 2 else 1
    picked = probabilities[np.arange(rows), labels]
    brier = (np.einsum("ij,ij->i", probabilities, probabilities) - 2 * picked + 1) / scale
    found = {"log_loss": positive_mean(-clipped_log(picked), units), "brier": positive_mean(brier, units)}
    if width > 1 and right.any() and found["log_loss"]["high"] is not None:
        second, first = np.partition(probabilities[right], -2, axis=1)[:, -2:].T
        unseen = (accuracy["value"] - accuracy["low"]) / (1 + (~right).sum()) ** 2
        found["log_loss"]["high"] += float(unseen * (clipped_log(first) - clipped_log(second)).mean())
        found["brier"]["high"] = min(
            found["brier"]["high"] + float(unseen * 2 * (first - second).mean()) / scale, 2 / scale
        )
    if found["log_loss"]["high"] is not None:  # no more than the loss itself can be
        found["log_loss"]["high"] = min(found["log_loss"]["high"], -float(np.log(LEAST)))
    return found


def clipped_log(probability):
    """The logarithm of a probability that may be 0, cut as scikit-learn's log_loss does (36 nats at most)."""
    return np.log(np.clip(probability, LEAST, 1.0))


def _r2(squares, spread, values, units):
    """1 - R2 is a ratio of two means, so that its logarithm is nearly normal."""
    # Values equal up to rounding have no variance to explain.
    if spread.mean() <= 1e-14 * np.square(values).mean() + np.finfo(np.float64).tiny:
        return dict(UNDEFINED)
    ratio = float(squares.mean() / spread.mean())
    found = positive(ratio, (squares - ratio * spread) / spread.mean(), units)
    low, high = (None if one is None else 1 - one for one in (found["high"], found["low"]))
    return {"value": 1 - ratio, "low": low, "high": high}


def _at_threshold(labels, scores, threshold, units):
    """Sensitivity and specificity of calling a row positive from `threshold` on."""
    if threshold is None:
        return {name: dict(UNDEFINED) for name in ("sensitivity", "specificity", "threshold")}
    called, truth = scores >= threshold, labels == 1
    return {
        "sensitivity": proportion(called[truth], part_of(units, truth)),
        "specificity": proportion(~called[~truth], part_of(units, ~truth)),
        "threshold": {"value": float(threshold), "low": None, "high": None},
    }
