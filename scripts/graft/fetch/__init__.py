"""Fetching data sets and backbones: from the source that the config names to a folder that later rules read offline.

One file per kind of source, found by its name. Each has

* `fetch(want) -> dict`: put the files into `want.folder`; returns what is known of them (revision, commit, licence),
* `asset(want) -> str or None`: the name that the lock file knows them by, None where nothing is downloaded.

`want` holds kind ("dataset" or "backbone"), name, entry, source, folder, cache (for unfinished downloads) and pinned
(the hub's commit that the lock file remembers, or None).
"""

import errno
import importlib
import logging
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace

from filelock import FileLock

from graft.common.errors import UserError
from graft.common.outputs import digest_of, read_json, sha256_of_file, write_bytes, write_json
from graft.fetch import lock

logger = logging.getLogger("graft")
KINDS = ("package", "path", "url", "torchvision", "timm", "huggingface", "random")
DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the disk is read-only",
}


def fetch_dataset(name, entry, output_dir, lock_path):
    """Fetch a data set's files into `output_dir`, described by its dataset.json.

    Parameters
    ----------
    name : str
    entry : dict, the data set's entry of the config
    output_dir : path; replaced as a whole, at the end
    lock_path : path of the lock file

    Raises
    ------
    UserError
        If the source is missing, unreachable or unsafe, or a file is not the one that was expected.
    """
    with _new_folder(output_dir, "dataset.json", entry) as folder:
        if folder is None:
            return
        want = _want("dataset", name, entry, folder / "root", lock_path)
        known, files = _get(want, lock_path)
        content = {
            "name": name,
            "source": _said(want.source),
            "revision": known.get("revision"),
            "licence": entry.get("licence") or known.get("licence"),
            "root": _root_as_written(known["root"], want.source["path"], output_dir) if "root" in known else "root",
        }
        write_json(folder / "dataset.json", content | ({} if "root" in known else {"files": files}) | _stamp(entry))


def _root_as_written(root, written, output_dir):
    """A relative path stays relative, so that a project that is moved or copied finds its own data."""
    if Path(written).expanduser().is_absolute():
        return root
    return Path(os.path.relpath(os.path.realpath(root), os.path.realpath(output_dir))).as_posix()


def fetch_backbone(name, entry, output_dir, lock_path):
    """Fetch a backbone into `output_dir`: backbone.json, model.safetensors and, for text, config and tokenizer.

    Parameters and errors are those of `fetch_dataset`; in addition weights that do not fit the architecture, or hold
    NaN, are refused.
    """
    from graft.fetch.convert import convert

    with _new_folder(output_dir, "backbone.json", entry) as folder:
        if folder is None:
            return
        want = _want("backbone", name, entry, folder / "source", lock_path)
        known, files = _get(want, lock_path) if want.source else ({}, {})
        spec, weights, beside = convert(entry, Path(known.get("root", want.folder)))
        write_bytes(folder / "model.safetensors", weights)
        for path in beside:
            shutil.copyfile(path, folder / path.name)
        if "config" in spec:
            write_json(folder / "config.json", spec["config"])
        shutil.rmtree(want.folder)
        content = {
            "name": name,
            "library": entry["library"],
            **spec,
            "source": _said(want.source),
            "revision": known.get("revision"),
            "licence": entry.get("licence") or known.get("licence") or spec.get("licence"),
            "files": files,
            "weights": "model.safetensors",
            "weights_sha256": sha256_of_file(folder / "model.safetensors"),
        }
        write_json(folder / "backbone.json", content | _stamp(entry))


def _want(kind, name, entry, folder, lock_path):
    source = entry.get("source") or {}
    folder.mkdir()
    cache = folder.parent.parent / ".downloads" / f"{kind}-{name}"
    want = SimpleNamespace(kind=kind, name=name, entry=entry, source=source, folder=folder, cache=cache, pinned=None)
    want.via = next((key for key in KINDS if source.get(key)), None)
    if want.via:
        want.module = importlib.import_module(f"graft.fetch.sources.{want.via}")
        want.asset = want.module.asset(want)
        want.pinned = lock.commit_of(lock_path, want)
    return want


def _get(want, lock_path):
    """Fetch, hash and check the files; what the source knows of them, and {relative path: sha256}."""
    logger.info("fetching %s '%s' (%s)", want.kind, want.name, want.asset or want.via)
    want.cache.mkdir(parents=True, exist_ok=True)
    known = want.module.fetch(want)
    files = known["files"] if "files" in known else digests(want.folder)
    try:
        lock.check(lock_path, want, files | known.get("archives", {}), known.get("commit"))
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
def _new_folder(output_dir, marker, entry):
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


def _stamp(entry):
    return {"entry_digest": digest_of(entry)}


def _said(source):
    """The source as the config said it, without what was left out and without checksums."""
    return {key: value for key, value in source.items() if value not in (None, "", {}, []) and key != "sha256"}
