"""What a data root holds, as names, sizes and times: cheap enough to be asked at every start of Snakemake.

Only the standard library is imported here: a Snakefile calls `fingerprint` while it is parsed.
"""

# A million files: pathlib is several times slower.
# ruff: noqa: PTH111, PTH112, PTH116, PTH118

import hashlib
import json
import os
from pathlib import Path

from graft.common.spelling import on_disk

# What systems and storage servers put beside data; hidden names (.DS_Store, .ipynb_checkpoints) start with a dot.
IGNORED = {"thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "icon\r", "lost+found"}
IGNORED |= {"$recycle.bin", "system volume information", "@eadir", "#recycle", "@recycle", "#snapshot"}
MADE_HERE = {"results", "resources", "logs", "benchmarks"}  # where Snakemake runs, these folders are the workflow's own


def ignored(name):
    """Whether a file or folder of this name is litter of an operating system or an editor, and not data."""
    return name.startswith(".") or name.lower() in IGNORED


def walk(root):
    """Every file below `root`, in the order of the names, without litter; links are followed, loops are not.

    Data may be in the folder where Snakemake runs: what the workflow itself puts there is passed over.

    Yields
    ------
    (str, os.DirEntry)
        The path relative to `root` with forward slashes, and the entry. Empty folders are given with a
        path that ends in a slash and None, unreadable ones with the OSError. Dangling links, pipes and sockets are given too: the reader says what is wrong.
    """
    yield from _walk(os.fspath(root), "", frozenset({_identity(root)}))


def fingerprint(entry, folder=None):
    """What is in the params of prepare_data, so that it reruns when the user's files change.

    Only data that are read in place (`source: path`) can change behind the workflow's back. A fetched data set is told
    by its dataset.json, which holds every file's checksum and is an input of the rule. So its fingerprint must be the
    same before and after the fetch: else the first rerun would prepare it again.

    Parameters
    ----------
    entry : dict, the data set's entry of the config; the user's tables alone are looked at if they hold the samples
        themselves, or with `watch: table`
    folder : the folder that relative paths start from, default the working directory

    Returns
    -------
    str
    """
    own = "".join(_digest_of(one) for one in [*filter(None, [entry.get("groups")]), *label_files(entry)])
    path = (entry.get("source") or {}).get("path")
    if path is None:
        return "fetched" + own
    columns = entry.get("columns") or {}
    all_in_tables = columns.get("text") or columns.get("features")
    tables = (table_files(entry) or None) if all_in_tables or entry.get("watch") == "table" else None
    return fingerprint_of_files(Path(folder or ".") / os.path.expanduser(path), tables) + own


def label_files(entry):
    """The files of new labels that a data set's entry names."""
    named = entry.get("labels") or []
    return [named] if isinstance(named, str) else list(named)


def _digest_of(path):
    """Of a small file of the user's, which another run may have written again with the same content."""
    try:
        return " " + hashlib.sha256(Path(os.path.expanduser(path)).read_bytes()).hexdigest()
    except OSError:
        return " absent"


def fingerprint_of_files(root, names=None):
    """Digest of relative path, size and modification time (ns) of the files below `root`, or of `names` alone.

    Returns
    -------
    str, hexadecimal; "absent" if there is no such folder
    """
    if not os.path.isdir(root):
        return "absent"
    if names is None:
        found = ((path, entry) for path, entry in walk(root) if not path.endswith("/"))
    else:
        found = ((name, on_disk(root, name) or os.path.join(root, name)) for name in sorted(names))
    digest = hashlib.sha256()
    for path, entry in found:
        size, time = _size_and_time(entry)
        digest.update(os.fsencode(f"{path}\0{size}\0{time}\0"))
    return digest.hexdigest()


def table_files(entry):
    """The tables that a data set's entry names: one, one per split, or none."""
    table = entry.get("table")
    if not table:
        return []
    return list(table.values()) if isinstance(table, dict) else [table]


def root_of(dataset_json):
    """The folder of the data that a dataset.json describes (Path)."""
    path = Path(dataset_json)
    return path.parent / os.path.expanduser(json.loads(path.read_text(encoding="utf-8"))["root"])


def _walk(folder, prefix, above):
    try:
        entries = os.scandir(folder)
    except OSError as error:
        yield prefix, error
        return
    with entries:
        found = {entry.name: entry for entry in entries}
    own = MADE_HERE if ".snakemake" in found else ()
    entries = [found[name] for name in sorted(found) if not ignored(name) and name not in own]
    if not entries and prefix:
        yield prefix, None
    for entry in entries:
        path = prefix + entry.name
        if not _is_folder(entry):
            yield path, entry
            continue
        identity = _identity(entry.path) if entry.is_symlink() else (entry.stat().st_dev, entry.inode())
        if identity not in above:
            yield from _walk(entry.path, path + "/", above | {identity})


def _is_folder(entry):
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _identity(path):
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _size_and_time(entry):
    try:
        status = entry.stat() if isinstance(entry, os.DirEntry) else os.stat(entry)
    except OSError:  # a dangling link is still a name
        return -1, -1
    return status.st_size, status.st_mtime_ns
