"""Several labels per sample: from the cells of a table to a text in the manifest, and from there to 1, 0 and NaN.

The manifest's text is JSON, the same for the same labels: ["a", "b"]; or {"has": ["a"], "unknown": ["b"]} where it is not known
of some classes whether a sample has them. A null is a sample that is not labelled at all.
"""

import ast
import json
import re

import numpy as np
import pandas as pd

from graft.common.errors import UserError, raise_all
from graft.common.spelling import natural_sort, nfc
from graft.data.listing.rows import is_missing, listed, places

YES, NO = {"1", "1.0", "true", "yes", "y"}, {"0", "0.0", "false", "no", "n"}
MARKS = (";", "|", ",")
PRINTED = re.compile(r"""['"]\s+['"]""")  # ['a' 'b'], a printed NumPy array: Python reads it as the one word ab
NOT_A_LABEL = "a sample that has none needs the separator alone, or []: an empty cell is not labelled"


def read_sets(frame, name, target, missing):
    """Understand the labels of one target.

    Parameters
    ----------
    frame : DataFrame with a text column "label:NAME": words with a separator between them, a list (JSON or Python), or a JSON
        object of the cell of each class, as columns.labels_of gives it
    name : str; target : dict, its entry: columns, separator, classes
    missing : words that mean "not labelled": of a whole cell, or of a class's

    Returns
    -------
    Series of str (null where not labelled), and the classes or None, as for labels.read_targets

    Raises
    ------
    UserError
        For all cells that are no list, and all words that are not among the classes.
    """
    text, classes = frame[f"label:{name}"].str.strip(), target.get("classes")
    columns = target.get("columns")
    classes = [str(word) for word in classes or columns or ()] or None
    text = text.mask(is_missing(text, missing, classes or ()))
    codes, cells = pd.factorize(text)
    found, wrong = [], {}
    for place, cell in enumerate(cells):
        try:
            found.append(_parts_of_cell(cell, target.get("separator"), missing))
        except ValueError as error:
            wrong[place] = str(error)
            found.append(((), ()))
    if wrong:
        raise _no_labels(frame, name, codes, cells, wrong, target)
    if classes:
        _check_known(frame, name, codes, found, classes)
    texts = [None if has is None else canonical(has, unknown) for has, unknown in found]
    return pd.Series(np.array([*texts, None], object)[codes], text.index, dtype="str"), classes


def _parts_of_cell(cell, separator, missing):
    """The labels that a cell has, and those of which it is not known; (None, None) if it says nothing. ValueError if it is odd."""
    value = _literal(cell) if cell[0] in "[{" else None
    if isinstance(value, dict):
        return _parts_of_cells(value, missing)
    if value is None:
        if separator is None:
            raise ValueError("is no list")
        return [word for one in cell.split(separator) if (word := one.strip())], ()
    if not all(isinstance(one, str | int | float) and one == one for one in value):
        raise ValueError("is no list of words")
    words = [_word(one).strip() for one in value]
    return [word for word in words if word], ()


def _literal(cell):
    """The list or dict that a cell is, as JSON or as Python writes it (nothing is run); None if it is neither."""
    if PRINTED.search(cell):
        raise ValueError("is a printed array, which may lack its commas")
    try:
        value = json.loads(cell)
    except ValueError:
        try:
            value = ast.literal_eval(cell)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return None
    value = sorted(value, key=str) if isinstance(value, set) else value
    return value if isinstance(value, list | dict) else None


def _word(one):
    one = int(one) if isinstance(one, float) and one.is_integer() else one
    return nfc(str(one)).encode("utf-8", "replace").decode()


def _parts_of_cells(cells, missing):
    """`cells` are the text of each class: 1 or 0, in words, or missing."""
    has, unknown = [], []
    words = pd.Series([None if one is None else _word(one) for one in cells.values()], dtype="str").str.strip()
    for name, word, gone in zip(cells, words, is_missing(words, missing, [*YES, *NO]), strict=True):
        if gone:
            unknown.append(name)
        elif word.casefold() in YES:
            has.append(name)
        elif word.casefold() not in NO:
            raise ValueError(f"has '{word}' for '{name}'")
    return (None, None) if len(unknown) == len(cells) else (has, unknown)


def _no_labels(frame, name, codes, cells, wrong, target):
    """The error of cells that cannot be read."""
    rows = np.isin(codes, list(wrong))
    said = [
        f"{place}: {wrong[code]}" + ("" if target.get("columns") else f": '{cells[code][:60]}'")
        for place, code in zip(places(frame[rows]), codes[rows], strict=True)
    ]
    where = f"target {name}"
    if target.get("columns"):
        allowed = "1 or 0, true or false, yes or no in the column of each class; an empty cell is not known"
        hint = "a word that means 'not known' belongs into `missing`"
        return UserError(f"{len(said)} rows say neither yes nor no:{listed(said)}", where, allowed, hint)
    mark = next((mark for mark in MARKS if any(mark in cells[code] for code in wrong)), ";")
    hint = (
        f"a column of words needs what is between them: targets: {{{name}: {{kind: multilabel, separator: '{mark}'}}}}"
    )
    return UserError(f"{len(said)} cells are no lists of labels:{listed(said)}", where, "lists, such as [a, b]", hint)


