"""One answer of several members: their prediction tables to one, and their logits to those that a student learns from."""

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.data.splitting.halves import kept_aside
from graft.heads.probe import VALIDATION
from graft.targets.predictions import KEPT_ASIDE


def settled(method, target, tables, codes, members, chosen):
    """What makes predictions of the combined answers for a target: its facts in ft_model.pt.

    Parameters
    ----------
    method : str
    target : dict, the target in labels.json
    tables : list of DataFrame, the members' prediction tables of validation rows, which the members' heads did not see
    codes : array, those of samples.Manifest.codes of the same rows
    members : list of dict, the target's facts of each member
    chosen : (tables, codes) of the rows by which members are weighed

    Returns
    -------
    dict, with `weights` (the share of each member) if the method weighs them
    """
    kind = plugins.load("kind", target["kind"])
    facts = {**target, **weights_of(method, kind, target, *chosen)}
    return {**facts, **kind.settle(combined_answers(method, kind, tables, facts), codes, members)}


def weights_of(method, kind, target, tables, codes):
    """{"weights": the share of each member by these rows}; nothing if the method does not weigh."""
    way = plugins.load("ensemble", method)
    if not getattr(way, "WEIGHS", False):
        return {}
    evidence = np.stack([kind.evidence(kind.answers_in(table, target), codes) for table in tables])
    return {"weights": way.weigh(evidence, kind.loss_of_evidence).tolist()}


def rows_that_weigh(method, target, tables, rows, targets):
    """The rows by which a method weighs members, bool array (n,): train rows that no member has seen, else the validation rows that
    are not kept aside to calibrate sets. Of a method that does not weigh, none.

    Parameters
    ----------
    target : str
    tables : list of DataFrame, the members' prediction tables of `rows`
    rows : DataFrame, n rows of the manifest; targets : dict, the facts in labels.json of the ensemble's targets
    """
    if not plugins.constant("ensemble", method, "WEIGHS", False):
        return np.zeros(len(rows), bool)
    known = rows[target].notna().to_numpy()
    unseen = (folds_of(tables) >= 0) & known
    return unseen if unseen.any() else (rows["split"] == "validation").to_numpy() & known & ~kept_aside(rows, targets)


def combined_answers(method, kind, tables, facts):
    """Calibrated probabilities or values, float64, shape (n, k)."""
    return _combine(method, [kind.answers_in(table, facts) for table in tables], facts)


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
        facts = content["targets"][target]
        kind = plugins.load("kind", facts["kind"])
        answers = _combine(content["method"], [kind.answers(one[target], plain) for one in logits], facts)
        found[target] = kind.outputs_for(answers, plain)
    return found


def _combine(method, answers, facts):
    weights = [np.asarray(facts["weights"])] if "weights" in facts else []
    return plugins.load("ensemble", method).combine(np.stack(answers), *weights)
