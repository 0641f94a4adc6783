"""Metrics of several labels per sample, with intervals that hold for other rows and groups (see intervals.py).

A sample may lack the answer for some labels: those cells say nothing.
"""

import numpy as np

from graft.evaluation.curves import areas
from graft.evaluation.intervals import UNDEFINED, design_of, positive, share, units_of
from graft.evaluation.metrics import clipped_log

NAMES = ("map", "macro_auroc", "micro_auroc", "macro_f1", "micro_f1", "hamming_loss", "exact_match", "log_loss")


def multilabel_metrics(answers, probabilities, called, groups=None):
    """How good predicted labels are.

    map and macro_auroc are means over the labels that some rows have and some have not; macro_f1 over those that a row has
    or is called. micro_auroc and micro_f1 are over all cells. exact_match counts the rows of which every known cell is right.

    Parameters
    ----------
    answers : array of float, shape (N, C): 1 has the label, 0 has it not, NaN is unknown
    probabilities : array of float, shape (N, C)
    called : array of bool, shape (N, C), the labels that the model decides for
    groups : as for `metrics.classification_metrics`

    Returns
    -------
    dict of str to {"value", "low", "high"}: NAMES; log_loss is the mean over cells, in nats
    """
    known = np.isfinite(answers)
    if not known.any():
        return {name: dict(UNDEFINED) for name in NAMES}
    true, units = known & (answers == 1), units_of(groups)
    wrong, hits = known & (called != true), true & called
    either = true.astype(int) + (known & called)
    exact = ~wrong.any(1)
    losses = -np.where(known, clipped_log(np.where(true, probabilities, 1 - probabilities)), 0.0)
    found = _areas_by_label(true, known, probabilities, units)
    found["micro_auroc"] = _micro_area(true, known, probabilities, units)
    found["micro_f1"] = _ratio(2 * hits.sum(1), either.sum(1), units)
    found["macro_f1"] = _mean_of_ratios(2 * hits, either, units)
    found["hamming_loss"] = _ratio(wrong.sum(1), known.sum(1), units)
    found["exact_match"] = _ratio(exact, np.ones(len(exact)), units)
    mean, influence = _ratio_and_influence(losses.sum(1), known.sum(1))
    found["log_loss"] = positive(mean, influence, units)
    return {name: found[name] for name in NAMES}


def answers_of(table, classes):
    """The answers that a prediction table holds: float array, shape (n, labels)."""
    has = np.array([[name in (row if row is not None else ()) for name in classes] for row in table["label"]], float)
    has = has.reshape(len(table), len(classes))
    for i, name in enumerate(classes):
        if f"unknown_{name}" in table:
            has[table[f"unknown_{name}"].to_numpy(bool), i] = np.nan
    return has


def average_precision(answers, probabilities):
    """Mean average precision over the labels, and the influence of each row, shape (N,); (None, None) if it is undefined."""
    known = np.isfinite(answers)
    parts = _areas(known & (answers == 1), known, probabilities)
    if not parts:
        return None, None
    return float(np.mean([one[1].value for one in parts])), np.mean([one[3] for one in parts], axis=0)


def _areas(true, known, probabilities):
    """Of each label that can be judged: its two areas, and the influences of all rows on them."""
    found, rows = [], len(true)
    for label in range(true.shape[1]):
        own = known[:, label]
        both = np.stack([1 - probabilities[own, label], probabilities[own, label]], 1)
        roc, precision_recall = areas(true[own, label].astype(int), both)
        if roc is None:
            continue
        spread = np.zeros((2, rows))
        spread[:, own] = np.stack([roc.influence, precision_recall.influence]) * rows / own.sum()
        found.append((roc, precision_recall, *spread, true[own, label].sum(), own.sum()))
    return found


def _areas_by_label(true, known, probabilities, units):
    parts = _areas(true, known, probabilities)
    if not parts:
        return {"macro_auroc": dict(UNDEFINED), "map": dict(UNDEFINED)}
    positives = np.array([one[4] for one in parts], float)
    others = np.array([one[5] for one in parts], float) - positives
    # As for classes (over_classes.areas_under_curves): Newcombe (2006), Boyd et al. (2013).
    worth = len(parts) ** 2 / (((positives + others) / 4 + 0.5) / (positives * others)).sum()
    return {
        "macro_auroc": _mean_area([one[0].value for one in parts], [one[2] for one in parts], worth, units),
        "map": _mean_area(
            [one[1].value for one in parts], [one[3] for one in parts], len(parts) ** 2 / (1 / positives).sum(), units
        ),
    }


def _mean_area(values, influences, worth, units):
    influence = np.mean(influences, axis=0)
    return share(float(np.mean(values)), (influence**2).sum() / len(influence) ** 2, worth, design_of(influence, units))


def _micro_area(true, known, probabilities, units):
    """Over all cells; those of a row are drawn together, so their influences are summed."""
    chances = probabilities[known]
    roc, _ = areas(true[known].astype(int), np.stack([1 - chances, chances], 1))
    if roc is None:
        return dict(UNDEFINED)
    cells = np.zeros(true.shape)
    cells[known] = roc.influence
    influence = cells.sum(1) * len(true) / known.sum()
    yes, no = float(true.sum()), float((known & ~true).sum())
    worth = yes * no / ((yes + no) / 4 + 0.5)
    return share(roc.value, (influence**2).sum() / len(influence) ** 2, worth, design_of(influence, units))


def _ratio_and_influence(above, below):
    """Sum over sum, and the influence of each row on it."""
    below_mean = below.mean()
    value = float(above.mean() / below_mean) if below_mean else 0.0
    return value, (above - value * below) / below_mean if below_mean else np.zeros(len(above))


def _ratio(above, below, units):
    if not np.any(below):
        return dict(UNDEFINED)
    value, influence = _ratio_and_influence(np.asarray(above, float), np.asarray(below, float))
    return share(value, influence.var() / len(influence), len(influence), design_of(influence, units))


def _mean_of_ratios(above, below, units):
    """The mean over the labels that have something to count."""
    some = below.sum(0) > 0
    if not some.any():
        return dict(UNDEFINED)
    parts = [_ratio_and_influence(above[:, k].astype(float), below[:, k].astype(float)) for k in np.flatnonzero(some)]
    worth = some.sum() ** 2 / (1 / below.sum(0)[some]).sum()
    return _mean_area([value for value, _ in parts], [one for _, one in parts], worth, units)
