"""A control's answers as a prediction table and as a row of metrics, both as a model's are."""

import numpy as np
import pandas as pd

from graft.evaluation.summary_rows import flatten
from graft.evaluation.tables import CONTROL
from graft.targets.predictions import metrics_of

SURE = 1e-4  # probabilities are held off 0 and 1 by so much: a forest says 0 where none of its trees says anything else


def table_of(name, target, rows, answers):
    """The prediction table of a control.

    Parameters
    ----------
    name, target : str
    rows : controls.rows.Rows
    answers : float array, shape (n, outputs), what the control's `answers` gave; they are calibrated by the validation rows
    """
    outputs = outputs_of(rows, answers)
    head = pd.DataFrame(
        {
            "sample_id": rows.frame["sample_id"],
            "target": target,
            "split": rows.frame["split"],
            "fold": np.int16(-1),
            "model": name,
            "seed": 0,
        }
    )
    return pd.concat([head, pd.DataFrame(rows.kind.columns(outputs, rows.codes, calibrated(rows, outputs)))], axis=1)


def outputs_of(rows, answers):
    """What a head would have given for these answers."""
    kind = rows.target["kind"]
    if kind != "regression":
        answers = np.clip(answers, SURE, 1 - SURE)
    if kind not in ("regression", "multilabel"):
        answers = answers / answers.sum(1, keepdims=True)
    return rows.kind.outputs_for(answers, {})


def calibrated(rows, outputs):
    """The target's facts as ft_model.pt has them: the temperature, thresholds or spread that the validation rows say."""
    codes, facts = rows.codes, {**rows.target, "mean": 0.0, "std": 1.0}
    if facts["kind"] != "regression":
        codes, _ = rows.kind.encode(codes, rows.splits == "train", rows.target)
    chosen = (rows.splits == "validation") & rows.kind.known(codes)
    if facts["kind"] == "regression" and not chosen.any():
        return facts | {"residual_std": np.nan}
    return facts | rows.kind.calibrate(outputs[chosen], codes[chosen], facts, None)


def row_of(name, target, dataset, rows, table):
    """A row of metrics with the columns of summary.csv."""
    metrics = metrics_of(table, rows.target, rows.frame["sampling_unit"])
    identity = {"stage": CONTROL, "dataset": dataset, "target": target, "model": name, "backbone": None, "method": name}
    return {**identity, "seed": 0, **flatten(metrics)}
