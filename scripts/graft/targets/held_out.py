"""What the models of the folds say of the train rows that they did not see: one small file per fold, read by predict."""

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.common.errors import UserError
from graft.common.outputs import write_parquet


def write_held_out(path, sample_ids, outputs, fold):
    """Write the outputs of one fold's model.

    Parameters
    ----------
    sample_ids : list of str, n
    outputs : dict, target -> float array, shape (n, outputs): logits, or values in the target's own unit
    fold : int
    """
    write_outputs(path, sample_ids, outputs, fold=pa.array([fold] * len(sample_ids), pa.int16()))


def write_outputs(path, sample_ids, outputs, **more):
    """Write a network's outputs (dict, target -> float array, shape (n, outputs)) in columns TARGET.0, TARGET.1 and so on.

    `more` are further columns, name -> Array.
    """
    columns = {"sample_id": pa.array(sample_ids, pa.string()), **more}
    for target, found in outputs.items():
        columns |= {f"{target}.{place}": pa.array(column, pa.float64()) for place, column in enumerate(found.T)}
    write_parquet(path, pa.table(columns))


def read_held_out(paths):
    """The files of all folds as one DataFrame; None if there are none."""
    return pd.concat([pd.read_parquet(path) for path in paths], ignore_index=True) if paths else None


def with_held_out(outputs, folds, rows, held_out, target, facts):
    """Give the rows that were held out the outputs of the model that did not see them, and their fold.

    Parameters
    ----------
    outputs : float array, shape (n, outputs), of the model that saw all train rows: logits, or standardised values
    folds : int array, shape (n,)
    rows : DataFrame with sample_id and the target's labels, n rows
    held_out : DataFrame that `read_held_out` returned
    target : str; facts : dict of ft_model.pt, the target's

    Returns
    -------
    outputs, folds : new arrays of the same shapes

    Raises
    ------
    UserError
        If a row that was held out is not among `rows`: the files are not of one run.
    """
    places = pd.Index(rows["sample_id"].astype(object)).get_indexer(held_out["sample_id"].astype(object))
    if (places < 0).any():
        lost = held_out["sample_id"][places < 0].iloc[0]
        raise UserError(f"sample '{lost}' of a fold is not in the manifest", hint="run the workflow again")
    found = held_out[[f"{target}.{place}" for place in range(outputs.shape[1])]].to_numpy(np.float64)
    found = (found - facts.get("mean", 0.0)) / facts.get("std", 1.0)
    outputs, folds = outputs.copy(), folds.copy()
    outputs[places], folds[places] = found, held_out["fold"]
    return outputs, folds
