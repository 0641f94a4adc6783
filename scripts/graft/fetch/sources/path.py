"""A folder or file on this machine, read in place."""

import os
from pathlib import Path

from graft.common.errors import UserError
from graft.common.outputs import sha256_of_file


def asset(want):
    return None  # the user's own files may change: prepare_data sees that


def fetch(want):
    """Check that the path can be read; nothing is copied.

    Only the files that the config's sha256 names, and a backbone's own files, are hashed.
    """
    path, where = Path(want.source["path"]).expanduser().absolute(), f"{want.kind}s.{want.name}.source.path"
    if not path.exists():
        nearest = next(parent for parent in path.parents if parent.exists())
        raise UserError(
            f"'{path}' does not exist", where=where, hint=f"{nearest} does; relative paths begin at {Path.cwd()}"
        )
    if not os.access(path, os.R_OK | (os.X_OK if path.is_dir() else 0)):
        raise UserError(f"'{path}' cannot be read", where=where, hint="check its permissions")
    if path.is_dir() and not any(path.iterdir()):
        raise UserError(f"'{path}' is empty", where=where)
    if want.kind == "backbone" and path.is_file():
        (want.folder / path.name).symlink_to(path)
        return {"files": {path.name: sha256_of_file(path)}}
    named = want.source.get("sha256") or {}
    files = [file for file in sorted(path.rglob("*")) if file.is_file()] if want.kind == "backbone" or named else []
    if want.kind == "dataset":
        files = [file for file in files if file.name in named or file.relative_to(path).as_posix() in named]
    return {"root": str(path), "files": {file.relative_to(path).as_posix(): sha256_of_file(file) for file in files}}
