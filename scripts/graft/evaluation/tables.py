"""Reading the tables that the stages hand to the report and to the lab, and the words for what they hold."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq

from graft.common.errors import UserError

TASKS = ("few_shot", "zero_shot")  # stages that train no network
CONTROL = "control"  # the stage of what is reached without a pretrained network
ADAPTED = "adapted, "  # before an entry of adapt, in the names of what is compared
METRIC_NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_f1": "macro F1",
    "auroc": "AUROC",
    "log_loss": "log loss",
    "few_shot_log_loss": "log loss",
    "multilabel_log_loss": "log loss",
    "ece": "calibration error (ECE)",
    "average_precision": "average precision",
    "brier": "Brier score",
    "class_ece": "class-wise calibration error",
    "sensitivity": "sensitivity",
    "specificity": "specificity",
    "threshold": "threshold of both (from validation)",
    "quadratic_kappa": "quadratic kappa",
    "mae_levels": "mean error in classes",
    "map": "mean average precision",
    "macro_auroc": "macro AUROC",
    "micro_auroc": "micro AUROC",
    "micro_f1": "micro F1",
    "hamming_loss": "Hamming loss",
    "exact_match": "all labels right",
    "seen_accuracy": "accuracy of seen classes",
    "unseen_accuracy": "accuracy of unseen classes",
    "harmonic_mean": "harmonic mean of both",
    "unseen_alone": "unseen classes alone",
    "r2": "R²",
    "rmse": "RMSE",
    "mae": "MAE",
}
_LOCAL = re.compile(r"(file://|/|~|[A-Za-z]:[\\/])")  # how a path of one machine begins
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def read_predictions(path, columns=None):
    """A prediction table and what its metadata say.

    Parameters
    ----------
    path : path-like
    columns : list of str, optional
        Read these only.

    Returns
    -------
    (DataFrame, dict)
        The rows in their order; "target", "classes" (list of str, or None for regression), "model_digest".

    Raises
    ------
    UserError
        If the file has not the metadata of a prediction table.
    """
    table = pq.read_table(path, columns=columns)
    return table.to_pandas(), prediction_metadata(table.schema, path)


def prediction_metadata(schema, path):
    """Target, class order and model digest out of a prediction table's pyarrow schema."""
    found = {key.decode(): value.decode() for key, value in (schema.metadata or {}).items()}
    if "target" not in found or "classes" not in found:
        raise UserError("is not a prediction table: its metadata name no target and classes", where=str(path))
    return {
        "target": found["target"],
        "classes": json.loads(found["classes"]),
        "model_digest": found.get("model_digest"),
    }


def compared_among(summary):
    """What each row of summary.csv is comparable with: Series of str.

    The tasks of a stage; the models of an entry of adapt, which are judged on rows of their domain alone; "" for all other models.
    """
    entries = ADAPTED + summary["model"].astype(str).str.split(".").str[0]
    tasks = summary["stage"].where(summary["stage"].isin(TASKS), "").str.replace("_", "-")
    return tasks.mask(summary["stage"] == "adapt", entries)


def printable(text):
    """The text on one line, without what XML cannot hold."""
    return _UNPRINTABLE.sub("�", re.sub(r"[\n\r\t]+", " ", str(text)))


def portable(value):
    """The value with paths of this machine cut to their last part."""
    if isinstance(value, dict):
        return {key: portable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [portable(one) for one in value]
    if isinstance(value, Path) or (isinstance(value, str) and _LOCAL.match(value)):
        return re.split(r"[\\/]", str(value).rstrip("\\/"))[-1]
    return value
