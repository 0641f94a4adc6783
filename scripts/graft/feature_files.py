"""The features files: embeddings lined up with the manifest. Read by every stage, so nothing heavy is imported here."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.errors import UserError
from graft.outputs import write_parquet


def write_features(path, rows, embeddings):
    """Write sample_id, content_sha256 and embedding, in the order of `rows`."""
    flat = pa.array(np.ascontiguousarray(embeddings, np.float32).reshape(-1))
    table = pa.table(
        {
            "sample_id": pa.array(rows["sample_id"], pa.string()),
            "content_sha256": pa.array(rows["content_sha256"], pa.string()),
            "embedding": pa.FixedSizeListArray.from_arrays(flat, max(1, embeddings.shape[1])),
        }
    )
    write_parquet(path, table)


def read_features(path):
    """Sample ids (list of str) and embeddings (float32 array, shape (n, width)) of a features file."""
    table = pq.read_table(path, columns=["sample_id", "embedding"])
    column = table["embedding"].combine_chunks()
    embeddings = column.flatten().to_numpy(zero_copy_only=False).reshape(len(column), column.type.list_size)
    return table["sample_id"].to_pylist(), embeddings


def features_of(rows, *paths):
    """Embeddings of `rows` out of one or more features files, in the rows' order."""
    parts = [read_features(path) for path in paths]
    embeddings = np.concatenate([part for _, part in parts])
    place = {sample_id: i for i, sample_id in enumerate(sample_id for ids, _ in parts for sample_id in ids)}
    try:
        return embeddings[[place[sample_id] for sample_id in rows["sample_id"]]]
    except KeyError as error:
        raise UserError(
            f"has no embedding of sample {error}", where=", ".join(map(str, paths)), hint="run the workflow again"
        ) from None
