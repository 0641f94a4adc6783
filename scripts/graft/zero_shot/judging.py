"""How good zero-shot predictions are: metrics per split, seen and unseen classes apart, and what they are worth in shots."""

import numpy as np
import pandas as pd

from graft.evaluation.metrics import UNDEFINED, classification_metrics

SPLITS = ("train", "validation", "test")


def metrics_of(codes, probabilities, classes, splits, groups, unseen=None):
    """Metrics with intervals per split; all three are as good to judge by, since nothing was trained.

    Parameters
    ----------
    codes : array of int, shape (n,), -1 where unlabelled
    probabilities : array of float, shape (n, classes)
    splits, groups : arrays, shape (n,)
    unseen : list of classes, or None; adds what `generalized` gives
    """
    found = {}
    for split in SPLITS:
        rows = (splits == split) & (codes >= 0)
        if rows.any():
            part = codes[rows], probabilities[rows], classes
            found[split] = classification_metrics(*part, groups[rows], threshold=0.5)
            found[split] |= generalized(*part, groups[rows], unseen) if unseen else {}
    return found


def generalized(codes, probabilities, classes, groups, unseen):
    """Seen and unseen classes among all classes, and their harmonic mean (Xian et al. 2018, eq. 1 and 2).

    Accuracies are means over classes, as there.

    Returns
    -------
    dict of str to {"value", "low", "high"}
        seen_accuracy and unseen_accuracy: rows of these classes, told from all classes. harmonic_mean of the two; its
        interval takes them as independent. unseen_alone: rows of unseen classes, told from unseen classes alone; None if
        there is one.
    """
    is_unseen = np.isin(classes, unseen)
    rows = is_unseen[codes]
    seen = classification_metrics(codes[~rows], probabilities[~rows], classes, groups[~rows])["balanced_accuracy"]
    other = classification_metrics(codes[rows], probabilities[rows], classes, groups[rows])["balanced_accuracy"]
    alone = dict(UNDEFINED)
    if len(unseen) > 1:
        masked = np.where(is_unseen, probabilities[rows], 0.0)
        masked /= np.maximum(masked.sum(1, keepdims=True), np.finfo(np.float64).tiny)
        alone = classification_metrics(codes[rows], masked, classes, groups[rows])["balanced_accuracy"]
    return {
        "seen_accuracy": seen,
        "unseen_accuracy": other,
        "harmonic_mean": harmonic_mean(seen, other),
        "unseen_alone": alone,
    }


def harmonic_mean(first, second):
    """2 a b / (a + b) of two metrics, with its interval in the first order."""
    a, b = first["value"], second["value"]
    if a is None or b is None:
        return dict(UNDEFINED)
    if a + b == 0:
        return {"value": 0.0, "low": None, "high": None}
    value, found = 2 * a * b / (a + b), {}
    for end, sign in (("low", -1), ("high", 1)):
        if first[end] is None or second[end] is None:
            found[end] = None
            continue
        parts = (2 * b**2 * (first[end] - a), 2 * a**2 * (second[end] - b))
        found[end] = float(np.clip(value + sign * np.hypot(*parts) / (a + b) ** 2, 0, 1))
    return {"value": value, **found}


def shots_worth(table, right):
    """From how many labelled examples per class a few-shot task is as good as descriptions, on the same queries.

    Parameters
    ----------
    table : DataFrame of few_shot_predictions.csv
    right : Series, sample_id -> whether zero-shot is right

    Returns
    -------
    dict with shots (float, or None beyond what was tried), words, accuracy (zero-shot's on these queries) and few_shot
    (shots -> accuracy)
    """
    few = (table["label"] == table["predicted"]).groupby(table["shots"]).mean()
    value = float(right.reindex(table["sample_id"]).astype(float).mean())
    shots, words = crossing(few.index.to_list(), few.to_list(), value)
    return {
        "shots": shots,
        "words": words,
        "accuracy": value,
        "few_shot": {str(n): float(one) for n, one in few.items()},
    }


def crossing(shots, accuracy, value):
    """Where the accuracy, straight over the logarithm of the shots between those tried, first reaches a value.

    Returns
    -------
    float or None, and words such as "3.4", "less than 1" or "more than 10"
    """
    if value < accuracy[0]:
        return None, f"less than {shots[0]}"
    for i, reached in enumerate(accuracy):
        if reached >= value:
            share = (value - accuracy[i - 1]) / (reached - accuracy[i - 1]) if i else 1.0
            start, end = np.log(shots[max(0, i - 1)]), np.log(shots[i])
            found = float(np.exp(start + share * (end - start)))
            return found, f"{found:.2g}"
    return None, f"more than {shots[-1]}"


def read_few_shot(path):
    """few_shot_predictions.csv; names that look like numbers or missing values are text."""
    return pd.read_csv(path, dtype={"sample_id": str, "label": str, "predicted": str}, keep_default_na=False)
