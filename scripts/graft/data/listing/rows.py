"""What every reader says of its rows: the columns of a listing, safe paths, and where a row is, for messages."""

# A million files: pathlib is several times slower.
# ruff: noqa: PTH114, PTH116, PTH118, PTH120, PTH123

import functools
import os
import posixpath
import re
import stat
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from graft.common.errors import UserError
from graft.common.spelling import on_disk

COLUMNS = ("sample_id", "path", "row", "table", "table_row", "split", "fold", "group", "weight")
SPLITS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
    "pool": ("pool", "unlabelled", "unlabeled", "unsupervised"),
}
NOUNS = ("", *(f"{mark}{noun}" for mark in ("_", "-", " ", "") for noun in ("set", "split", "data", "images")))
SPLIT_OF = {word + noun: split for split, words in SPLITS.items() for word in words for noun in NOUNS}  # "test_set"
PIECE = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[a-z]+|[A-Z]")  # a word of a name: patient, ID and 7 make PatientID7
# What pandas reads as "not available" (pandas.read_csv, na_values), each word once: case does not matter.
MISSING = ("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA")
MISSING += ("NaN", "None", "NULL")
WHOLE = r"-?\d+(?:\.0*)?"
SHOWN = 20
SUBGROUP = "subgroup:"  # before the name of a column of the data whose values models are judged by


def splits_named(names):
    """The splits that names say: the names of SPLIT_OF; or all names, if each has one split's word in it.

    Parameters
    ----------
    names : iterable of str, those of sibling folders

    Returns
    -------
    dict
        {name: split}; of 01_train and 02_test both, of train and steam_train the first alone
    """
    by_word = {name: split_in(name) for name in names}
    if None not in by_word.values() and "train" in by_word.values() and len(set(by_word.values())) > 1:
        return by_word
    return {name: SPLIT_OF[name.lower()] for name in by_word if name.lower() in SPLIT_OF}


def split_in(name):
    """The split whose word a name is, or has in it as a whole word; None for none and for several."""
    words = [name.lower()] if name.lower() in SPLIT_OF else [word.lower() for word in PIECE.findall(name)]
    found = [SPLIT_OF[word] for word in words if word in SPLIT_OF]
    return found[0] if len(found) == 1 else None


class Listing(NamedTuple):
    """The samples of a data set before labels are understood and splits are made.

    frame : DataFrame with COLUMNS (text or null; `row`, `table_row` int64, -1 for none) and one text column
        "label:TARGET" per target and "subgroup:COLUMN" per column of `subgroups`
    facts : dict for the data card
    """

    frame: pd.DataFrame
    facts: dict


def listing(columns, labels, facts):
    """A Listing from columns (equal lengths; those that are left out are null; also SUBGROUP and a name) and labels by target."""
    length = len(columns["sample_id"])
    frame = pd.DataFrame(index=pd.RangeIndex(length))
    for name in COLUMNS:
        if name in ("row", "table_row"):
            frame[name] = np.asarray(columns.get(name, np.full(length, -1)), dtype=np.int64)
        else:
            frame[name] = composed(as_text(columns.get(name), length))
    for name in columns:
        if name.startswith(SUBGROUP):
            frame[name] = composed(as_text(columns[name], length))
    for target, values in labels.items():
        frame[f"label:{target}"] = composed(as_text(values, length))
    return Listing(frame, facts)


def as_text(values, length):
    """A Series of str (null where there is none), backed by Arrow: a million rows are no Python objects."""
    if values is None or isinstance(values, str):
        values = [values] * length
    return pd.Series(values, dtype="str")


def composed(text):
    """A Series of str in Unicode NFC, as all names are kept."""
    values = pc.utf8_normalize(pa.array(text, pa.large_string(), from_pandas=True), form="NFC")
    return pd.Series(values, index=text.index, dtype="str")


def one_spelling(text):
    """Values without blanks around them, and where all are whole numbers without .0, which pandas adds if a cell is empty.

    Parameters
    ----------
    text : Series of str, null where there is no value; of all tables of a data set, since they may be written differently

    Returns
    -------
    Series of str
    """
    stripped = text.str.strip()
    with_point = stripped.str.contains(".", regex=False, na=False)
    if not with_point.any() or not stripped.dropna().str.fullmatch(WHOLE).all():
        return stripped
    return stripped.mask(with_point, stripped.str.replace(r"\.0*$", "", regex=True))


