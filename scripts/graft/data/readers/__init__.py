"""Readers: from the files of a data set to its rows, and from a row to its content.

One file per reader, found by its name. Each has

* `looks_right(root) -> bool`: whether the data may have the layout that it reads,
* `list_samples(entry, root) -> Listing`,
* `rows(entry, root, name) -> (modality, function(row))`, if samples are rows of files,

and, if it needs them,

* `prefer(likely, root) -> list`: `likely` are the readers that `reader: auto` may take; gives those that it should take,
* `TABLES`: a file that `table` names is for this reader if it has one of these suffixes,
* `NAMES_ARE_GIVEN = True`: groups and splits are names that somebody gave, as folders have, so none means "missing".
"""

import posixpath
import threading
from pathlib import Path

from graft.common import plugins
from graft.common.errors import UserError
from graft.common.fingerprint import ignored, root_of
from graft.common.spelling import nfc
from graft.data.contents import digest_of_content, understand
from graft.data.group_file import with_groups
from graft.data.listing.files import SUFFIXES_OF
from graft.data.listing.rows import MISSING, SUBGROUP, Listing, follows, in_words, is_missing, one_spelling, read_file

__all__ = ["Listing", "complete", "list_samples", "opener", "reader_of", "root_of", "settled"]

DEFAULTS = {
    "source": {},
    "reader": "auto",
    "modality": None,
    "table": None,
    "folders": None,
    "groups": None,
    "subgroups": [],
    "labels": None,
    "separator": "auto",
    "encoding": "auto",
    "decimal": "auto",
    "header": None,
    "skip_lines": 0,
    "skip_rows": 0,
    "columns": {},
    "targets": {"label": {}},
    "keep": {},
    "limit": None,
    "missing": list(MISSING),
    "on_bad": "error",
    "duplicates": "error",
    "frames": "error",
    "bands": None,
    "range": "measured",
    "split": {},
    "split_seed": 0,
    "folds": 5,
}


def complete(entry):
    """A data set's entry with every key, for callers that did not go through the config's schema, and composed names."""
    entry = {**DEFAULTS, **{key: value for key, value in entry.items() if value is not None}}
    return {key: value if key == "source" else nfc(value) for key, value in entry.items()}


def settled(entry, card):
    """A data set's entry with the reader that prepare_data took, so that it is not looked for again."""
    return {**entry, "reader": card["reader"]}


def reader_of(entry, root):
    """The name of a data set's reader: the one that its entry names, else the only one that fits what is there."""
    if entry["reader"] != "auto":
        return entry["reader"]
    readers = {name: plugins.load("reader", name) for name in plugins.names("reader")}
    tables = [entry["table"]] if isinstance(entry["table"], str) else list((entry["table"] or {}).values())
    if tables:
        own = {name: getattr(reader, "TABLES", ()) for name, reader in readers.items()}
        return next((name for name, suffixes in own.items() if all(one.endswith(suffixes) for one in tables)), "table")
    likely, before = [name for name, reader in readers.items() if reader.looks_right(root)], None
    while likely != before:
        before = likely
        for reader in readers.values():
            likely = reader.prefer(likely, root) if hasattr(reader, "prefer") else likely
    if len(likely) == 1:
        return likely[0]
    names = sorted(path.name for path in Path(root).iterdir() if not ignored(path.name))
    seen = f" ({', '.join(names[:10])}{', ..' if len(names) > 10 else ''})" if names else ""
    what = f"{' and '.join(likely)} would all fit" if likely else f"nothing here looks like samples{seen}"
    raise UserError(
        f"unknown layout of the data: {what}", "reader", " | ".join(readers), "name it in the data set's entry"
    )


def list_samples(entry, root):
    """The rows of a data set before labels are understood and splits are made.

    Returns
    -------
    Listing
        `facts` holds at least "reader" and "modality", "notes" (list of str) and "named": the targets whose labels are
        names that somebody gave, as those of folders, so that no word among them means "missing".
    """
    entry = complete(entry)
    if not Path(root).is_dir():
        raise UserError("there is no such folder", str(root), hint="look at the data set's `source`")
    name = reader_of(entry, root)
    reader = plugins.load("reader", name)
    listing = reader.list_samples(entry, root)
    notes, named = listing.facts.pop("notes", []), listing.facts.pop("named", [])
    given = getattr(reader, "NAMES_ARE_GIVEN", False)
    frame = listing.frame if given else _without_missing(listing.frame, entry["missing"], notes)
    frame = with_groups(frame, entry["groups"], notes, entry["subgroups"])
    frame = frame.assign(**spelled_subgroups(frame, entry))
    return Listing(frame, {"reader": name, **listing.facts, "notes": notes, "named": named})


def _without_missing(frame, missing, notes):
    """Groups, splits and folds that are called "NA" and the like are none: else "NA" would be one large group.

    What is left of the groups has one spelling, that 20 and 20.0 are not two patients.
    """
    blank = {}
    for key in ("group", "split", "fold"):
        gone = frame[key].notna() & is_missing(frame[key], missing)
        if gone.any():
            notes.append(
                f"columns.{key}: {int(gone.sum())} of {len(frame)} rows have none: {in_words(frame[key][gone])}"
            )
            blank[key] = frame[key].mask(gone)
    frame = frame.assign(**blank)
    return frame.assign(group=one_spelling(frame["group"]))


def spelled_subgroups(frame, entry):
    """The columns of `subgroups` with one spelling; rows without a value are a subgroup, too, called "missing"."""
    columns = {name: frame[name] for name in (SUBGROUP + one for one in entry["subgroups"])}
    missing = {name: is_missing(text, entry["missing"]) for name, text in columns.items()}
    return {name: one_spelling(text.mask(missing[name])).fillna("missing") for name, text in columns.items()}


def raw_opener(entry, root):
    """A thread-safe function (path, row) -> (modality, what is there: bytes of a file or a text, or a vector)."""
    entry = complete(entry)
    lock, functions = threading.Lock(), {}

    def raw(path, row):
        if row < 0:
            suffix = posixpath.splitext(path)[1].lower()
            guess = "text" if suffix in SUFFIXES_OF["text"] else "image"
            return entry["modality"] or guess, read_file(root, path, follows(entry))
        with lock:
            if path not in functions:
                functions[path] = plugins.load("reader", reader_of(entry, root)).rows(entry, root, path)
        modality, get = functions[path]
        value = get(int(row))
        if value is None:
            raise UserError("an empty cell")
        return modality, value

    return raw


def opener(entry, root):
    """A thread-safe function that gives the content of a sample.

    Parameters
    ----------
    entry : dict, the data set's entry of the config
    root : folder of the data

    Returns
    -------
    function (path, row, content_sha256=None)
        -> image: array as images.decode gives it; text: str; vector: float32, shape (width,).
        Raises UserError if the content is gone, unreadable, or not the one that the hash names.
    """
    entry = complete(entry)
    raw = raw_opener(entry, root)

    def load(path, row, content_sha256=None):
        where = path if row < 0 else f"{path}, row {row + 1}"
        try:
            modality, value = raw(path, row)
            if content_sha256 is not None and digest_of_content(value, modality) != content_sha256:
                raise UserError(
                    "changed since prepare_data read it", hint="run the workflow again: it then reads the new data"
                )
            return understand(value, modality, entry["frames"], entry["bands"])
        except IndexError:
            raise UserError("there is no such row any more", where, hint="run the workflow again") from None
        except UserError as error:
            raise UserError(error.what, where, error.allowed, error.hint) from None

    return load
