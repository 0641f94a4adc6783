"""Guess the entry of a table, of arrays, and of a data set as the hub stores it."""

import posixpath
import re

import numpy as np
import pyarrow as pa

from graft.common.errors import UserError, first_line
from graft.common.fingerprint import walk
from graft.common.spelling import plain
from graft.data.images import SUFFIXES
from graft.data.listing.array_splits import split_and_rest
from graft.data.listing.files import TEXT_SUFFIXES
from graft.data.readers import arrays, complete, hub, table
from graft.data.samples import COLUMNS
from graft.data.survey.column_facts import describe
from graft.data.survey.columns import guess_roles
from graft.data.survey.targets import facts_of_target
from graft.data.survey.words import split_of_name
from graft.data.tables import columns

LOOKED_AT = 5000  # rows
FILES = (SUFFIXES - {".npy"}) | frozenset(TEXT_SUFFIXES)
MOST_FILES = 200_000
# What `missing` holds by itself, of which a config needs these.
MISSING_TOO = ("#N/A", "N/A", "NA", "NaN", "None", "NULL")


def guess_table(found, root, name=None):
    """Fill in table and columns; `name` is the table's file, or None if the folder's own tables say it."""
    entry = found.entry
    entry["reader"] = "table"
    names = {name: None} if name else _tables(found, root)
    first = next((one for one, split in names.items() if split == "train"), next(iter(names)))
    schema, rows, facts = _open(found, root, first)
    if facts.get("encoding") not in (None, "utf-8", "parquet"):
        entry["encoding"] = facts["encoding"]
        found.reasons["encoding"] = "the bytes are no UTF-8; if letters look wrong, name the right one"
    if facts.get("separator") not in (None, "comma", "tab"):
        entry["separator"] = facts["separator"]
    _refuse_no_header(schema.names, first)
    entry["table"] = _by_split(names)
    if name:
        _note_on_parts(found, root, name)
    rows = rows.slice(0, LOOKED_AT)
    looks = _fill(found, rows, given_split=len(names) > 1, paths=_files(root))
    unsure = next((look for look in looks if look.commas and look.kind == "numbers"), None)
    if unsure and facts.get("separator") != "comma":  # where commas separate, those in numbers divide thousands
        entry["decimal"] = "comma"
        found.reasons["decimal"] = f"'{unsure.filled.iloc[0]}' in column {unsure.name}; 1,234 may be 1234 elsewhere"
    if len(names) > 1:
        entry["table"] = _by_split(_complete_ones(found, root, names, first))


def _tables(found, root):
    """{table: split or None} of a folder: its only one, one per split, or the largest."""
    try:
        taken = table.tables(complete(found.entry), root)
        found.notes += table.notes_on_others(root, taken)
        return taken
    except UserError:
        every = table.tables_of(root)
    parts, others = parts_of_a_study(every)
    if not parts:
        train = [one for one in every if split_of_name(one.split(".")[0])[0] == "train"]
        best = max(train or every, key=lambda one: (root / one).stat().st_size)
        parts, others = {best: None}, [one for one in every if one != best]
        found.reasons["table"] = "its name says train" if train else "the largest table of the folder"
    else:
        found.reasons["table"] = "the names say which split each is"
    if others:
        found.notes.append(
            f"other tables here, which are not looked at: {', '.join(others[:10])}{', ..' * (len(others) > 10)}"
        )
    return parts


def parts_of_a_study(names):
    """{file: split} of files of one study (studyTrain.csv, studyTest.csv), and the others; {} where there are none.

    Parameters
    ----------
    names : list of str, files' names
    """
    studies = {}
    for name in names:
        stem, *suffixes = name.split(".")
        split, rest = split_of_name(stem)
        if split:
            studies.setdefault((rest.lower(), *suffixes), []).append((name, split))
    studies = [some for some in studies.values() if len({split for _, split in some}) == len(some) > 1]
    studies = [some for some in studies if any(split == "train" for _, split in some)]
    parts = dict(max(studies, key=len)) if studies else {}
    return parts, [name for name in names if name not in parts]


