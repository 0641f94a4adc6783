"""From a table's columns to a listing, for every reader whose samples are in Arrow tables."""

import fnmatch
import json
import posixpath
import re

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.common.errors import UserError, did_you_mean, raise_all
from graft.data.images import SUFFIXES
from graft.data.listing.files import TEXT_SUFFIXES
from graft.data.listing.rows import SUBGROUP, as_text, composed, listed, listing, one_spelling, places
from graft.data.tables.cells import holds_bytes, ids, lists, strings

LISTED = ("id", "group", "split", "fold", "weight")
GUESSES = {
    "path": ("path", "file", "filename", "file_name", "image_path", "filepath", "image", "img"),
    "text": ("text", "sentence", "content", "document"),
    "features": ("features", "embedding", "vector"),
}


def frame_of(table, entry, name, content, split=None):
    """One table's rows as a frame (see rows.Listing).

    Parameters
    ----------
    table : pyarrow.Table that holds at least the columns that `entry` names, but perhaps not the contents
    entry : dict, the data set's entry
    name : str, the table's path relative to the root
    content : (modality, key, column): what `content_of` gave
    split : str, optional, the split of the whole table
    """
    kept = _kept(table, entry, name)
    row = np.flatnonzero(kept)
    table = table.filter(pa.array(kept)) if not kept.all() else table
    columns = {"table": name, "table_row": row, "split": split}
    for key in LISTED:
        column = entry["columns"].get(key)
        if column:
            columns["sample_id" if key == "id" else key] = (ids if key == "id" else strings)(table, column, name)
    columns |= {SUBGROUP + column: strings(table, column, name) for column in entry["subgroups"]}
    _, key, column = content
    if key == "path":
        columns["path"] = _normal(strings(table, column, name))
        columns.setdefault("sample_id", columns["path"])
    else:
        columns["path"], columns["row"] = name, row
        columns.setdefault("sample_id", [f"{name}#{number}" for number in row])
    labels = {target: labels_of(table, target, facts, name) for target, facts in entry["targets"].items()}
    return listing(columns, labels, {}).frame


def join(frames, facts):
    """The listing of several tables, with its mistakes in ids and paths raised."""
    frame = pd.concat(frames, ignore_index=True) if len(frames) > 1 else frames[0]
    if not len(frame):
        raise UserError("no row is left after `keep`", ", ".join(facts.get("tables", ())) or None)
    nameless = frame["sample_id"].isna() & frame["path"].isna()  # no file is named: the check of samples says so
    if nameless.any():
        frame.loc[nameless, "sample_id"] = frame["table"] + "#" + frame["table_row"].astype(str)
    raise_all(_bad_ids(frame) + _bad_paths(frame))
    return listing(frame, {c[6:]: frame[c] for c in frame.columns if c.startswith("label:")}, facts)


def target_column(name, facts):
    return facts.get("column") or name


def columns_of_classes(facts):
    """{class: column} of a target with one column per class; None of other targets."""
    columns = facts.get("columns")
    return columns if columns is None or isinstance(columns, dict) else {name: name for name in columns}


def target_columns(name, facts):
    """The columns that hold a target's labels, list of str."""
    by_class = columns_of_classes(facts)
    return [target_column(name, facts)] if by_class is None else list(by_class.values())


def all_target_columns(entry):
    """The columns that hold the labels of any target, list of str."""
    return [column for name, facts in entry["targets"].items() for column in target_columns(name, facts)]


def labels_of(table, name, facts, where):
    """A target's labels as texts, which labels.read_targets understands."""
    by_class = columns_of_classes(facts)
    if by_class:
        return as_objects({word: strings(table, column, where) for word, column in by_class.items()})
    read = lists if facts.get("kind") == "multilabel" else strings
    return read(table, target_column(name, facts), where, is_number(facts))


def as_objects(cells):
    """JSON objects of the cell of each class; `cells` are {class: Arrow strings}."""
    rows = zip(*(values.to_pylist() for values in cells.values()), strict=True)
    return [json.dumps(dict(zip(cells, row, strict=True)), ensure_ascii=False) for row in rows]


def is_number(facts):
    """Whether a target's labels are read as numbers."""
    return facts.get("kind") == "regression" or facts.get("threshold") is not None