def is_missing(text, words, but=()):
    """Which values mean that there is none: nulls, blanks, and `words` in any case.

    Parameters
    ----------
    text : Series of str
    words : iterable of str
    but : words that are values nonetheless, as they are written

    Returns
    -------
    Series of bool
    """
    stripped = text.str.strip()
    named = stripped.str.casefold().isin([str(word).strip().casefold() for word in words])
    return stripped.isna() | (stripped == "") | (named & ~stripped.isin(list(but)))


def in_words(gone):
    """How many values of each word (Series of str), the most common first: "15 'nan', 5 empty"."""
    counts = gone.str.strip().fillna("").value_counts()
    shown = [
        f"{n} '{word}'" if word else f"{n} empty" for word, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    ]
    return ", ".join(shown[:SHOWN]) + (", .." if len(shown) > SHOWN else "")


def inside(root, path, where=None, follow=False):
    """The file that a relative path means, refused if it leads out of the data's root by `..`, `/` or a link.

    Parameters
    ----------
    root, path : the data's root, and a path below it
    where : str, for messages, default the path
    follow : bool, whether links may lead out (`source: {links: follow}`)

    Returns
    -------
    str

    Raises
    ------
    UserError
        If the path leads out, or if there is no regular file at its end.
    """
    normal = posixpath.normpath(path)
    if "\0" in path:
        raise UserError("a path with a NUL character", where or path)
    full = os.path.join(root, normal)
    if not os.path.lexists(full):
        full = on_disk(root, normal) or full
    try:
        mode = os.lstat(full).st_mode
        _refuse_outside(root, full, normal, stat.S_ISLNK(mode), where or path, follow)
        mode = os.stat(full).st_mode
    except FileNotFoundError:
        reason = "a link to a file that does not exist" if os.path.islink(full) else "no such file"
        hint = "folders are separated by /, not \\" if "\\" in path else None
        raise UserError(reason, where or path, hint=hint) from None
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", where or path) from None
    if not stat.S_ISREG(mode):
        raise UserError("not a regular file", where or path)
    return full


def follows(entry):
    """Whether a data set's links may lead out of its folder."""
    return (entry.get("source") or {}).get("links") == "follow"


def _refuse_outside(root, full, normal, is_link, where, follow):
    real = os.path.realpath(full) if is_link else _real_folder(os.path.dirname(full)) + "/"
    if real.startswith(_real_folder(os.fspath(root)).rstrip("/") + "/"):
        return
    by_letters = normal.startswith(("/", "../")) or normal == ".."
    if by_letters or not follow:
        raise UserError(
            "a path or link that leads out of the data set's folder",
            where,
            "files inside the source",
            None if by_letters else "if these links are yours: source: {path: .., links: follow}",
        )


@functools.lru_cache(maxsize=65536)
def _real_folder(path):
    """A million files are in few folders."""
    return os.path.realpath(path)


def read_file(root, path, follow=False):
    """The bytes of a file below the root. UserError if it cannot be read."""
    full = inside(root, path, follow=follow)
    try:
        with open(full, "rb") as file:
            return file.read()
    except OSError as error:
        raise UserError(f"cannot be read ({error.strerror})", path) from None


def places(frame):
    """For each row, the words that tell a user where it is: "labels.csv, row 3 (images/a.png)"."""
    out = []
    for path, row, table, table_row in zip(
        frame["path"], frame["row"], frame["table"], frame["table_row"], strict=True
    ):
        if not isinstance(table, str):
            out.append(path if row < 0 else f"{path}, row {row + 1}")
        else:
            out.append(f"{table}, row {table_row + 1}" + (f" ({path})" if row < 0 and isinstance(path, str) else ""))
    return out


def listed(lines):
    """The first lines, indented one below the other, and how many more there are."""
    lines = list(lines)
    shown = [f"      {line}" for line in lines[:SHOWN]]
    if len(lines) > SHOWN:
        shown.append(f"      ... and {len(lines) - SHOWN} more")
    return "\n" + "\n".join(shown)
