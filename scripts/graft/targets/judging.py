"""Which rows a model's predictions are judged by: those of every split, and rows of the pool whose label only judges."""

import pandas as pd


def judged_rows(table, rows, target, tabulate, hidden=None):
    """The prediction table with the rows of the pool whose label is hidden, and what intervals draw together.

    Parameters
    ----------
    table : DataFrame, the prediction table of `rows` (DataFrame, rows of the manifest)
    target : str
    tabulate : function, rows -> their prediction table
    hidden : path, optional: labels of rows of the pool that only judge: the table does not have them

    Returns
    -------
    DataFrame, and a Series of as many sampling units
    """
    known = with_hidden(rows, target, hidden)
    judged = pd.concat([table, tabulate(known)], ignore_index=True) if len(known) else table
    return judged, pd.concat([rows["sampling_unit"], known["sampling_unit"]], ignore_index=True)


def with_hidden(rows, target, hidden):
    """The rows of the pool whose label is hidden, with it; no row without `hidden` (path)."""
    known = pd.read_parquet(hidden) if hidden else pd.DataFrame(columns=["sample_id", target])
    known = known.dropna(subset=target).set_index("sample_id")[target]
    chosen = rows[rows["sample_id"].isin(known.index)]
    return chosen.assign(**{target: known.reindex(chosen["sample_id"]).to_numpy()}).reset_index(drop=True)
