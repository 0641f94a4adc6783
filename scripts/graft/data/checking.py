"""Look at every sample once: can it be read, which content is it."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.errors import UserError
from graft.common.job import Progress
from graft.common.outputs import digest_of, write_parquet
from graft.data import images
from graft.data.contents import digest_of_content, digest_of_copies, understand
from graft.data.listing.rows import follows, inside
from graft.data.readers import raw_opener

CHUNK = 64
FACTS = {
    "image": {name: pa.int64() for name in ("height", "width", "channels")}
    | {
        "dtype": pa.string(),
        "stored": pa.string(),
        "low": pa.float64(),
        "high": pa.float64(),
        "missing": pa.int64(),
        "alpha": pa.bool_(),
    }
    | {"frames": pa.int64(), "page_channels": pa.int64(), "quantiles": pa.list_(pa.float32())},
    "text": {name: pa.int64() for name in ("words", "characters", "replaced")} | {"same_sha256": pa.string()},
    "vector": {"width": pa.int64(), "lowest": pa.float64(), "highest": pa.float64()},
}
PLACE = (
    pa.field("path", pa.string()),
    pa.field("row", pa.int64()),
    pa.field("size", pa.int64()),
    pa.field("mtime_ns", pa.int64()),
)
RACY_NS = 2_000_000_000  # a file changed so shortly before it was read may change again without a new time


def check_samples(frame, entry, root, modality, threads=1, cache=None):
    """Read every sample, fully.

    Parameters
    ----------
    frame : DataFrame with path, row
    entry, root : the data set's entry and folder
    modality : "image", "text" or "vector"
    threads : int
    cache : path, optional, of a file that remembers what was found, so that a rerun reads only new and changed files

    Returns
    -------
    DataFrame with the index of `frame`: content_sha256, same_sha256 (the same in all rows that count as one content),
    reason (null, or why the sample cannot be used), and for images what images.facts gives, for texts words, characters,
    replaced, for vectors width and the lowest and highest number
    """
    schema = pa.schema({"content_sha256": pa.string(), "reason": pa.string(), **FACTS[modality]})
    memory = _Memory(cache, entry, schema) if modality == "image" else None
    known = memory.recall(frame, root, follows(entry)) if memory else np.full(len(frame), -1)
    todo = np.flatnonzero(known < 0)
    raw = raw_opener(entry, root)
    paths, rows = frame["path"].tolist(), frame["row"].tolist()
    progress = Progress("checking", len(todo), f"{modality}s")

    def check(numbers):
        records = [_check_one(raw, paths[i], rows[i], modality, entry, memory) for i in numbers]
        return pa.Table.from_pylist(records, schema)

    parts = [memory.facts.take(known[known >= 0])] if memory else [schema.empty_table()]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for found in pool.map(check, [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]):
            parts.append(found)
            progress.add(len(found))
    found = pa.concat_tables(parts).take(np.argsort(np.concatenate([np.flatnonzero(known >= 0), todo])))
    if memory:
        memory.keep(frame, found)
    out = found.to_pandas().set_index(frame.index)
    if modality != "text":
        out["same_sha256"] = out["content_sha256"]
    return _same_width(out) if modality == "vector" else out


def _check_one(raw, path, row, modality, entry, memory):
    record = {"content_sha256": None, "reason": None}
    try:
        if not isinstance(path, str) or not path:
            raise UserError("no file is named")
        kind, value = raw(path, row)
        record["content_sha256"] = digest_of_content(value, modality)
        seen = memory and memory.by_content(record["content_sha256"])
        if seen:
            return seen
        record |= _facts(value, modality, entry)
    except UserError as error:
        if row >= 0 and error.where:  # the whole table cannot be read
            raise
        record["reason"] = error.what + (f"; allowed: {error.allowed}" if error.allowed else "")
        if error.hint:
            record["reason"] += f" ({error.hint})"
    return record


def _facts(raw, modality, entry):
    if modality == "image":
        return images.facts(images.read(raw, entry["frames"], entry["bands"]), entry["bands"])
    value = understand(raw, modality)
    if modality == "text":
        counts = {"words": len(value.split()), "characters": len(value), "replaced": value.count("\ufffd")}
        return counts | {"same_sha256": digest_of_copies(value)}
    return {"width": len(value), "lowest": float(value.min()), "highest": float(value.max())}


def _same_width(out):
    """Vectors of another width than most are bad."""
    if not out["width"].notna().any():
        return out
    widths = Counter(out["width"].dropna().astype(int))
    usual = max(widths, key=lambda width: (widths[width], -width))
    other = out["width"].notna() & (out["width"] != usual)
    out["reason"] = out["reason"].astype(object)
    out.loc[other, "reason"] = [f"{int(w)} features, where most samples have {usual}" for w in out.loc[other, "width"]]
    return out


class _Memory:
    """What was found in files that have not changed since, by their size and time, and in contents seen before."""

    def __init__(self, cache, entry, schema):
        self.cache = cache
        self.key = digest_of({"decoder": images.DECODER, "frames": entry["frames"], "bands": entry["bands"]})
        kept = pa.schema([*PLACE, *schema]).empty_table()
        try:
            table = pq.read_table(cache) if cache is not None else kept
            if (table.schema.metadata or {}).get(b"key") == self.key.encode():
                kept = table.select(kept.schema.names).cast(kept.schema)
        except (OSError, ValueError, KeyError):  # none yet, or cut short: everything is read again
            pass
        self.places, self.facts = kept.select([field.name for field in PLACE]), kept.select(schema.names)

    @cached_property
    def _row_of_content(self):
        return {content: row for row, content in enumerate(self.facts["content_sha256"].to_pylist())}

    def by_content(self, content):
        """The record of a content that was seen before, else None."""
        row = self._row_of_content.get(content)
        return None if row is None else self.facts.slice(row, 1).to_pylist()[0]

    def recall(self, frame, root, follow=False):
        """For each row the number of its record, if its file is as it was, else -1; int64 array."""
        self.stamps = frame[["path", "row"]].assign(**_stamps(frame, root, follow)).reset_index(drop=True)
        before = self.places.to_pandas().assign(record=np.arange(len(self.places)))
        before = before.drop_duplicates(["path", "row"], keep="last")
        found = self.stamps.merge(before, how="left", on=[field.name for field in PLACE])
        return found["record"].fillna(-1).to_numpy(np.int64)

    def keep(self, frame, found):
        """Write what is known now. A file that changed just now will be read again, though not decoded."""
        if self.cache is None:
            return
        newest = time.time_ns() - RACY_NS
        sure = ((self.stamps["size"] >= 0) & (self.stamps["mtime_ns"] < newest)).to_numpy()
        stamps = self.stamps.assign(**{name: np.where(sure, self.stamps[name], -1) for name in ("size", "mtime_ns")})
        places = [pa.array(stamps[field.name], field.type, from_pandas=True) for field in PLACE]
        table = pa.table([*places, *found.columns], pa.schema([*PLACE, *found.schema]))
        write_parquet(self.cache, table.filter(table["content_sha256"].is_valid()), {"key": self.key})


def _stamps(frame, root, follow):
    """Size and time of each row's file, -2 where there is none; a table of many rows is looked at once."""
    out = np.full((2, len(frame)), -2, np.int64)
    tables = {}
    for i, (path, row) in enumerate(zip(frame["path"], frame["row"], strict=True)):
        if row < 0:
            out[:, i] = _stamp(root, path, follow)
        else:
            if path not in tables:
                tables[path] = _stamp(root, path, follow)
            out[:, i] = tables[path]
    return {"size": out[0], "mtime_ns": out[1]}


def _stamp(root, path, follow):
    if not isinstance(path, str):
        return -2, -2
    try:
        status = Path(inside(root, path, follow=follow)).stat()
    except (UserError, OSError):
        return -2, -2
    return status.st_size, status.st_mtime_ns
