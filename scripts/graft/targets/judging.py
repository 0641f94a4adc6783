"""Metrics of a model's predictions: of every split, and of rows of the pool whose label only judges."""

import pandas as pd

from graft.targets.predictions import SPLITS, metrics_of


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
