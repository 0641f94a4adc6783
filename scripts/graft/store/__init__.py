"""The content-addressed store: what a frozen network or a decoder computed for a sample, kept under its content.

A table of the store is one folder, `{root}/{kind}/{digest of its key}/`, where the key says everything that the values
depend on besides the sample (weights, transform, dtype). It holds `key.json`, `used` (whose time is that of the last
use) and shards: Arrow IPC files, one record batch each, uncompressed so that they map into memory. A shard is written
whole and renamed into place: an interrupted job loses at most one shard, and several jobs of several users may append
at once. The name of a shard is the digest of its bytes. A table may be cleared at any time: who has it open still
reads what it has mapped, and what it adds begins a new table.

Networks that were converted for OpenVINO are kept in the same way, a folder each (see graft.embedding.engines.openvino).
"""

import ctypes
import logging
import math
import mmap
import os
import shutil
import time
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path
from uuid import uuid4

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.common.errors import UserError
from graft.common.outputs import digest_of, read_json, sha256_of, write_bytes, write_json

logger = logging.getLogger("graft")
RESIDENT = 1 << 28  # bytes of a table's mapped shards that may stay in memory
AROUND = 1 << 21  # bytes that the kernel may map around a value that is read: a large page
TRIES = 10  # times that a file is written, should other jobs clear its table just then
DAY = 86400  # seconds
IMAGES = "images"  # the kind of the tables of decoded images


class NoRoom(UserError):
    """The store's limit is too low for what it is to keep."""


class Store:
    """The tables under one folder, with a size limit.

    Parameters
    ----------
    root : path
    max_gb : float, optional
        Upper limit in 10^9 bytes. The tables that were not used for longest give way.
    shared : path, optional
        Another store, in which values are looked for, too, and nothing is ever written.
    images : collection of str, optional
        The data sets whose decoded images are kept; None: of all.
    """

    def __init__(self, root, max_gb=None, shared=None, images=None):
        self.images = images
        self.root = Path(root).expanduser()
        self.max_bytes = None if max_gb is None else int(max_gb * 1e9)
        self.shared = None if shared is None else Path(shared).expanduser()

    @classmethod
    def of(cls, settings):
        """The store that a config's block `store` describes."""
        return cls(settings["path"], settings["max_gb"], settings["shared"], settings.get("images"))

    def table(self, kind, shape, dtype, **key):
        """The table of `kind` for `key` (JSON-like values); each value is an array of `shape` and `dtype`."""
        key = {**key, "shape": list(shape), "dtype": np.dtype(dtype).name}
        own, *shared = self.folders(kind, key)
        return Table(own, tuple(shape), np.dtype(dtype), key, store=self, shared=next(iter(shared), None))

    def folders(self, kind, key):
        """Where what belongs to `key` is kept: the store's own folder, marked as used now, and the shared store's, if there is one."""
        place = Path(kind, digest_of(key)[:32])
        self.write(self.root / place, key, "used", b"")  # written again: only its owner could set another file's time
        return [self.root / place] + ([] if self.shared is None else [self.shared / place])

    def size(self):
        """Bytes of all shards, and of the weights of converted networks."""
        return sum(_size(folder) for folder in self.tables())

    def keeps_images(self, dataset, folder, size):
        """Whether the decoded images of a data set are kept: where they are wanted, and fit in beside all that is no image.

        `folder` is that of their table, which `size` more bytes are to be added to. They are a cache: what does not fit is decoded again where it is read.
        """
        wanted = self.images is None or dataset in self.images
        if not wanted or self.max_bytes is None:
            return wanted
        rest = sum(_size(other) for other in self.tables() if other.parent.name != IMAGES or other == folder)
        return rest + size <= self.max_bytes

    def tables(self):
        """The folders of all tables."""
        return [path.parent for path in _matching(self.root, "*/*/key.json")]

    def open_to_others(self):
        """Whether other users may write here."""
        return bool(_mode(self.root) & 0o022)

    def keep_only(self, wanted, unused_days=0):
        """Delete the tables that `wanted(kind, key)` does not want and that nobody has used for `unused_days`.

        Returns
        -------
        freed : int, bytes
        spared : int, tables that are not wanted, but were used lately
        """
        freed = spared = 0
        self._sweep()
        for folder in self.tables():
            with suppress(FileNotFoundError):  # another job has just cleared it
                if wanted(folder.parent.name, read_json(folder / "key.json")):
                    continue
                if time.time() - _last_used(folder) < unused_days * DAY:
                    spared += 1
                else:
                    freed += self._drop(folder)
        return freed, spared

    def write(self, folder, key, name, data):
        """Write one file of a table, and the table's key, should another job have cleared it (or nobody begun it).

        Where others clear the table at every try, the file is not kept.
        """
        try:
            with _as_open_as(self.root):
                for _ in range(TRIES):
                    with suppress(FileNotFoundError, FileExistsError):  # of a folder that goes away just now
                        if not (folder / "key.json").exists():
                            write_json(folder / "key.json", key)
                        write_bytes(folder / name, data)
                        if (folder / "key.json").exists():
                            return
        except OSError as error:
            hint = "a store that you may only read belongs under store.shared"
            what = f"nothing can be written into {folder} ({error.strerror})"
            raise UserError(what, "store.path", "a folder that you may write to", hint) from None

    def make_room(self, folder, needed):
        """Let other tables than `folder` go until `needed` bytes fit in: decoded images, then those unused for longest.

        For decoded images only other ones go: they are a cache.

        Raises
        ------
        NoRoom
            Where they do not fit in; then nothing goes.
        """
        if self.max_bytes is None or (total := self.size() + needed) <= self.max_bytes:
            return
        self._sweep()
        cache = folder.parent.name == IMAGES
        others = [other for other in self.tables() if other != folder and (not cache or other.parent.name == IMAGES)]
        least = total - sum(map(_size, others))
        if least > self.max_bytes:
            raise NoRoom(
                f"the store needs {least / 1e9:.2f} GB for this data set and backbone alone",
                where="store.max_gb",
                allowed=f"at least {least / 1e9:.2f}",
                hint="raise the limit, or point store.path at a larger disk",
            )
        for other in sorted(others, key=lambda folder: (folder.parent.name != IMAGES, _last_used(folder))):
            logger.info("store: over its limit of %.1f GB, dropping %s", self.max_bytes / 1e9, other)
            total -= self._drop(other)
            if total <= self.max_bytes:
                return

    def _drop(self, folder):
        """Delete a table, which is out of sight at once; the bytes set free, 0 if another job was faster."""
        size, gone = _size(folder), folder.with_name(f".{folder.name}.{uuid4().hex}")
        try:
            folder.rename(gone)
        except OSError as error:
            logger.info("store: %s stays (%s)", folder, error.strerror)
            return 0
        shutil.rmtree(gone, ignore_errors=True)
        return size

    def _sweep(self):
        """Delete what jobs that were killed left behind: tables half deleted, and files half written."""
        for folder in _matching(self.root, "*/.*"):
            shutil.rmtree(folder, ignore_errors=True)
        for file in _matching(self.root, "*/*/.*.tmp"):
            with suppress(OSError):
                if time.time() - file.stat().st_mtime > DAY:
                    file.unlink()


