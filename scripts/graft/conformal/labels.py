"""Sets of labels that hold all labels of a sample, of targets with any number of labels."""

import numpy as np

from graft.conformal.lists import named
from graft.conformal.thresholds import limits_of, of_strata, threshold, too_few
from graft.evaluation.multilabel_metrics import answers_of
from graft.targets.lists import object_array

SCORE = None  # there is one: the lowest probability among the labels that a sample has
COLUMNS = ("set",)
SIZE = "set_size"


def fit(table, facts, settings, level, strata):
    """The threshold for 1 - p of a sample's least probable label, over the rows whose labels are all known.

    A set that holds every label with a smaller 1 - p misses none with the probability that is asked for (the nested sets of
    Cauchois, Gupta and Duchi 2021, sec. 3.1).
    """
    answers = answers_of(table, facts["classes"])
    rows = np.isfinite(answers).all(1)
    chances = table[[f"prob_{name}" for name in facts["classes"]]].to_numpy(np.float64)[rows]
    own = np.where(answers[rows] == 1, 1 - chances, 0.0).max(1)
    if strata is not None:
        others, groups, note = of_strata(own, strata[rows], level, settings["within"])
        return {"thresholds": [others], "groups": groups}, note
    limit = threshold(own, level)
    return {"thresholds": [limit]}, too_few({"any": limit}, {"any": int(rows.sum())}, level, "label")


def columns(table, facts, score, fitted, strata=None):
    """The set of each row, in the order of the labels: object array of lists; None where there is none."""
    chances = table[[f"prob_{name}" for name in facts["classes"]]].to_numpy(np.float64)
    limits = limits_of(fitted, len(table), strata)[:, 0]
    known, found = np.isfinite(chances).all(1) & np.isfinite(limits), object_array([None] * len(table))
    if known.any():
        inside = 1 - chances[known] <= limits[known, None] + 1e-12
        found[known] = named(inside, chances[known].argmax(1), facts["classes"])
    return (found,)


def judged(table, sets):
    """Whether all labels of each row are in its set, and how many labels are."""
    held = [set(labels) <= set(one) for labels, one in zip(table["label"], sets, strict=True)]
    return np.array(held, bool), sets.map(len).to_numpy(float)
