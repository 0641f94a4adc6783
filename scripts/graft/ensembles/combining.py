"""One answer of several members: their prediction tables to one, and their logits to those that a student learns from."""

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.heads.probe import VALIDATION
from graft.targets.predictions import KEPT_ASIDE


def settled(method, target, tables, codes, members):
    """What makes predictions of the combined answers for a target: its facts in ft_model.pt.

    Parameters
    ----------
    method : str
    target : dict, the target in labels.json
    tables : list of DataFrame, the members' prediction tables of validation rows, which the members' heads did not see
    codes : array, those of samples.Manifest.codes of the same rows
    members : list of dict, the target's facts of each member
    """
    kind = plugins.load("kind", target["kind"])
    return {**target, **kind.settle(combined_answers(method, kind, tables, target), codes, members)}


def combined_answers(method, kind, tables, facts):
    """Calibrated probabilities or values, float64, shape (n, k)."""
    return _combine(method, [kind.answers_in(table, facts) for table in tables])


def combined_table(content, target, tables, codes):
    """The prediction table of an ensemble.

    Parameters
    ----------
    content : dict of its ft_model.pt
    tables : list of DataFrame, the members' tables of the same rows in the same order
    codes : array, those of samples.Manifest.codes of these rows

    Returns
    -------
    DataFrame; a train row has a fold only if no member has seen it, a validation row that of a head that has seen it if any
    member's own has, and KEPT_ASIDE if it chose nothing of any
    """
    facts, first = content["targets"][target], tables[0].reset_index(drop=True)
    kind = plugins.load("kind", facts["kind"])
    head = first[["sample_id", "target", "split"]].assign(
        fold=folds_of(tables), model=content["name"], seed=content["seed"]
    )
    outputs = kind.outputs_for(combined_answers(content["method"], kind, tables, facts), facts)
    return pd.concat([head, pd.DataFrame(kind.columns(outputs, codes, facts))], axis=1)


def folds_of(tables):
    """The fold of each row, int16: that of the first member where all are held out; else none."""
    folds = np.stack([table["fold"].to_numpy() for table in tables])
    blind = (folds == VALIDATION).any(0)
    others = np.where(blind, VALIDATION, np.where((folds == KEPT_ASIDE).all(0), KEPT_ASIDE, -1))
    return np.where((folds >= 0).all(0), folds[0], others).astype(np.int16)


def combined_logits(content, logits):
    """The logits that a student of an ensemble learns from: dict, target -> array, calibrated; of a model those that are given.

    Parameters
    ----------
    content : dict of the teacher's ft_model.pt
    logits : list of such dicts, the calibrated ones of each member
    """
    if "members" not in content:
        (own,) = logits
        return own
    plain, found = {"temperature": 1.0}, {}
    for target in logits[0]:
        kind = plugins.load("kind", content["targets"][target]["kind"])
        answers = _combine(content["method"], [kind.answers(one[target], plain) for one in logits])
        found[target] = kind.outputs_for(answers, plain)
    return found


def _combine(method, answers):
    return plugins.load("ensemble", method).combine(np.stack(answers))