def _check_known(frame, name, codes, found, classes):
    """Refuse words that are not among the classes."""
    counts, first, known = {}, {}, set(classes)
    beyond = {i: [word for word in has or () if word not in known] for i, (has, _) in enumerate(found)}
    rows = np.isin(codes, [i for i, words in beyond.items() if words])
    for place, code in zip(places(frame[rows]), codes[rows], strict=True):
        for word in beyond[code]:
            counts[word] = counts.get(word, 0) + 1
            first.setdefault(word, place)
    if counts:
        lines = [f"'{word}' ({count} rows, such as {first[word]})" for word, count in counts.items()]
        hint = "add them to `classes`, or leave their rows out with `keep`"
        what = f"{len(counts)} labels are not among the classes:{listed(lines)}"
        raise UserError(what, f"target {name}", ", ".join(classes[:30]), hint)


def canonical(has, unknown=()):
    """The manifest's text of a sample's labels."""
    has = natural_sort(set(has))
    value = {"has": has, "unknown": natural_sort(set(unknown))} if len(unknown) else has
    return json.dumps(value, ensure_ascii=False)


def parts_of(text):
    """The labels that a sample has, and those of which it is not known; two lists of str."""
    value = json.loads(text)
    return (value["has"], value["unknown"]) if isinstance(value, dict) else (value, [])


def answers_of(values, classes):
    """1, 0 or NaN for each label.

    Parameters
    ----------
    values : Series of the manifest's texts, null where a sample is not labelled
    classes : list of str

    Returns
    -------
    float64 array, shape (n, classes). KeyError if a label is not among the classes
    """
    codes, texts = pd.factorize(values)
    place = {word: i for i, word in enumerate(classes)}
    rows = np.full((len(texts) + 1, len(classes)), np.nan)  # the last one is of those that are not labelled
    for row, text in zip(rows, texts, strict=False):
        has, unknown = parts_of(text)
        row[:] = 0
        row[[place[word] for word in has]] = 1
        row[[place[word] for word in unknown]] = np.nan
    return rows[codes]


def rows_of_labels(values):
    """A row for each label that a sample has: Series of the labels, its index that of `values`; nulls are left out."""
    return values.dropna().map(lambda text: parts_of(text)[0]).explode().dropna()


def rarest(values):
    """The rarest label of each row, of equals the first in natural order; "" where it has none, null where not labelled."""
    counts = rows_of_labels(values).value_counts().to_dict()
    rank = {word: i for i, word in enumerate(sorted(natural_sort(counts), key=counts.get))}
    first = {text: min(parts_of(text)[0], key=rank.get, default="") for text in values.dropna().unique()}
    return values.map(first)


def check_sets(labelled, name, target):
    """Fill in the classes that were found, and refuse labels that cannot be learned.

    Parameters
    ----------
    labelled : DataFrame, the manifest's rows of train, validation and test
    name : str; target : dict, its entry in labels.json

    Returns
    -------
    list of str, warnings for the data card
    """
    values = labelled[name]
    found = natural_sort({word for text in values.dropna().unique() for part in parts_of(text) for word in part})
    target["classes"] = target["classes"] or found
    if not target["classes"]:
        raise UserError("no row has a label", f"target {name}", "at least one label", NOT_A_LABEL)
    answers, errors, notes = answers_of(values, target["classes"]), [], []
    splits = labelled["split"].to_numpy()
    for word, own in zip(target["classes"], answers.T, strict=True):
        rows = np.isfinite(own)
        train = own[rows & (splits == "train")]
        if rows.any() and own[rows].all():
            said = f"all {rows.sum()} rows that are labelled have label '{word}'"
        elif not train.any():
            said = f"no row of the train split has label '{word}' ({int(own[rows].sum())} rows in all have it)"
        elif train.all():
            said = f"all {len(train)} rows of the train split have label '{word}'"
        else:
            lacking = [part for part in ("validation", "test") if not own[rows & (splits == part)].any()]
            notes += [f"target {name}: no row of the {part} split has label '{word}'" for part in lacking]
            continue
        way = "label more rows; or leave it out: take its column out of `columns`, or the word out of the cells and `classes`"
        errors.append(UserError(said, f"target {name}", "some rows with it and some without", f"{way}; {NOT_A_LABEL}"))
    raise_all(errors)
    return notes


def note_on_lists(name, text):
    """A note if the classes of a target look like lists of labels; list of str."""
    found = looks_like_lists(text)
    if found is None:
        return []
    shown, mark = found
    how = "kind: multilabel" + (f", separator: '{mark}'" if mark else "")
    return [f"target {name}: its cells look like lists of labels, such as {shown!r}: {how}"]


def looks_like_lists(text):
    """(a cell, the mark between its labels) if the cells of a column look like lists of labels, else None.

    They do if nearly all cells with a mark in them split into words that are cells by themselves; with a list's brackets
    around all of them they do, too (the mark is then None). Names with commas in them are no lists.
    """
    cells = [cell for cell in text.dropna().unique() if cell]
    shown = next((cell for cell in cells if cell.startswith("[")), None)
    if len(cells) > 1 and all(cell.startswith("[") and cell.endswith("]") for cell in cells):
        return shown, None
    for mark in MARKS:
        several = {cell: [word.strip() for word in cell.split(mark)] for cell in cells if mark in cell}
        alone = {cell for cell in cells if mark not in cell}
        if mark != ",":  # rarely in a name: words that recur will do
            words = pd.Series([word for one in several.values() for word in set(one)], dtype=object).value_counts()
            alone |= set(words.index[words > 1])
        fits = [
            cell for cell, words in several.items() if len(set(words)) > 1 and alone.issuperset(filter(None, words))
        ]
        if len(fits) > 1 and len(fits) >= 0.8 * len(several):
            return fits[0], mark
    return None
