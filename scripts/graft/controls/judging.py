"""A control's answers as a prediction table and as a row of metrics, both as a model's are."""

import numpy as np
import pandas as pd

from graft.conformal.sets import fit_sets, judge_sets, may_calibrate, with_sets
from graft.data.splitting.halves import kept_aside
from graft.evaluation.summary_rows import flatten
from graft.evaluation.tables import CONTROL
from graft.targets.predictions import KEPT_ASIDE, metrics_of

SURE = 1e-4  # probabilities are held off 0 and 1 by so much: a forest says 0 where none of its trees says anything else


def judged(name, target, dataset, rows, answers, settings):
    """What a control says, as a table, and how good that is.

    Parameters
    ----------
    name, target, dataset : str
    rows : controls.rows.Rows
    answers : float array, shape (n, outputs), what the control's `answers` gave; they are calibrated by the validation rows
    settings : dict, `conformal` of the config

    Returns
    -------
    DataFrame, the prediction table; and dict, a row of metrics with the columns of summary.csv
    """
    table = table_of(name, target, rows, answers)
    fitted = fit_sets(table, rows.target, settings, may_calibrate(table), rows.frame)
    table, units = with_sets(table, rows.target, fitted, rows.frame), rows.frame["sampling_unit"]
    of_sets, _ = judge_sets(table, rows.target, fitted, units)
    metrics = {split: one | of_sets.get(split, {}) for split, one in metrics_of(table, rows.target, units).items()}
    identity = {"stage": CONTROL, "dataset": dataset, "target": target, "model": name, "backbone": None, "method": name}
    return table, {**identity, "seed": 0, **flatten(metrics)}


def table_of(name, target, rows, answers):
    """The prediction table of a control; validation rows that calibrate its sets have the fold KEPT_ASIDE."""
    outputs, aside = outputs_of(rows, answers), kept_aside(rows.frame, {target: rows.target})
    head = pd.DataFrame(
        {
            "sample_id": rows.frame["sample_id"],
            "target": target,
            "split": rows.frame["split"],
            "fold": np.where(aside, KEPT_ASIDE, -1).astype(np.int16),
            "model": name,
            "seed": 0,
        }
    )
    return pd.concat(
        [head, pd.DataFrame(rows.kind.columns(outputs, rows.codes, calibrated(rows, outputs, aside)))], axis=1
    )


def outputs_of(rows, answers):
    """What a head would have given for these answers."""
    kind = rows.target["kind"]
    if kind != "regression":
        answers = np.clip(answers, SURE, 1 - SURE)
    if kind not in ("regression", "multilabel"):
        answers = answers / answers.sum(1, keepdims=True)
    return rows.kind.outputs_for(answers, {})


def calibrated(rows, outputs, aside):
    """The target's facts as ft_model.pt has them: the temperature, thresholds or spread that validation rows say which are not kept
    `aside`."""
    codes, facts = rows.codes, {**rows.target, "mean": 0.0, "std": 1.0}
    if facts["kind"] != "regression":
        codes, _ = rows.kind.encode(codes, rows.splits == "train", rows.target)
    chosen = (rows.splits == "validation") & ~aside & rows.kind.known(codes)
    if facts["kind"] == "regression" and not chosen.any():
        return facts | {"residual_std": np.nan}
    return facts | rows.kind.calibrate(outputs[chosen], codes[chosen], facts, None)
