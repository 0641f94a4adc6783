"""Linear heads that learned from nested subsets of the train rows, judged on validation and test rows as models are."""

import logging
from collections import Counter
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import pandas as pd

from graft.curves.subsets import FRACTIONS, LEFT_OUT, drawn, unlearnable
from graft.evaluation.metrics import headline
from graft.heads import principal_axes, solvers
from graft.targets.predictions import metrics_of

logger = logging.getLogger("graft")
DRAWS = 5  # of each fraction but the last
JUDGED = ("validation", "test")


@dataclass(frozen=True)
class Rows:
    """n labelled rows of a target, of all splits, with their embeddings.

    frame : DataFrame, rows of the manifest
    values : Series, their labels in it
    features : float32 array, shape (n, width); None where networks alone are judged
    codes : what samples.Manifest.codes gives of them
    target : dict of labels.json
    kind : module of targets/kinds
    dead : see principal_axes; 0 for vectors with units of their own
    """

    frame: pd.DataFrame
    values: pd.Series
    features: np.ndarray | None
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
        """Whether a head can learn from these rows."""
        return not unlearnable(self.codes, learned, self.kind, self.target)

    def judged(self, outputs, facts):
        """Metrics by split of what a head or network says of the validation and test rows, in their order.

        `facts` are the target's in ft_model.pt: they say how outputs are read.
        """
        places = np.flatnonzero(np.isin(self.splits, JUDGED))
        columns = self.kind.columns(outputs, self.codes[places], facts)
        table = pd.DataFrame({"split": self.splits[places], **columns})
        return metrics_of(table, facts, self.frame["sampling_unit"].iloc[places].to_numpy(object), JUDGED)


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
    own, name = rows.frame.iloc[train], rows.values.name
    draws = [drawn(own, name, rows.target["kind"], draw) for draw in range(DRAWS)]
    for number, fraction in enumerate(FRACTIONS):
        subsets = [train[first <= number] for first in draws[: 1 if fraction == 1 else DRAWS]]
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
    return rows.judged(outputs, facts), sorted(set(np.atleast_1d(solved["l2"]).tolist()))


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