class Table:
    """One table: arrays of one shape and dtype by content.

    Contents are hex sha256 strings. Values that several shards hold are read from the first. `shared` is the folder of
    the same table in a store that is only read.
    """

    def __init__(self, folder, shape, dtype, key, store, shared=None):
        self.folder, self.shape, self.dtype = folder, shape, dtype
        self._key, self._store, self._shared = key, store, shared
        self._arrays, self._contents, self._starts, self._seen = [], [], np.zeros(1, np.int64), set()
        self._maps, self._mapped, self._touched, self._resident = [], 0, set(), 0
        self.refresh()

    def refresh(self):
        """See the shards that this or another job has added."""
        for folder in filter(None, (self._shared, self.folder)):
            for path in sorted(_matching(folder, "*.arrow")):
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
        self._store.make_room(self.folder, data.size)
        path = self.folder / f"{sha256_of(data)[:32]}.arrow"
        self._store.write(self.folder, self._key, path.name, data)
        if path.name not in self._seen and not self._open(path):  # another job has just cleared the table
            self._add(path.name, batch)

    def _count(self, shards, size):
        """Count what reading `size` bytes of `shards` maps; take pages out of this process's memory before they fill it.

        The kernel keeps them in its cache of files, and maps them again when they are next read.
        """
        self._touched.update(shards)
        self._resident += size
        if min(self._resident, self._mapped) > RESIDENT:
            madvise = ctypes.CDLL(None).madvise
            for shard in filter(None, (self._maps[number] for number in self._touched)):
                madvise(ctypes.c_void_p(shard.address), ctypes.c_size_t(shard.size), mmap.MADV_DONTNEED)
            self._touched.clear()
            self._resident = 0

    def _open(self, path):
        """Map a shard; whether that went well. One that is damaged is deleted, unless it is the shared store's."""
        try:
            shard = pa.memory_map(str(path)).read_buffer()
        except OSError as error:  # as when another job has just cleared the table
            logger.info("store: %s cannot be read (%s); its values are computed again", path, error)
            return False
        try:
            batch = pa.ipc.open_file(shard).get_batch(0)
        except (pa.ArrowInvalid, OSError) as error:
            logger.info("store: %s is damaged (%s); its values are computed again", path, error)
            if path.parent == self.folder:
                path.unlink(missing_ok=True)
            return False
        self._add(path.name, batch, shard)
        return True

    def _add(self, name, batch, shard=None):
        """Take a shard's contents and values up; `shard` is the mapped file, None if the values are in memory."""
        self._seen.add(name)
        data = batch.column("value")
        array = np.frombuffer(data.buffers()[1], self.dtype).reshape(len(data), *self.shape)
        self._maps.append(shard)
        if shard:
            self._mapped += shard.size
            self._count([len(self._maps) - 1], min(AROUND, shard.size))
        self._arrays.append(array)
        self._contents.append(batch.column("content"))
        self._starts = np.append(self._starts, self._starts[-1] + len(array))


@contextmanager
def _as_open_as(root):
    """Where the group may write in `root`, let it (and all others as `root` does) use what is made here, too.

    A folder that several users share would otherwise hold what the umask of each of them says.
    """
    root.mkdir(parents=True, exist_ok=True)
    mask = os.umask(0)
    os.umask(mask & ~_mode(root) if _mode(root) & 0o020 else mask)
    try:
        yield
    finally:
        os.umask(mask)


def _matching(root, pattern):
    """The paths under `root` that match, hidden ones only where the pattern says so.

    `Path.glob` of Python 3.11 raises where another job clears a folder that it is about to look into.
    """
    return [root / name for name in glob(pattern, root_dir=root)]  # noqa: PTH207 (see above)


def _mode(path):
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0


def _last_used(folder):
    try:
        return (folder / "used").stat().st_mtime
    except FileNotFoundError:  # another job has just cleared the table
        return 0


def _size(folder):
    try:
        return sum(entry.stat().st_size for entry in os.scandir(folder) if entry.name.endswith((".arrow", ".bin")))
    except FileNotFoundError:  # another job has just cleared the table
        return 0
