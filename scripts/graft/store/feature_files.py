"""The features files: embeddings lined up with the manifest. Read by every stage, so nothing heavy is imported here.

They may be larger than the memory: they are written and read in blocks of rows.
"""

import itertools

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.errors import UserError
from graft.common.outputs import GROUP, read_parquet_parts, write_parquet_parts


def rows_per_block(width):
    """How many embeddings of float32 are written, and later read, at a time."""
    return max(1, GROUP // (4 * max(1, width)))


def write_features(path, rows, embeddings):
    """Write sample_id, content_sha256 and embedding, in the order of `rows`.

    Parameters
    ----------
    rows : DataFrame with sample_id, content_sha256, n rows
    embeddings : float array, shape (n, width), or an iterable of such arrays, which together have n rows
    """
    blocks = iter([embeddings] if isinstance(embeddings, np.ndarray) else embeddings)
    first = next(blocks)
    kind = pa.list_(pa.float32(), max(1, first.shape[1]))
    schema = pa.schema({"sample_id": pa.string(), "content_sha256": pa.string(), "embedding": kind})

    def parts():
        start = 0
        for block in itertools.chain([first], blocks):
            here = rows.iloc[start : start + len(block)]
            flat = pa.array(np.ascontiguousarray(block, np.float32).reshape(-1))
            names = [pa.array(here[name], pa.string()) for name in ("sample_id", "content_sha256")]
            yield pa.table([*names, pa.FixedSizeListArray.from_arrays(flat, type=kind)], schema)
            start += len(block)
        if start != len(rows):
            raise ValueError(f"{start} embeddings for {len(rows)} rows")

    write_parquet_parts(path, schema, parts())


def read_features(path):
    """Sample ids (list of str) and embeddings (float32 array, shape (n, width)) of a features file."""
    table = pq.read_table(path, columns=["sample_id", "embedding"])
    return table["sample_id"].to_pylist(), _matrix(table["embedding"].combine_chunks())


def blocks_of(rows, *paths):
    """The embeddings of `rows` out of one or more features files, in blocks, as they are there.

    Yields
    ------
    (int64 array, float32 array of shape (m, width))
        Which of `rows` these are, and their embeddings.

    Raises
    ------
    UserError
        At the end, if a row has no embedding; names the first.
    """
    place, found = pd.Index(rows["sample_id"].astype(object)), np.zeros(len(rows), bool)
    for path in paths:
        for part in read_parquet_parts(path, ["sample_id", "embedding"]):
            positions = place.get_indexer(part["sample_id"].to_pandas().astype(object))
            wanted = positions >= 0
            found[positions[wanted]] = True
            block = _matrix(part["embedding"].combine_chunks())
            yield positions[wanted], block if wanted.all() else block[wanted]
    if not found.all():
        raise UserError(
            f"has no embedding of sample '{place[~found][0]}'",
            where=", ".join(map(str, paths)),
            hint="run the workflow again",
        )


def features_of(rows, *paths):
    """Embeddings of `rows` out of one or more features files, in the rows' order; they must fit into the memory."""
    width = pq.read_schema(paths[0]).field("embedding").type.list_size
    embeddings = np.empty((len(rows), width), np.float32)
    for positions, block in blocks_of(rows, *paths):
        embeddings[positions] = block
    return embeddings


def _matrix(column):
    return column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