def _note_on_parts(found, root, name):
    """A table that is one part of a study: where are the others?"""
    parts, _ = parts_of_a_study(table.tables_of(root))
    others = [other for other in parts if other != name]
    if name in parts and others:
        found.notes.append(
            f"{name} seems to be the {parts[name]} part of a study, and {', '.join(others)} beside it others: with the folder "
            "as DATA they are given splits"
        )


def _by_split(names):
    return next(iter(names)) if len(names) == 1 else {split: one for one, split in names.items()}


def _open(found, root, name):
    """(schema, rows, facts) of a table; lines before its header are passed over, if that is what makes it one."""
    entry = found.entry
    try:
        return _read(entry, root, name)
    except UserError as error:
        later = re.search(r"skip_lines: (\d+)", str(error))
        if not later:
            raise
    entry["skip_lines"] = int(later[1])
    found.reasons["skip_lines"] = "lines before the header row"
    return _read(entry, root, name)


def _read(entry, root, name):
    schema, read = table.open_table(complete(entry | {"targets": {}}), root, name)
    rows, facts = read(schema.names)
    return schema, rows, facts


def _complete_ones(found, root, names, first):
    """The tables that have all columns which the entry names; one without labels is to be predicted."""
    entry = complete(found.entry)
    kept = {}
    for name, split in names.items():
        schema = _read(found.entry, root, name)[0]
        try:
            columns.check_columns(schema, entry, name)
            kept[name] = split
        except UserError as error:
            if name == first:
                raise
            found.notes.append(
                f"{name} is left out ({first_line(error)}); samples without labels can be predicted: make predict"
            )
    return kept


def _files(root):
    """Names of the sample files below the root, with and without their suffixes; none where there is a million."""
    found = set()
    for number, (path, _) in enumerate(walk(root)):
        stem, suffix = posixpath.splitext(posixpath.basename(path))
        if suffix.lower() in FILES:
            found |= {stem, stem + suffix}
        if number > MOST_FILES:
            return frozenset()
    return frozenset(found)


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
    apart = {} if packed or name else _npy_of_splits(names)
    first = next(iter(apart), (packed or names)[0])
    if len(packed) > 1:
        parts, others = parts_of_a_study(packed)
        if others:
            raise UserError(
                f"{len(packed)} array files: {', '.join(packed[:10])}", str(root), hint="name one: DATA=folder/file.npz"
            )
        entry["table"] = _by_split(parts)
        first = entry["table"]["train"]
    elif packed:
        entry["table"] = first
    held = arrays.open_arrays(str(root), first)
    names_of_splits = [key for key in held if split_and_rest(key)[0]]
    own = {key: values for key, values in held.items() if key not in names_of_splits} or held
    samples = max((key for key in own if own[key].ndim >= 2), key=lambda key: _likely(key, held), default=None)
    if samples is None:
        raise UserError(f"no array of samples ({', '.join(held)})", first, "one of shape (samples, width) or images")
    _say_other_parts(found, held, samples, first, bool(names_of_splits) and not apart)
    if held[samples].ndim > 2:
        entry["modality"] = "image"
    flat = {key: values for key, values in own.items() if values.ndim == 1 and len(values) == len(held[samples])}
    flat |= {key: v[:, 0] for key, v in own.items() if v.ndim == 2 and v.shape[1] == 1 and len(v) == len(held[samples])}
    rows = pa.table({key: pa.array(_sampled(values).astype(str)) for key, values in flat.items()})
    given = bool(apart) or isinstance(entry.get("table"), dict)
    _fill(found, rows, given_split=given, content=("features", samples))


def _likely(key, held):
    """Of all arrays the samples have a usual name, or hold all splits, or are the largest."""
    whole = "splits" in held and len(held[key]) == len(held["splits"])
    return key in arrays.SAMPLES, whole, held[key].size


