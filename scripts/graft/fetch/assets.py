"""What the fetching of a data set and of a backbone share: the source, the lock file, a folder that appears whole."""

import errno
import logging
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

from filelock import FileLock

from graft.common import plugins
from graft.common.errors import UserError
from graft.common.outputs import digest_of, read_json, sha256_of_file
from graft.fetch import lock_file

logger = logging.getLogger("graft")
DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
}


def describe(kind, name, entry, folder, lock_path):
    source = entry.get("source") or {}
    folder.mkdir()
    cache = folder.parent.parent / ".downloads" / f"{kind}-{name}"
    want = SimpleNamespace(kind=kind, name=name, entry=entry, source=source, folder=folder, cache=cache, pinned=None)
    want.via = next((key for key in plugins.names("source") if source.get(key)), None)
    if want.via:
        want.module = plugins.load("source", want.via)
        want.asset = want.module.asset(want)
        want.pinned = lock_file.commit_of(lock_path, want)
    return want


def get(want, lock_path):
    """Fetch, hash and check the files; what the source knows of them, and {relative path: sha256}."""
    logger.info("fetching %s '%s' (%s)", want.kind, want.name, want.asset or want.via)
    want.cache.mkdir(parents=True, exist_ok=True)
    known = want.module.fetch(want)
    files = known["files"] if "files" in known else digests(want.folder)
    try:
        lock_file.check(lock_path, want, files | known.get("archives", {}), known.get("commit"))
    finally:
        _remove_cache(want.cache)
    return known, files


def _remove_cache(folder):
    shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):  # another asset's unfinished download is still in it
        folder.parent.rmdir()


def digests(folder):
    """{relative path: sha256} of all files under `folder`, sorted."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): sha256_of_file(path) for path in paths}


@contextmanager
def new_folder(output_dir, marker, entry):
    """A temporary folder beside `output_dir` that takes its place at the end, one process at a time.

    Gives None if another process fetched the same entry while this one waited.
    """
    output = Path(output_dir).absolute()
    temporary, old = (output.parent / f".{output.name}.{word}" for word in ("partial", "old"))
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(output.parent / f".{output.name}.lock"):
            if (output / marker).is_file() and read_json(output / marker).get("entry_digest") == digest_of(entry):
                yield None
                return
            for leftover in (temporary, old):
                shutil.rmtree(leftover, ignore_errors=True)
            temporary.mkdir()
            try:
                yield temporary
                if output.exists():
                    output.replace(old)
                temporary.replace(output)
            finally:
                for leftover in (temporary, old):
                    shutil.rmtree(leftover, ignore_errors=True)
    except OSError as error:
        if error.errno in DISK or isinstance(error, PermissionError):
            reason = DISK.get(error.errno, "no permission")
            raise UserError(
                f"{reason} ({error.strerror})",
                where=str(error.filename or output),
                hint="make room, or the folder writable; then rerun",
            ) from error
        raise


def stamp(entry):
    return {"entry_digest": digest_of(entry)}


def said(source):
    """The source as the config said it, without what was left out and without checksums."""
    return {key: value for key, value in source.items() if value not in (None, "", {}, []) and key != "sha256"}