def check_columns(schema, entry, where):
    """Raise if columns that the entry names are missing, all at once."""
    names = schema.names
    wanted = [(f"columns.{key}", entry["columns"].get(key)) for key in (*LISTED, "path", "text")]
    for name, facts in entry["targets"].items():
        wanted += [(f"targets.{name}", column) for column in target_columns(name, facts)]
    wanted += [(f"keep.{column}", column) for column in entry["keep"]]
    wanted += [("subgroups", column) for column in entry["subgroups"]]
    errors = [
        UserError(
            f"there is no column '{column}' (named by {key})", where, ", ".join(names[:30]), did_you_mean(column, names)
        )
        for key, column in wanted
        if column and column not in names
    ]
    if entry["columns"].get("features"):
        try:
            feature_columns(schema, entry["columns"]["features"], where, _others(entry))
        except UserError as error:
            errors.append(error)
    raise_all(errors)


def content_of(schema, entry, where):
    """Which column holds the samples themselves.

    Returns
    -------
    (modality or None, key, column)
        key is "path", "bytes" (of images), "text" or "features", whose column is a list of names; the modality is None for
        paths whose kind only the files show.
    """
    named = {key: entry["columns"].get(key) for key in GUESSES if entry["columns"].get(key)}
    if not named:
        labels = set(all_target_columns(entry))
        for key, words in GUESSES.items():
            hits = [name for name in schema.names if name.lower() in words and name not in labels]
            if len(hits) == 1:
                named[key] = hits[0]
    wanted = {"image": ("path",), "text": ("text", "path"), "vector": ("features", "path")}.get(entry["modality"])
    named = {key: column for key, column in named.items() if not wanted or key in wanted}
    if len(named) > 1 and wanted:
        named = {key: named[key] for key in wanted[:1] if key in named}
    if len(named) != 1:
        raise UserError(
            f"it is unclear which column holds the samples ({', '.join(schema.names[:30])})",
            where,
            "exactly one of columns: path (files), text, features (numbers)",
            "name it under `columns`, and say `modality: image`, `text` or `vector`",
        )
    ((key, column),) = named.items()
    modality = {"text": "text", "features": "vector"}.get(key)
    if key == "path" and holds_bytes(schema, column):
        key, modality = "bytes", "image"
    if key == "features":
        column = feature_columns(schema, column, where, _others(entry))
    return entry["modality"] or modality, key, column


def used_columns(entry, content, where, before=None):
    """Which columns the samples and their ids are in, in order: new data are read in the same way (see new_data.py).

    `before` is what an earlier table of the data set gave: features must be the same columns in all.
    """
    _, key, column = content
    used = {"path" if key == "bytes" else key: column}
    if before and key == "features" and column != before.get("features", column):
        apart = [f"'{name}'" for name in set(column) ^ set(before["features"])]
        raise UserError(
            f"the features are other columns than in the data set's first table: {', '.join(sorted(apart)[:10])}",
            where,
            f"the same {len(before['features'])} columns in every table",
            "name those that all tables have in `columns: {features: [..]}`",
        )
    ids = {"id": entry["columns"]["id"]} if entry["columns"].get("id") else {}
    return before or {**used, **ids}


def _others(entry):
    """{column: the key of the config that names it} of all columns that are no features."""
    named = {column: f"columns.{key}" for key, column in entry["columns"].items() if key != "features" and column}
    own = {name: target_columns(name, facts) for name, facts in entry["targets"].items()}
    return named | {column: f"targets.{name}" for name, columns in own.items() for column in columns}


def modality_of_paths(paths, where):
    """The modality that the files' suffixes show."""
    suffixes = {posixpath.splitext(path)[1].lower() for path in paths}
    if suffixes <= SUFFIXES - {".npy"}:
        return "image"
    if suffixes <= set(TEXT_SUFFIXES):
        return "text"
    if suffixes == {""}:
        raise UserError(
            f"the values of the column of paths are no file names with a suffix, such as '{min(paths)}'",
            where,
            "file names as they are in the source, such as 000.png; the suffix alone may be missing",
            "write the files' names into the table; if the files have no suffix: `modality: image` or `modality: text`",
        )
    raise UserError(
        f"it is unclear from the files' names whether they are images ({', '.join(sorted(suffixes)[:10])})",
        where,
        "modality: image | text | vector",
        "say it in the data set's entry",
    )


