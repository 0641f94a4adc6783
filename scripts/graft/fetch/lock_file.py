"""The lock file: the sha256 of everything downloaded, checked from the first download on."""

import logging
from pathlib import Path, PurePosixPath

from filelock import FileLock

from graft.common.errors import UserError, raise_all
from graft.common.outputs import digest_of, read_json, write_json

logger = logging.getLogger("graft")
MANY = 200  # files; above that the lock file keeps one digest over all of them
COMMIT = "@commit"


def check(lock_path, want, files, commit=None):
    """Check files against the config's `sha256`, the others against the lock file; lock what it does not know.

    Parameters
    ----------
    lock_path : path, made if it is not there
    want : the asset (see graft.fetch.sources)
    files : dict of relative path to hex sha256
    commit : str, optional, of the hub's repository

    Raises
    ------
    UserError
        All files that differ, at once.
    """
    where = f"{want.kind}s.{want.name}.source"
    expected = {name: value.lower() for name, value in (want.source.get("sha256") or {}).items()}
    raise_all(_against_config(expected, files, where))
    if want.asset is None:
        return
    rest = {name: value for name, value in files.items() if _expected(expected, name) is None}
    if len(rest) > MANY:
        rest = {f"all {len(rest)} files": digest_of(rest)}
    rest |= {COMMIT: commit} if commit else {}
    if not rest:
        return
    path = Path(lock_path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.parent / f".{path.name}.lock"):
        content = read(path)
        known = content.get(_key(want), {})
        raise_all(_against_lock(known, rest, where, path, _key(want)))
        if new := rest.keys() - known.keys():
            write_json(path, dict(sorted((content | {_key(want): known | rest}).items())))
            logger.info("%s: %d files locked in %s", want.asset, len(new), path)


def commit_of(lock_path, want):
    """The hub's commit that the lock file remembers for an asset, or None."""
    return read(Path(lock_path)).get(_key(want), {}).get(COMMIT)


def read(path):
    """The lock file's content; empty if there is none."""
    if not path.exists():
        return {}
    try:
        content = read_json(path)
    except ValueError as error:
        raise UserError(f"is not JSON ({error})", where=str(path), hint="restore it from version control") from error
    if not isinstance(content, dict) or not all(isinstance(entry, dict) for entry in content.values()):
        raise UserError("is not a lock file of graft", where=str(path), hint="restore it from version control")
    return content


def _key(want):
    return f"{want.kind} {want.name}: {want.asset}"


def _expected(expected, name):
    """The config's sha256 of a file, listed by its path or bare name."""
    return expected.get(name, expected.get(PurePosixPath(name).name))


def _against_config(expected, files, where):
    names = set(files) | {PurePosixPath(name).name for name in files}
    errors = [
        UserError(
            f"sha256 names '{key}', which the source does not hold", where=where, allowed=", ".join(sorted(files)[:8])
        )
        for key in expected
        if key not in names
    ]
    for name, found in files.items():
        wanted = _expected(expected, name)
        if wanted not in (None, found):
            errors.append(
                UserError(
                    f"'{name}' is not the expected file: sha256 {found}",
                    where=where,
                    allowed=f"{wanted}, as source.sha256 says",
                    hint="if the new file is meant, write its sha256 into the config; otherwise find out where it comes from",
                )
            )
    return errors


def _against_lock(known, found, where, path, key):
    """Errors for files that differ; which files are taken may change with the config's patterns."""
    return [
        UserError(
            f"'{name}' changed since it was first fetched: sha256 {found[name]}",
            where=where,
            allowed=f"{known[name]}, as {path} says",
            hint=f"if the change is meant, delete the entry '{key}' from the lock file and rerun",
        )
        for name in sorted(known.keys() & found.keys())
        if known[name] != found[name]
    ]
