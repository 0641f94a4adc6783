"""The content-addressed store: what a frozen network or a decoder computed for a sample, kept under its content.

A table of the store is one folder, `{root}/{kind}/{digest of its key}/`, where the key says everything that the values
depend on besides the sample (weights, transform, dtype). It holds `key.json` and shards: Arrow IPC files, one record
batch each, uncompressed so that they map into memory. A shard is written whole and renamed into place, so an
interrupted job loses at most one shard and several jobs may append at once; its name is the digest of its bytes.
"""

import ctypes
import logging
import math
import mmap
import os
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.errors import UserError
from graft.outputs import digest_of, read_json, sha256_of, write_bytes, write_json

logger = logging.getLogger("graft")
RESIDENT = 1 << 28  # bytes of a table's mapped shards that may stay in memory
AROUND = 1 << 21  # bytes that the kernel may map around a value that is read: a large page


class Store:
    """The tables under one folder, with a size limit.

    Parameters
    ----------
    root : path
    max_gb : float, optional
        Upper limit in 10^9 bytes. The tables that were not used for longest give way.
    """

    def __init__(self, root, max_gb=None):
        self.root = Path(root)
        self.max_bytes = None if max_gb is None else int(max_gb * 1e9)

    def table(self, kind, shape, dtype, **key):
        """The table of `kind` for `key` (JSON-like values); each value is an array of `shape` and `dtype`."""
        key = {**key, "shape": list(shape), "dtype": np.dtype(dtype).name}
        folder = self.root / kind / digest_of(key)[:32]
        if not (folder / "key.json").exists():
            write_json(folder / "key.json", key)
        (folder / "used").touch()
        return Table(folder, tuple(shape), np.dtype(dtype), before_append=self._make_room)

    def size(self):
        """Bytes of all shards."""
        return sum(_size(folder) for folder in self.tables())

    def tables(self):
        """The folders of all tables."""
        return [path.parent for path in self.root.glob("*/*/key.json")]

    def keep_only(self, wanted):
        """Delete every table whose key `wanted(kind, key)` does not want; return the bytes set free."""
        freed = 0
        for folder in self.tables():
            if not wanted(folder.parent.name, read_json(folder / "key.json")):
                freed += _size(folder)
                shutil.rmtree(folder)
        return freed

    def _make_room(self, folder, needed):
        if self.max_bytes is None:
            return
        total = self.size() + needed
        others = [other for other in self.tables() if other != folder]
        for other in sorted(others, key=lambda other: (other / "used").stat().st_mtime):
            if total <= self.max_bytes:
                return
            total -= _size(other)
            logger.info("store: over its limit of %.1f GB, dropping %s", self.max_bytes / 1e9, other)
            shutil.rmtree(other)
        if total > self.max_bytes:
            raise UserError(
                f"the store needs {total / 1e9:.2f} GB for this data set and backbone alone",
                where="store.max_gb",
                allowed=f"at least {total / 1e9:.2f}",
                hint="raise the limit, or point store.path at a larger disk",
            )


class Table:
    """One table: arrays of one shape and dtype by content.

    Contents are hex sha256 strings. Values that several shards hold are read from the first.
    """

    def __init__(self, folder, shape, dtype, before_append=None):
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self._before_append = before_append
        self._arrays, self._contents, self._starts, self._seen = [], [], [0], set()
        self._maps, self._mapped, self._touched, self._resident = [], 0, set(), 0
        self.refresh()

    def refresh(self):
        """See the shards that this or another job has added."""
        for path in sorted(self.folder.glob("*.arrow")):
            if path.name not in self._seen:
                self._open(path)

    def locate(self, contents):
        """Positions in the table of `contents`, -1 where missing; int64, shape (n,). For `gather`."""
        known = pa.chunked_array(self._contents, type=pa.binary(32))
        found = pc.index_in(pa.array([bytes.fromhex(content) for content in contents], pa.binary(32)), value_set=known)
        self._count(range(len(self._maps)), self._mapped)
        return found.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)

    def missing(self, contents):
        """The distinct ones of `contents` that the table lacks, in their order."""
        distinct = list(dict.fromkeys(contents))
        return [content for content, place in zip(distinct, self.locate(distinct), strict=True) if place < 0]

    def gather(self, positions):
        """The values at `positions`; array of shape (n, *shape). Each value is copied once, from the mapped shard."""
        positions = np.asarray(positions)
        values = np.empty((len(positions), *self.shape), self.dtype)
        shard_of = np.searchsorted(self._starts, positions, side="right") - 1
        rows = positions - self._starts[shard_of]
        for value, shard, row in zip(values, shard_of.tolist(), rows.tolist(), strict=True):
            value[...] = self._arrays[shard][row]
        self._count(
            np.unique(shard_of).tolist(), len(positions) * max(AROUND, self.dtype.itemsize * math.prod(self.shape))
        )
        return values

    def positions(self, contents):
        """Positions of `contents`, all of which must be there; int64, shape (n,). For `gather`."""
        positions = self.locate(contents)
        if (positions < 0).any():
            raise KeyError(f"{(positions < 0).sum()} contents are not in {self.folder}")
        return positions

    def read(self, contents):
        """The values of `contents`, all of which must be there; array of shape (n, *shape)."""
        return self.gather(self.positions(contents))

    def append(self, contents, values):
        """Add one shard, whole or not at all."""
        values = np.ascontiguousarray(values, self.dtype)
        if values.shape != (len(contents), *self.shape):
            raise ValueError(f"{len(contents)} values of shape {self.shape} expected, got {values.shape}")
        if not len(contents):
            return
        width = values[0].nbytes
        column = pa.FixedSizeBinaryArray.from_buffers(pa.binary(width), len(values), [None, pa.py_buffer(values)])
        keys = pa.array([bytes.fromhex(content) for content in contents], pa.binary(32))
        batch = pa.record_batch({"content": keys, "value": column})
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        data = sink.getvalue()
        if self._before_append:
            self._before_append(self.folder, data.size)
        path = self.folder / f"{sha256_of(data)[:32]}.arrow"
        write_bytes(path, data)
        if path.name not in self._seen:
            self._open(path)

    def _count(self, shards, size):
        """Count what reading `size` bytes of `shards` maps; take pages out of this process's memory before they fill it.

        The kernel keeps them in its cache of files, and maps them again when they are next read.
        """
        self._touched.update(shards)
        self._resident += size
        if min(self._resident, self._mapped) > RESIDENT:
            madvise = ctypes.CDLL(None).madvise
            for shard in (self._maps[number] for number in self._touched):
                madvise(ctypes.c_void_p(shard.address), ctypes.c_size_t(shard.size), mmap.MADV_DONTNEED)
            self._touched.clear()
            self._resident = 0

    def _open(self, path):
        self._seen.add(path.name)
        try:
            shard = pa.memory_map(str(path)).read_buffer()
            batch = pa.ipc.open_file(shard).get_batch(0)
        except (pa.ArrowInvalid, OSError) as error:
            logger.info("store: %s cannot be read (%s); its values are computed again", path, error)
            path.unlink(missing_ok=True)
            return
        data = batch.column("value")
        array = np.frombuffer(data.buffers()[1], self.dtype).reshape(len(data), *self.shape)
        self._maps.append(shard)
        self._mapped += shard.size
        self._count([len(self._maps) - 1], min(AROUND, shard.size))
        self._arrays.append(array)
        self._contents.append(batch.column("content"))
        self._starts = np.append(self._starts, self._starts[-1] + len(array)).astype(np.int64)


def _size(folder):
    return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.is_file())
