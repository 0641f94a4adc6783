"""Guess the entry of a table, of arrays, and of a data set as the hub stores it."""

import numpy as np
import pyarrow as pa

from graft.errors import UserError
from graft.names import plain
from graft.readers import arrays, complete, hub, table
from graft.readers.rows import SPLIT_OF
from graft.survey.columns import describe, guess_roles

LOOKED_AT = 5000  # rows


def guess_table(found, root, name=None):
    """Fill in table and columns; `name` is the table's file, or None if the folder's own tables tell."""
    entry = found.entry
    entry["reader"] = "table"
    if name:
        entry["table"] = name
    try:
        names = table.tables(complete(entry), root)
    except UserError:
        largest = max(table.tables_of(root), key=lambda one: (root / one).stat().st_size)
        entry["table"], names = largest, {largest: None}
        found.reasons["table"] = "the largest table of the folder"
    if not name and "table" not in entry:
        split = {split: one for one, split in names.items()}
        entry["table"] = next(iter(names)) if None in split else split
    first = next(iter(names))
    _, read = table.open_table(complete(entry | {"targets": {}}), root, first)
    schema, _ = table.open_table(complete(entry | {"targets": {}}), root, first)
    rows, facts = read(schema.names)
    if facts.get("encoding") not in (None, "utf-8", "parquet"):
        entry["encoding"] = facts["encoding"]
        found.reasons["encoding"] = "the bytes are no UTF-8"
    if facts.get("separator") not in (None, "comma", "tab"):
        entry["separator"] = facts["separator"]
    _refuse_no_header(schema.names, first)
    _fill(found, rows.slice(0, LOOKED_AT), given_split=len(names) > 1)


def guess_hub(found, root):
    """Fill in the columns of a hub data set from its first shard."""
    found.entry["reader"] = "hub"
    shards = hub.shards(root)
    schema, read = hub.open_shard(root, shards[0])
    rows = hub.named_classes(read(schema.names).slice(0, LOOKED_AT))
    _fill(found, rows, given_split=len({hub.split_of(name) for name in shards}) > 1)


def guess_arrays(found, root, name=None):
    """Fill in the arrays of an .npz file or of a folder of .npy files."""
    entry = found.entry
    entry["reader"] = "arrays"
    names = [name] if name else sorted(p.name for p in root.iterdir() if p.name.endswith((".npz", ".npy")))
    packed = [one for one in names if one.endswith(".npz")]
    first = (packed or names)[0]
    if len(packed) > 1:
        splits = {SPLIT_OF.get(one[:-4].lower()): one for one in packed}
        if None in splits or len(splits) < len(packed):
            raise UserError(
                f"{len(packed)} array files: {', '.join(packed[:10])}", str(root), hint="name one: DATA=folder/file.npz"
            )
        entry["table"] = splits
    elif packed:
        entry["table"] = first
    held = arrays.open_arrays(str(root), first)
    samples = max((key for key in held if held[key].ndim >= 2), key=lambda key: held[key].size, default=None)
    if samples is None:
        raise UserError(f"no array of samples ({', '.join(held)})", first, "one of shape (samples, width) or images")
    flat = {key: values for key, values in held.items() if values.ndim == 1 and len(values) == len(held[samples])}
    flat |= {
        key: v[:, 0] for key, v in held.items() if v.ndim == 2 and v.shape[1] == 1 and len(v) == len(held[samples])
    }
    columns = {key: pa.array(np.asarray(values[:LOOKED_AT]).astype(str)) for key, values in flat.items()}
    _fill(found, pa.table(columns), given_split=isinstance(entry.get("table"), dict), content=("features", samples))


def _fill(found, rows, given_split, content=None):
    """Columns and targets of the entry, from a table's first rows."""
    roles = guess_roles(describe(rows), content)
    entry, columns = found.entry, {}
    if roles.content is None:
        raise UserError(
            f"cannot tell which column holds the samples ({', '.join(rows.column_names[:30])})",
            str(entry.get("table", entry["source"]["path"])),
            "a column of file names, of texts, of lists of numbers, or at least 4 columns of numbers",
            "start from config/examples/ and name it under `columns`",
        )
    columns[roles.content[0]] = roles.content[1]
    for key in ("id", "group", "split"):
        if getattr(roles, key) and not (key == "split" and given_split):
            columns[key] = getattr(roles, key)
    entry["columns"] = columns
    if not roles.targets:
        raise UserError(
            f"no column looks like a label or a value to predict ({', '.join(rows.column_names[:30])})",
            str(entry.get("table", entry["source"]["path"])),
            "a column of few repeated words or of numbers",
            "start from config/examples/ and name it under `targets`",
        )
    entry["targets"] = {}
    for column, kind in roles.targets:
        name = _target_name(column, entry["targets"])
        entry["targets"][name] = {"column": column, **({"kind": kind} if kind == "regression" else {})}
        if len(roles.targets) > 1:
            found.reasons[f"target:{name}"] = "take this line out if it is nothing to learn"
    if roles.others:
        shown = ", ".join(roles.others[:8]) + (", .." if len(roles.others) > 8 else "")
        found.notes.append(f"columns that are not used: {shown}")
    found.notes += roles.notes


def _target_name(column, taken):
    """A column's name as a name in the config."""
    name = (
        "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in plain(column)).strip("-_")[:40]
        or "target"
    )
    name = name if name[0].isalnum() else f"t{name}"
    reserved = ("sample_id", "path", "row", "content_sha256", "split", "fold", "group")
    return f"{name}-value" if name in reserved or name in taken else name


def _refuse_no_header(names, where):
    def is_number(word):
        try:
            float(word)
        except ValueError:
            return False
        return True

    if all(is_number(name) for name in names):
        raise UserError(
            "the first line holds numbers alone: the table seems to have no header row",
            where,
            hint="add a first line with the columns' names, or write a config with `header: [..]`",
        )
