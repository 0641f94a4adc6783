"""Atomic writers: a file is whole or it is not there.

Everything is written to a temporary file beside it, synced and renamed. What is not a large table is serialised in
memory first, so that the bytes depend on the content alone (torch.save would put the file's name into them). The rules import
this where only Snakemake is installed: what else is needed, a function imports.
"""

import hashlib
import io
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

GROUP = 1 << 25  # bytes of a table that is written in parts that are in memory at once


@contextmanager
def atomic(path):
    """A binary file beside `path`, which takes its place when the block ends and goes away when the block fails."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:80]}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o666 & ~_umask())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def write_bytes(path, data):
    """Write `data` to `path`, whole or not at all."""
    with atomic(path) as file:
        file.write(data)


def write_text(path, text):
    write_bytes(path, text.encode("utf-8"))


def to_json(value):
    """`value` as JSON: two blanks of indent, keys in the order given, NaN refused."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def write_json(path, value):
    write_text(path, to_json(value))


def read_json(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path, frame):
    """Write a pandas DataFrame as UTF-8 CSV with floats that read back to the same number."""
    write_text(path, frame.to_csv(index=False, lineterminator="\n"))


def write_parquet(path, table, metadata=None):
    """Write a pyarrow Table (or pandas DataFrame); `metadata` (str -> str) goes into the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not isinstance(table, pa.Table):
        table = pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **(metadata or {})})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    write_bytes(path, buffer.getbuffer())


def write_parquet_parts(path, schema, parts, metadata=None):
    """Write an iterable of pyarrow Tables of `schema` as one file, a row group at a time; one is in memory at once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = schema.with_metadata({**(schema.metadata or {}), **(metadata or {})})
    with atomic(path) as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
        held = schema.empty_table()
        for part in parts:
            held = pa.concat_tables([held, part.replace_schema_metadata(schema.metadata)])
            if held.nbytes >= GROUP:
                writer.write_table(held)
                held = schema.empty_table()
        if len(held):
            writer.write_table(held)


def read_parquet_parts(path, columns=None):
    """The row groups of a file as pyarrow Tables, one after the other. (`iter_batches` keeps all bytes that it read.)"""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number, columns)


def write_torch(path, value):
    """torch.save to memory, then to `path`: equal values give equal bytes under any file name."""
    import torch

    buffer = io.BytesIO()
    torch.save(value, buffer)
    write_bytes(path, buffer.getbuffer())


def sha256_of(*parts):
    """Hex sha256 over bytes and strings, each preceded by its length so that parts cannot run together."""
    digest = hashlib.sha256()
    for part in parts:
        part = part.encode("utf-8") if isinstance(part, str) else bytes(part)
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def sha256_of_file(path):
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_of(value):
    """Hex sha256 of a JSON-like value, the same for any order of its keys."""
    return sha256_of(json.dumps(value, sort_keys=True, ensure_ascii=False))


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask
