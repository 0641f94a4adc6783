"""Sets of classes, of targets with one class per sample."""

import numpy as np

from graft.common import plugins
from graft.conformal.lists import named
from graft.conformal.thresholds import limits_of, of_each, of_strata, threshold, too_few
from graft.data.splitting.halves import FEW_CLASSES
from graft.targets.lists import object_array

SCORE = "sets"  # the key of the config that names the score
COLUMNS = ("set",)
SIZE = "set_size"


def fit(table, facts, settings, level, strata):
    """The threshold of each class, see `sets.fit_sets`.

    Parameters
    ----------
    table : DataFrame, calibrating rows with a label
    strata : Categorical, shape (n,), the group or subgroup of each row; None: sets hold over all rows together, or in each class

    Returns
    -------
    dict with "thresholds", a list of one per class, and where groups are asked for "groups", name -> threshold; and the note: "" or
    why there are no sets
    """
    classes, within = facts["classes"], settings["within"]
    own = _scores(settings["sets"], table, classes)[np.arange(len(table)), _codes(table["label"], classes)]
    if strata is not None:
        others, groups, note = of_strata(own, strata, level, within)
        return {"thresholds": [others] * len(classes), "groups": groups}, note
    if within == "all" or (within == "auto" and len(classes) > FEW_CLASSES):
        limit = threshold(own, level)
        note = too_few({"any": limit}, {"any": len(table)}, level, "class")
        return {"thresholds": [limit] * len(classes)}, note
    labels = table["label"].to_numpy(object)
    limits = of_each(own, labels, classes, level)
    note = too_few(limits, {name: int((labels == name).sum()) for name in classes}, level, "class")
    return {"thresholds": list(limits.values()) if not note else [None] * len(classes)}, note


def columns(table, facts, score, fitted, strata=None):
    """The set of each row, in the order of the classes: object array of lists; None where there is none."""
    classes = facts["classes"]
    chances = _chances(table, classes)
    known = np.isfinite(chances).all(1)
    limits = limits_of(fitted, len(table), strata)
    known &= np.isfinite(limits).all(1)
    found = object_array([None] * len(table))
    if known.any():
        scores = _scores(score, table[known], classes)
        inside = scores <= limits[known] + 1e-12
        found[known] = named(inside, chances[known].argmax(1), classes)
    return (found,)


def judged(table, sets):
    """Whether each row's class is in its set, and how many classes are."""
    return np.array([label in one for label, one in zip(table["label"], sets, strict=True)], bool), sets.map(
        len
    ).to_numpy(float)


def _scores(name, table, classes):
    return plugins.load("class_score", name).score(_chances(table, classes), table["sample_id"])


def _chances(table, classes):
    return table[[f"prob_{name}" for name in classes]].to_numpy(np.float64)


def _codes(words, classes):
    return words.map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)
