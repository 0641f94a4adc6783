"""Metrics of a model's predictions: of every split, and of rows of the pool whose label only judges."""

import logging

import pandas as pd

from graft.common import plugins
from graft.targets.predictions import SPLITS, metrics_of

logger = logging.getLogger("graft")


def judge(table, rows, target, facts, tabulate, hidden=None):
    """Metrics with intervals, split by split.

    Parameters
    ----------
    table : DataFrame, the prediction table of `rows` (DataFrame, rows of the manifest)
    target : str; facts : dict of ft_model.pt, the target's
    tabulate : function, rows -> their prediction table
    hidden : path, optional: labels of rows of the pool that only judge: the table does not have them
    """
    known = with_hidden(rows, target, hidden)
    judged = pd.concat([table, tabulate(known)], ignore_index=True) if len(known) else table
    units = pd.concat([rows["sampling_unit"], known["sampling_unit"]])
    return metrics_of(judged, facts, units, (*SPLITS, "pool"))


def with_hidden(rows, target, hidden):
    """The rows of the pool whose label is hidden, with it; no row without `hidden` (path)."""
    known = pd.read_parquet(hidden) if hidden else pd.DataFrame(columns=["sample_id", target])
    known = known.dropna(subset=target).set_index("sample_id")[target]
    chosen = rows[rows["sample_id"].isin(known.index)]
    return chosen.assign(**{target: known.reindex(chosen["sample_id"]).to_numpy()}).reset_index(drop=True)


def without_drawn_test(metrics, name, methods, split):
    """The metrics without those of test rows that were drawn from the labelled ones, where a model is for another domain.

    Parameters
    ----------
    methods : sequence of str, the model's method, or those of an ensemble's members
    split : dict, what the data card says of the split
    """
    if any(adapts(method) for method in methods) and drawn(split):
        logger.info(
            "no metrics on test rows: they were drawn from the labelled ones, and %s is for the domain of the pool; "
            "give labelled rows of that domain as test rows, by a split column",
            name,
        )
        return {key: one for key, one in metrics.items() if key != "test"}
    return metrics


def adapts(method):
    """Whether a method makes a model for the domain of the pool, not for that of its labelled rows."""
    return plugins.constant("method", method, "USES_POOL", False)


def drawn(split):
    """Whether the test rows were drawn from the labelled rows; else the data gave them."""
    return "test" in split["taken_from_train"] if split.get("taken_from_train") else split["how"] != "given"
