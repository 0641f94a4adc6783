"""Look at every sample once: can it be read, which content is it, is that content anywhere else."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from graft import images
from graft.errors import UserError
from graft.job import Progress
from graft.outputs import digest_of, write_parquet
from graft.readers import raw_opener
from graft.readers.contents import digest_of_content, understand
from graft.readers.rows import inside

CHUNK = 256
IMAGE_FACTS = ("height", "width", "channels", "dtype", "low", "high")
RACY_NS = 2_000_000_000  # a file changed so shortly before it was read may change again without a new time
DECODER = 2  # raised when images.decode refuses or gives something else than before


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
    DataFrame with the index of `frame`: content_sha256, reason (null, or why the sample cannot be used), and for images
    height, width, channels, dtype, low, high, for texts words, characters, replaced, for vectors width
    """
    memory = _Memory(cache, entry) if modality == "image" else None
    known = memory.recall(frame, root) if memory else {}
    todo = [i for i in range(len(frame)) if i not in known]
    raw = raw_opener(entry, root)
    paths, rows = frame["path"].tolist(), frame["row"].tolist()
    progress = Progress("checking", len(todo), f"{modality}s")

    def check(numbers):
        return [(i, _check_one(raw, paths[i], rows[i], modality, entry, memory)) for i in numbers]

    chunks = [todo[start : start + CHUNK] for start in range(0, len(todo), CHUNK)]
    with ThreadPoolExecutor(max(1, threads)) as pool:
        for found in pool.map(check, chunks):
            known.update(found)
            progress.add(len(found))
    out = pd.DataFrame.from_records([known[i] for i in range(len(frame))], index=frame.index)
    if memory:
        memory.keep(frame, out, root)
        out = out.reindex(columns=["content_sha256", "reason", *IMAGE_FACTS])
    return _same_width(out) if modality == "vector" else out


def find_duplicates(frame, targets):
    """Contents that stand in several rows of the labelled part.

    Parameters
    ----------
    frame : DataFrame with content_sha256, split and the targets

    Returns
    -------
    DataFrame, the rows of such contents, with "contradicting" (two labels) and "across" (several splits)
    """
    labelled = frame[frame["split"] != "pool"]
    rows = labelled[labelled["content_sha256"].duplicated(keep=False)].copy()
    by_content = rows.groupby("content_sha256")
    rows["across"] = by_content["split"].transform("nunique") > 1 if len(rows) else pd.Series(dtype=bool)
    rows["contradicting"] = False
    for target in targets:
        if len(rows):
            rows["contradicting"] |= by_content[target].transform("nunique") > 1
    return rows


def drop_duplicates(frame, duplicates):
    """Which rows stay (bool array): contents with two labels go wholly; else one row stays, of test before validation
    before train, and there the first by id."""
    rank = duplicates["split"].map({"test": 0, "validation": 1, "train": 2})
    rows = duplicates.assign(rank=rank).sort_values(["content_sha256", "rank", "sample_id"], kind="stable")
    first = ~rows["content_sha256"].duplicated()
    stay = rows.index[first & ~rows["contradicting"]]
    gone = duplicates.index.difference(stay)
    return ~frame.index.isin(gone)


def _check_one(raw, path, row, modality, entry, memory):
    record = {"content_sha256": None, "reason": None}
    try:
        if not isinstance(path, str) or not path:
            raise UserError("no file is named")
        kind, value = raw(path, row)
        record["content_sha256"] = digest_of_content(value, modality)
        if memory and record["content_sha256"] in memory.by_content:
            return memory.by_content[record["content_sha256"]]
        record |= _facts(understand(value, modality, entry["frames"], entry["bands"]), modality)
    except UserError as error:
        if row >= 0 and error.where:  # the whole table cannot be read
            raise
        record["reason"] = error.what + (f"; allowed: {error.allowed}" if error.allowed else "")
        if error.hint:
            record["reason"] += f" ({error.hint})"
    return record


def _facts(value, modality):
    if modality == "image":
        return images.facts(value)
    if modality == "text":
        return {"words": len(value.split()), "characters": len(value), "replaced": value.count("\ufffd")}
    return {"width": len(value)}


def _same_width(out):
    """Vectors of another width than most are bad."""
    if "width" not in out or not out["width"].notna().any():
        return out
    widths = Counter(out["width"].dropna().astype(int))
    usual = max(widths, key=lambda width: (widths[width], -width))
    other = out["width"].notna() & (out["width"] != usual)
    out["reason"] = out["reason"].astype(object)
    out.loc[other, "reason"] = [f"{int(w)} features, where most samples have {usual}" for w in out.loc[other, "width"]]
    return out


class _Memory:
    """What was found in files that have not changed since, by their size and time, and in contents seen before."""

    COLUMNS = ("path", "row", "size", "mtime_ns", "content_sha256", "reason", *IMAGE_FACTS)

    def __init__(self, cache, entry):
        self.cache, self.by_file, self.by_content = cache, {}, {}
        self.key = digest_of({"decoder": DECODER, "frames": entry["frames"], "bands": entry["bands"]})
        try:
            table = pq.read_table(cache) if cache is not None else None
        except (OSError, ValueError):  # none yet, or cut short: everything is read again
            table = None
        if table is None or (table.schema.metadata or {}).get(b"key") != self.key.encode():
            return
        for record in table.select(list(self.COLUMNS)).to_pylist():
            place = (record.pop("path"), record.pop("row"))
            stamp = (record.pop("size"), record.pop("mtime_ns"))
            self.by_file[place] = (stamp, record)
            if record["content_sha256"]:
                self.by_content[record["content_sha256"]] = record

    def recall(self, frame, root):
        """{number of the row: record} of the rows whose file is as it was."""
        self.stamps = [None] * len(frame)
        known, tables = {}, {}
        for i, (path, row) in enumerate(zip(frame["path"], frame["row"], strict=True)):
            if row < 0:
                self.stamps[i] = _stamp(root, path)
            else:
                if path not in tables:
                    tables[path] = _stamp(root, path)
                self.stamps[i] = tables[path]
            stamp, record = self.by_file.get((path, row), (None, None))
            if stamp is not None and stamp == self.stamps[i]:
                known[i] = record
        return known

    def keep(self, frame, out, root):
        """Write what is known now. A file that changed just now will be read again, though not decoded."""
        if self.cache is None:
            return
        table = out.reindex(columns=["content_sha256", "reason", *IMAGE_FACTS])
        table.insert(0, "path", frame["path"])
        table.insert(1, "row", frame["row"])
        newest = time.time_ns() - RACY_NS
        stamps = [s if s is not None and s[1] < newest else (-1, -1) for s in self.stamps]
        table.insert(2, "size", [size for size, _ in stamps])
        table.insert(3, "mtime_ns", [time for _, time in stamps])
        table = table[table["content_sha256"].notna()]
        for name in ("content_sha256", "reason", "dtype", "path"):
            table[name] = table[name].astype("str")
        write_parquet(self.cache, table, {"key": self.key})


def _stamp(root, path):
    if not isinstance(path, str):
        return None
    try:
        status = Path(inside(root, path)).stat()
    except (UserError, OSError):
        return None
    return status.st_size, status.st_mtime_ns
