"""Nested subsets of train rows: each holds the smaller ones, has the shares of the classes, and takes groups whole."""

import numpy as np
import pandas as pd

from graft.config.plan import LEAST_LABELS
from graft.data.splitting.splits import strata
from graft.data.splitting.whole_groups import deal

FRACTIONS = (0.05, 0.1, 0.25, 0.5, 0.75, 1.0)  # of the train rows
LEFT_OUT = "left out"  # the split of train rows that are not in a subset


def drawn(rows, target, kind, draw):
    """One draw from the train rows of a data set, the same for heads and for networks.

    Parameters
    ----------
    rows : DataFrame, train rows of the manifest, n
    target : str, the column of labels whose shares all subsets have
    kind : str, of the target
    draw : int

    Returns
    -------
    int array, shape (n,): the place in FRACTIONS of the first one whose subset has the row
    """
    units = pd.factorize(rows["sampling_unit"].fillna(rows["sample_id"]))[0]
    return nested(strata(rows[target], kind), units, FRACTIONS, draw)


def nested(strata, units, fractions, seed):
    """The subsets of one draw.

    Parameters
    ----------
    strata : array of int, shape (n,), the class of each row, or its bin
    units : array of int, shape (n,), rows of one unit (a group, a content) stay together
    fractions : increasing floats, the last one is 1
    seed : int, of the draw

    Returns
    -------
    int array, shape (n,): the number of the first fraction whose subset has the row
    """
    random = np.random.default_rng(seed)
    codes, places = (np.unique(values, return_inverse=True)[1] for values in (strata, units))
    quotas = np.bincount(codes)[:, None] * np.diff(fractions, prepend=0.0)
    return deal(places, codes, quotas, random.permutation(len(codes)).astype(np.float64), random)


def unlearnable(codes, learned, kind, target):
    """Why nothing can be learned from some rows; "" if it can: two labels at least, and an answer to each question of several.

    Parameters
    ----------
    codes : what samples.Manifest.codes gives of n rows that have a label
    learned : int array, the places of the rows
    kind : module of targets/kinds
    target : dict of labels.json
    """
    if len(learned) < LEAST_LABELS:
        return f"{len(learned)} labels are fewer than {LEAST_LABELS}"
    if len(np.unique(codes[learned], axis=0)) < 2:
        return "all labels are the same"
    marked = np.zeros(len(codes), bool)
    marked[learned] = True
    answers = kind.encode(codes, marked, target)[0][learned]
    answered = answers.ndim == 1 or bool(np.isfinite(answers).any(0).all())
    return "" if answered else "a question of several has no answer"


def vanished(codes, learned, train, target):
    """The first class that some train rows have and the rows of a subset have not; None where there is none.

    `codes` and `target` are as for `unlearnable`, `learned` and `train` the places of the rows.
    """
    classes = target.get("classes") or ()
    codes = codes if codes.ndim == 2 else codes[:, None] == np.arange(len(classes))
    gone = (codes[train] == 1).any(0) & ~(codes[learned] == 1).any(0)
    return next((name for name, lost in zip(classes, gone, strict=False) if lost), None)