def feature_columns(schema, wanted, where, others=()):
    """The columns of a feature vector: `wanted` is a name, a pattern, or a list of both.

    A pattern leaves out the columns that `others` (see `_others`) names: a target among the features would foretell
    itself. Its columns have the order of their names, with 9 before 10, independent of their order in the tables.
    """
    names = []
    for pattern in [wanted] if isinstance(wanted, str) else wanted:
        if pattern in schema.names:
            hits = [pattern]
        else:
            hits = sorted(set(fnmatch.filter(schema.names, pattern)).difference(others), key=_natural)
        if not hits:
            hint = did_you_mean(pattern, schema.names)
            raise UserError(f"no column fits features '{pattern}'", where, ", ".join(schema.names[:30]), hint)
        names += [name for name in hits if name not in names]
    answers = [f"'{name}'" for name in names if others and others.get(name, "").startswith("targets.")]
    if answers:
        raise UserError(
            f"columns are features and targets, too: {', '.join(answers)}",
            where,
            "features that do not hold the answer",
            "take them out of `columns.features`",
        )
    return names


def _natural(name):
    """A key that sorts names with the numbers in them as numbers."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", name) if part]


def columns_of_content(content):
    """The names of the columns that hold the samples; `content` is what `content_of` gave."""
    _, key, column = content
    return column if key == "features" else [column]


def _kept(table, entry, where):
    """Which rows `keep` leaves (bool array)."""
    kept = np.ones(table.num_rows, bool)
    for column, patterns in entry["keep"].items():
        values = composed(as_text(strings(table, column, where), table.num_rows)).str.strip()
        patterns = [patterns] if isinstance(patterns, str) else patterns
        fits = np.zeros(table.num_rows, bool)
        for spelled in (values, one_spelling(values.mask(values == ""))):  # 2020.0 is kept by 2020, too
            fitting = [v for v in spelled.dropna().unique() if any(fnmatch.fnmatchcase(v, str(p)) for p in patterns)]
            fits |= spelled.isin(fitting).to_numpy(bool)
        kept &= fits
    return kept


def _normal(paths):
    """Paths without `./` and `//`; others are left alone."""
    paths = as_text(paths, len(paths)).str.strip()
    paths = paths.mask(paths == "")
    odd = paths.str.contains(r"(?:^|/)\.{1,2}(?:/|$)|//|/$", regex=True, na=False).to_numpy(bool)
    if odd.any():
        paths = paths.astype(object)
        paths[odd] = [posixpath.normpath(path) for path in paths[odd]]
        paths = paths.astype("str")
    return paths


def _bad_ids(frame):
    ids = frame["sample_id"]
    empty = ids.isna() | (ids == "")
    is_file = (frame["row"] < 0) & (ids == frame["path"])
    errors = []
    if empty.any():
        where = listed(places(frame[empty]))
        errors.append(UserError(f"{empty.sum()} rows without an id:{where}", allowed="a different id in every row"))
    twice = ids.duplicated(keep=False) & ~empty
    if twice.any():
        rows = frame[twice].sort_values("sample_id", kind="stable")
        labels = [c for c in rows.columns if c.startswith("label:")]
        lines = [
            f"'{name}': {place}" + "".join(f", {c[6:]} = {v}" for c, v in zip(labels, values, strict=True))
            for name, place, *values in zip(rows["sample_id"], places(rows), *(rows[c] for c in labels), strict=True)
        ]
        what = "the same file is in several rows" if is_file[twice].all() else "the same id is in several rows"
        hint = "remove the repeated rows; if a file may be in several rows, name a column with ids (columns: id)"
        if frame["table_row"].eq(frame["row"]).all():  # the samples are in the table itself
            hint = "remove the repeated rows; or leave `columns.id` out: rows are then called by their table and number"
        errors.append(UserError(f"{what} ({twice.sum()} rows):{listed(lines)}", hint=hint))
    return errors


def _bad_paths(frame):
    """Paths that lead out of the root by their letters alone; links are looked at when the files are read."""
    paths = frame["path"]
    out = paths.str.contains(r"^[/~]|(?:^|/)\.\.(?:/|$)|\x00|^[A-Za-z]:[\\/]", regex=True, na=False)
    if not out.any():
        return []
    lines = listed(places(frame[out]))
    return [
        UserError(
            f"{out.sum()} paths that lead out of the data set's folder:{lines}",
            allowed="paths relative to the source, without ..",
        )
    ]
