"""Metrics that are means over classes, with their intervals; a rare class weighs as much as the others."""

import numpy as np

from graft.evaluation.curves import areas
from graft.evaluation.intervals import UNDEFINED, design_of, share


def _sizes(labels, width, units):
    """Rows per class; 1 where they all are of one group, since other groups may be quite different."""
    counts = np.bincount(labels, minlength=width)
    if units is None:
        return counts
    pairs = np.unique(labels * (units.max() + 1) + units) // (units.max() + 1)
    return np.where(np.bincount(pairs, minlength=width) == 1, 1, counts)


def areas_under_curves(labels, probabilities, units):
    """AUROC and average precision with their intervals."""
    roc, precision_recall = areas(labels, probabilities)
    if roc is None:
        return {"auroc": dict(UNDEFINED), "average_precision": dict(UNDEFINED)}
    width, rows = probabilities.shape[1], len(labels)
    sizes = _sizes(labels, width, units)
    chosen = sizes[1:] if width == 2 else sizes
    # What areas near 1 are worth: Newcombe (2006, method 5) for the AUROC, Boyd et al. (2013) for average precision.
    others = np.maximum(sizes.sum() - chosen, 1)
    worth = len(chosen) ** 2 / (((chosen + others) / 4 + 0.5) / (chosen * others)).sum()
    positives = len(chosen) ** 2 / (1 / chosen).sum()
    counts = np.bincount(labels, minlength=width)[labels]
    bessel = counts / np.maximum(counts - 1, 1)
    return {
        "auroc": share(
            roc.value, (roc.influence**2 * bessel).sum() / rows**2, worth, design_of(roc.influence, units, labels)
        ),
        "average_precision": share(
            precision_recall.value,
            (precision_recall.influence**2).sum() / rows**2,
            positives,
            design_of(precision_recall.influence, units, labels),
        ),
    }


def recall_and_f1(labels, predicted, width, units):
    """Balanced accuracy and macro F1 with their intervals."""
    true, called = np.bincount(labels, minlength=width), np.bincount(predicted, minlength=width)
    right = labels == predicted
    hits = np.bincount(labels[right], minlength=width)
    sizes = _sizes(labels, width, units)

    some = true > 0
    recall = np.divide(hits, true, out=np.zeros(width), where=some)
    influence = (right - recall[labels]) / true[labels] / some.sum() * len(labels)
    worth = np.where(true == sizes, true, 1)[some]
    balanced = _mean_of_shares(
        recall[some],
        influence,
        worth,
        lambda p: p * (1 - p) / worth,
        np.minimum(hits, true - hits)[some],
        units,
        labels,
    )

    either = true + called
    some = either > 0
    f1 = np.divide(2 * hits, either, out=np.zeros(width), where=some)
    slope = np.divide(1, either, out=np.zeros(width), where=some) / some.sum() * len(labels)
    influence = 2 * right * slope[labels] - f1[labels] * slope[labels] - f1[predicted] * slope[predicted]
    union = np.where(true == sizes, either - hits, 1)[some]
    macro = _mean_of_shares(
        f1[some],
        influence,
        union,
        # F1 = 2 j / (1 + j) of the share j of hits among those that are or are called the class.
        lambda f: f * (1 - f) * (2 - f) ** 2 / (2 * union),
        np.minimum(hits, either / 2 - hits)[some],
        units,
        labels,
    )
    return {"balanced_accuracy": balanced, "macro_f1": macro}


def _mean_of_shares(values, influence, worth, variance_of, errors, units, labels):
    """Interval of a mean over classes; a class with few errors borrows variance from the mean of all.

    Parameters
    ----------
    values : array, shape (classes,)
    influence : array, shape (N,)
    worth : array, shape (classes,), rows that each value rests on
    variance_of : callable, values -> their variances if rows are independent
    errors : array, shape (classes,)
    units, labels : arrays, shape (N,)
    """
    value = float(values.mean())
    borrowed = (variance_of(np.full(len(values), value)) - variance_of(values)) / (1 + errors)
    variance = (influence**2).sum() / len(influence) ** 2 + borrowed.sum() / len(values) ** 2
    least = len(values) ** 2 / (1 / worth).sum()
    return share(value, max(variance, 0.0), least, design_of(influence, units, labels))
