"""Linear heads that learned from nested subsets of the train rows, judged on validation and test rows as models are."""

import logging
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd

from graft.curves.subsets import nested
from graft.data.splitting.splits import strata
from graft.evaluation.metrics import headline
from graft.heads import principal_axes, solvers
from graft.targets.predictions import metrics_of

logger = logging.getLogger("graft")
FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the train rows
DRAWS = 5  # of each fraction but the last
LEAST_LABELS = 8  # a head that learned from fewer says nothing
JUDGED = ("validation", "test")
LEFT_OUT = "left out"  # the split of train rows that a head does not learn from


@dataclass(frozen=True)
class Rows:
    """n labelled rows of a target, of all splits, with their embeddings.

    frame : DataFrame, rows of the manifest
    values : Series, their labels in it
    features : float32 array, shape (n, width)
    codes : what samples.Manifest.codes gives of them
    target : dict of labels.json
    kind : module of targets/kinds
    dead : see principal_axes; 0 for vectors with units of their own
    """

    frame: pd.DataFrame
    values: pd.Series
    features: np.ndarray
    codes: np.ndarray
    target: dict
    kind: ModuleType
    dead: float = principal_axes.DEAD

    @property
    def splits(self):
        return self.frame["split"].to_numpy(object)

    @property
    def train(self):
        return np.flatnonzero(self.splits == "train")

    def unfit(self, split):
        """Why nothing is measured on a split; "" if it can be."""
        own = self.codes[self.splits == split]
        if not len(own):
            return f"no {split} row has a label"
        return "" if len(np.unique(own, axis=0)) > 1 else f"all {split} rows have the same label"

    def are_learnable(self, learned):
        """Whether a head can learn from these rows: there are two labels at least, and an answer to each question of several."""
        if len(learned) < LEAST_LABELS or len(np.unique(self.codes[learned], axis=0)) < 2:
            return False
        marked = np.zeros(len(self.codes), bool)
        marked[learned] = True
        answers = self.kind.encode(self.codes, marked, self.target)[0][learned]
        return answers.ndim == 1 or bool(np.isfinite(answers).any(0).all())


def measurements(rows):
    """Heads of all fractions and draws.

    Returns
    -------
    list of (fraction, labels, draw, metrics) by rising fraction, where metrics is what `measure` gives; without fractions that are
    too small to learn from in any draw
    """
    train, found = rows.train, []
    if not (rows.splits == "validation").any():
        return found  # nothing says which penalty and which temperature to take
    units = pd.factorize(rows.frame["sampling_unit"].fillna(rows.frame["sample_id"]))[0][train]
    own = strata(rows.values.iloc[train], rows.target["kind"])
    drawn = [nested(own, units, FRACTIONS, draw) for draw in range(DRAWS)]
    for number, fraction in enumerate(FRACTIONS):
        subsets = [train[first <= number] for first in drawn[: 1 if fraction == 1 else DRAWS]]
        if not all(map(rows.are_learnable, subsets)):
            continue
        l2 = None  # the first draw tries all penalties, the others those that it took: they hardly depend on the draw
        for draw, learned in enumerate(subsets):
            metrics, chosen = measure(rows, learned, l2)
            l2 = l2 or chosen
            found.append((fraction, len(learned), draw, metrics))
        logger.info("%g %% of the train rows, %d labels: measured", 100 * fraction, len(subsets[0]))
    return found


def measure(rows, learned, l2=None):
    """Metrics of a head that learned from some train rows.

    Parameters
    ----------
    rows : Rows
    learned : int array, the places of these train rows
    l2 : list of float, the penalties that are tried; None: as the method `linear` tries them, which takes longer

    Returns
    -------
    metrics : dict, split -> metric -> {"value", "low", "high"}
    l2 : list of float, those that were chosen
    """
    splits = rows.splits.copy()
    splits[splits == "train"] = LEFT_OUT
    splits[learned] = "train"
    codes, reading = rows.kind.encode(rows.codes, splits == "train", rows.target)
    unit = principal_axes.steadied(rows.features[learned]) if rows.dead else None
    settings = {"l2": l2, "class_weights": "none"}
    folds = rows.frame["fold"].to_numpy() if l2 is None else np.full(len(splits), -1)  # folds only choose an l2
    solved = rows.kind.solve(rows.features, codes, splits, folds, rows.target, settings, rows.dead, unit)
    judged = np.flatnonzero(np.isin(splits, JUDGED))
    outputs = solvers.outputs(rows.features[judged], solved["weight"].numpy(), solved["bias"].numpy())
    own = splits[judged] == "validation"
    facts = {**rows.target, **reading}
    facts |= rows.kind.calibrate(outputs[own], codes[judged][own], facts, None)
    table = pd.DataFrame({"split": splits[judged], **rows.kind.columns(outputs, rows.codes[judged], facts)})
    groups = rows.frame["sampling_unit"].iloc[judged].to_numpy(object)
    return metrics_of(table, facts, groups, JUDGED), sorted(set(np.atleast_1d(solved["l2"]).tolist()))


def leading(rows, metrics):
    """The metric that is named first of validation rows; of test rows where validation has none; "" if neither has.

    `metrics` is what `measure` gives of a head of all train rows.
    """
    split = next((one for one in JUDGED if not rows.unfit(one)), None)
    if split is None:
        return ""
    counts = None
    if rows.target["kind"] in ("classification", "ordinal"):
        count = Counter(rows.codes[rows.splits == split].tolist())
        counts = {name: count[code] for code, name in enumerate(rows.target["classes"])}
    return next(iter(headline(metrics[split], counts)[0]), "")