def _say_other_parts(found, held, samples, where, alone):
    """Arrays such as eval_X beside train_X: which split is that? A note; refused where train_X is `alone`."""
    rests = {rest for split, rest in map(split_and_rest, held) if split} if alone else {samples}
    ends = "|".join(re.escape(rest) for rest in rests if rest)
    other = re.compile(rf"(?i).+[_.-]({ends})|({ends})[_.-].+")
    alike = [key for key in held if held[key].ndim > 1 and held[key].shape[1:] == held[samples].shape[1:]]
    unknown = [key for key in alike if not split_and_rest(key)[0] and other.fullmatch(key)]
    if unknown and alone:
        raise UserError(
            f"arrays of several parts, and not all names say a split: {', '.join(held)}",
            where,
            "train, validation, test or pool in each name",
            f"save {', '.join(unknown)} under such names: only you know whether they choose a model or judge it",
        )
    if unknown:
        found.notes.append(f"arrays that are not looked at: {', '.join(unknown)}; if they are a split, call them so")


def _sampled(values):
    """The first values and some of all the others: arrays of which every split has its own are one after the other."""
    return np.asarray(values if len(values) <= 2 * LOOKED_AT else values[:: -(-len(values) // LOOKED_AT)])


def _npy_of_splits(names):
    """{file: split} of the samples' files where every split has its own (X_train.npy, X_test.npy), train first."""
    parts = {name: split_and_rest(name[:-4]) for name in names}
    for word in arrays.SAMPLES:
        found = {name: split for name, (split, rest) in parts.items() if split and rest == word}
        if "train" in found.values() and len(set(found.values())) == len(found) > 1:
            return dict(sorted(found.items(), key=lambda item: item[1] != "train"))
    return {}


def _fill(found, rows, given_split, content=None, paths=frozenset()):
    """Columns and targets of the entry, from a table's first rows."""
    looks = describe(rows)
    roles = guess_roles(looks, content, paths)
    entry, named = found.entry, {}
    if roles.content is None:
        raise UserError(
            f"it is unclear which column holds the samples ({', '.join(rows.column_names[:30])})",
            str(entry.get("table", entry["source"]["path"])),
            "a column of file names, of texts, of lists of numbers, or at least 4 columns of numbers",
            "start from config/examples/ and name it under `columns`",
        )
    named[roles.content[0]] = roles.content[1]
    for key in ("id", "group", "split"):
        if getattr(roles, key) and not (key == "split" and given_split):
            named[key] = getattr(roles, key)
    entry["columns"] = named
    if roles.group and roles.why_group:
        found.reasons["columns"] = f"group {roles.group}: {roles.why_group}"
    if not roles.targets:
        raise UserError(
            f"no column looks like a label or a value to predict ({', '.join(rows.column_names[:30])})",
            str(entry.get("table", entry["source"]["path"])),
            "a column of few repeated words or of numbers",
            "; ".join(
                [
                    *(note for note in roles.notes if "say" in note),
                    "start from config/examples/ and name it under `targets`",
                ]
            ),
        )
    entry["targets"], described = {}, {look.name: look for look in looks}
    for column, kind in roles.targets:
        name = _target_name(column, entry["targets"])
        facts, reason = facts_of_target(described[column], kind)
        entry["targets"][name] = {"column": column, **facts}
        reasons = [reason, "take this line out if it is nothing to learn" if len(roles.targets) > 1 else None]
        if any(reasons):
            found.reasons[f"target:{name}"] = "; ".join(filter(None, reasons))
    learnt = {column for column, kind in roles.targets if kind == "regression"}
    unsure = sorted({word for look in looks if look.name in learnt for word in look.unsure})
    if unsure:
        entry["missing"] = [*MISSING_TOO, *unsure]
        shown = ", ".join(f"'{word}'" for word in unsure)
        found.reasons["missing"] = f"{shown} among numbers is read as 'not measured'"
    if roles.others:
        shown = ", ".join(roles.others[:8]) + (", .." if len(roles.others) > 8 else "")
        found.notes.append(f"columns that are not used: {shown}")
    found.notes += roles.notes
    return looks


def _target_name(column, taken):
    """A column's name as a name in the config."""
    name = (
        "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "-" for c in plain(column)).strip("-_")[:40]
        or "target"
    )
    name = name if name[0].isalnum() else f"t{name}"
    name = f"{name}-value" if name in COLUMNS else name
    others = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(one for one in (name, *others) if one not in taken)


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
