"""Samples that a caller holds in a list, for an exported model: as new_data.list_new gives those of files and tables."""

import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.errors import UserError
from graft.data.contents import clean_text
from graft.data.readers import complete
from graft.data.readers.table import composed_columns
from graft.serving.new_data import entry_of, files_as_samples, same_columns


def given_files(paths, card, folder):
    """Files anywhere, given by their paths, as `list_new` gives those of a folder; `folder` is not used."""
    paths = [os.fspath(path) for path in paths]
    new = files_as_samples([os.path.abspath(path).lstrip("/") for path in paths], entry_of(card), Path("/"))  # noqa: PTH100
    return SimpleNamespace(rows=new.rows.assign(sample_id=paths), entry=new.entry, root=new.root)


def given_texts(texts, card, folder):
    """Texts (str; None has no text) as `list_new` gives those of a table, which is written into `folder`."""
    values = [None if text is None else clean_text(str(text)) for text in texts]
    return _given(pa.table({"text": pa.array(values, pa.large_string())}), {"text": "text"}, card, folder)


def given_vectors(rows, card, folder):
    """Vectors as `list_new` gives those of a table, which is written into `folder`; a DataFrame goes by its columns' names.

    Raises
    ------
    UserError
        If these are no numbers, or if columns are missing that the model learned from.
    """
    known = card["columns"].get("features")
    try:
        if isinstance(rows, pd.DataFrame):
            values = pa.Table.from_pandas(rows.rename(columns=str), preserve_index=False)
            values = composed_columns(values, "samples")
            known = known if isinstance(known, list) else values.column_names
            return _given(values, {"features": same_columns(values.schema, known, "samples")}, card, folder)
        values = pa.array([np.asarray(row, np.float64) for row in rows], pa.list_(pa.float64()))
    except (ValueError, TypeError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"are no vectors of numbers ({reason})", "samples", "one vector of numbers per sample"
        ) from None
    return _given(pa.table({"features": values}), {"features": "features"}, card, folder)


def _given(values, named, card, folder):
    name = "given.parquet"
    pq.write_table(values, Path(folder) / name)
    entry = complete({**entry_of(card), "reader": "table", "table": name, "columns": named})
    number = np.arange(len(values))
    rows = {"sample_id": [f"sample {i}" for i in number], "path": name, "row": number, "reason": None}
    return SimpleNamespace(rows=pd.DataFrame(rows), entry=entry, root=folder)
