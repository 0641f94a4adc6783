"""From prediction tables to the candidates that choosing and comparing take: one per model, with all its seeds."""

from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from graft.evaluation.choosing import COLUMNS, Candidate
from graft.evaluation.metrics import headline
from graft.evaluation.tables import read_predictions


def read_candidate(name, paths, classes, split="validation", parameters=0, frozen=True):
    """A model with all its seeds.

    Parameters
    ----------
    name : str
    paths : list of path, its prediction tables, one per seed
    classes : list of str, or None for numbers
    split : str, whose labelled rows are compared
    parameters, frozen : as in Candidate
    """
    return Candidate(name, [rows_of(_read(path, classes), classes, split) for path in paths], parameters, frozen)


def by_model(paths):
    """Prediction tables by what made them: dict, (stage, model) -> list of path, one per seed."""
    found = {}
    for path in map(Path, paths):
        run = path.parents
        found.setdefault((run[3].name, run[2].name), []).append(path)
    return found


def controls_in(table, classes, split="validation"):
    """A candidate for each control in the table of predictions of controls (DataFrame)."""
    found = rows_of(table, classes, split, ["model"])
    return [Candidate(name, [rows], 0, True) for name, rows in found.groupby("model")]


def rows_of(table, classes, split, more=()):
    """The labelled rows of a split: sample_id and what models are compared by."""
    columns = _columns(classes, table.columns)
    return table.loc[(table["split"] == split) & table[columns[0]].notna(), ["sample_id", *columns, *more]]


def compared_by(kind, classes, table, metrics):
    """What models of a target are compared by.

    Parameters
    ----------
    kind : str
    classes : list of str, or None for numbers
    table : DataFrame, labelled rows of one of them
    metrics : dict, metric -> {"value", ..} of that split, of one of them

    Returns
    -------
    metrics : list of str, of which the first that is defined is taken; larger is better
    loss : str, smaller is better
    """
    if classes is None:
        return ["r2"], "rmse"
    if kind == "multilabel":
        return ["map"], "multilabel_log_loss"
    counts = Counter({name: 0 for name in classes} | Counter(table["label"].dropna()))
    names, _ = headline(metrics, counts)
    return [*(name for name in names if name in COLUMNS), "accuracy"], "log_loss"


def _read(path, classes):
    names = pq.read_schema(path).names
    table, _ = read_predictions(path, ["sample_id", "split", *_columns(classes, names)])
    return table


def _columns(classes, names):
    """The label first; of several labels also those that say which are unknown."""
    if classes is None:
        return ["value", "predicted"]
    unknown = [name for name in names if name.startswith("unknown_")]
    return ["label", "predicted", *(f"prob_{name}" for name in classes), *unknown]
