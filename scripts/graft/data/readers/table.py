"""Samples in a table of any kind that kinds.py knows; with paths of files, texts, features or images' bytes."""

import functools
import threading
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.errors import UserError, did_you_mean, first_line
from graft.common.fingerprint import ignored
from graft.common.spelling import nfc
from graft.data.listing.files import find_files
from graft.data.listing.rows import SPLIT_OF, follows, inside
from graft.data.tables import cells, columns, kinds
from graft.data.tables.delimited import decode, notes_on_encoding, read_delimited
from graft.data.tables.sdf import read_sdf

TEXT = (".csv", ".tsv", ".tab", ".jsonl", ".ndjson", ".sdf")
SUFFIXES = TEXT + (".parquet", ".pq", ".feather", ".arrow", ".orc", ".dta", ".sas7bdat", ".xpt")
SUFFIXES += tuple(suffix + packed for suffix in TEXT for packed in (".gz", ".bz2", ".xz", ".zst", ".zip"))
NAMED = ".csv .tsv .jsonl .parquet .feather .orc .dta .sdf .csv.gz"  # the usual ones, for messages


def looks_right(root):
    """Whether tables are at the top of a data root, or in each of its folders of splits."""
    return bool(tables_of(root) or tables_of_splits(root))


def prefer(likely, root):
    """Tables in folders of splits alone (train/metadata.csv) count beside loose files, but not beside shards or classes."""
    if "table" not in likely or tables_of(root):
        return likely
    shards = "hub" in likely and not all(name.endswith("/metadata.parquet") for name in tables_of_splits(root))
    return [name for name in likely if name != "table"] if shards or _has_classes(root) else ["table"]


def _has_classes(root):
    """Whether there are folders in the folders of a data root, as of classes in those of splits."""
    tops = (entry for entry in Path(root).iterdir() if entry.is_dir() and not ignored(entry.name))
    return any(below.is_dir() and not ignored(below.name) for top in tops for below in top.iterdir())


def list_samples(entry, root):
    """The rows of the user's tables (rows.Listing)."""
    frames, notes, content = [], [] if entry["table"] else notes_on_others(root, tables(entry, root)), None
    facts = {"tables": {}, "notes": notes}
    for name, split in tables(entry, root).items():
        schema, read = open_table(entry, root, name)
        columns.check_columns(schema, entry, name)
        content = columns.content_of(schema, entry, name)
        wanted = listed_columns(schema, entry, content)
        table, found = read(wanted)
        if not table.num_rows:
            raise UserError("the table has no rows of data", name, "a header row and at least one row of data")
        notes += [f"{name}: {note}" for note in found.get("notes", ())]
        facts["tables"][name] = {"rows": table.num_rows, **{key: one for key, one in found.items() if key != "notes"}}
        facts["columns"] = columns.used_columns(entry, content, name, facts.get("columns"))
        frame = columns.frame_of(table, entry, name, content, split)
        frames.append(find_files(frame, root, name, entry, notes) if content[1] == "path" else frame)
    listing = columns.join(frames, facts)
    modality = content[0] or columns.modality_of_paths(listing.frame["path"].dropna(), ", ".join(facts["tables"]))
    listing.facts["modality"] = modality
    return listing


def rows(entry, root, name):
    """The modality, and a function that gives the content of a row, of table `name`."""
    schema, read = open_table(entry, root, name)
    content = columns.content_of(schema, entry, name)
    wanted = columns.columns_of_content(content)
    if _kind(entry, root, name) == "parquet":
        return content[0], rows_by_group(entry, root, name, content, wanted)
    return content[0], cells.contents(read(wanted)[0], content, name, entry["decimal"])


def tables(entry, root):
    """{table: split or None} of a data set."""
    table = entry["table"]
    if isinstance(table, dict):
        return {name: split for split, name in table.items()}
    if table:
        return {table: None}
    found = tables_of(root)
    if len(found) == 1:
        return {found[0]: None}
    if not found and tables_of_splits(root):
        return tables_of_splits(root)
    splits = [SPLIT_OF.get(PurePosixPath(name).stem.lower()) for name in found]
    if found and None not in splits and len(set(splits)) == len(splits):
        return dict(zip(found, splits, strict=True))
    raise UserError(
        f"it is unclear which table lists the samples ({', '.join(found) or 'there is none'})",
        "table",
        f"one file, or one per split; {NAMED}",
        "name it: `table: labels.csv` or `table: {train: a.csv, test: b.csv}`",
    )


def tables_of(root):
    names = (entry.name for entry in Path(root).iterdir())
    return sorted(nfc(name) for name in names if name.lower().endswith(SUFFIXES) and not name.startswith("."))


def tables_of_splits(root):
    """{train/metadata.csv: train, ..} where every folder of a split holds one table beside its files, else {}."""
    found = {}
    for folder in sorted(Path(root).iterdir()):
        split = SPLIT_OF.get(folder.name.lower())
        if split and folder.is_dir():
            names = tables_of(folder)
            if len(names) != 1 or split in found.values():
                return {}
            found[f"{folder.name}/{names[0]}"] = split
    return found


def notes_on_others(root, taken):
    """A note on tables in folders beside those of splits, as in train/ and evaluation/: they are not looked at."""
    folders = [folder for folder in sorted(Path(root).iterdir()) if folder.is_dir() and not folder.name.startswith(".")]
    others = [name for folder in folders for one in tables_of(folder) if (name := f"{folder.name}/{one}") not in taken]
    if not others or not any("/" in name for name in taken):
        return []
    way = ", ".join(f"{split}: {name}" for name, split in taken.items())
    return [f"not looked at: {', '.join(others[:10])}; if it is a split, name all: table: {{{way}, test: {others[0]}}}"]


def open_table(entry, root, name):
    """(schema, read): `read(columns)` gives the table with those columns, and facts."""
    try:
        path = Path(inside(root, name, f"table {name}", follows(entry)))
    except UserError as error:
        error.hint = error.hint or did_you_mean(name, tables_of(root))
        raise UserError(error.what, error.where, error.allowed, error.hint) from None
    status = path.stat()
    if not status.st_size:
        raise UserError("the table is empty", name, hint="a table needs a header row and at least one row of data")
    if _kind(entry, root, name) == "parquet":
        return open_parquet(entry, path, name)
    table, facts = _parse(path, status.st_mtime_ns, status.st_size, name, _options(entry))
    table = table.slice(entry["skip_rows"])
    return table.schema, lambda wanted: (table.select(wanted), facts)


def _kind(entry, root, name):
    with open(inside(root, name, follow=follows(entry)), "rb") as file:  # noqa: PTH123
        return kinds.kind_of(file.read(kinds.START), name)


def open_parquet(entry, path, name):
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UserError(
            f"not a readable Parquet file ({first_line(error)})",
            name,
            hint="the file may be cut short; write or copy it again",
        ) from None

    schema = composed_columns(file.schema_arrow.empty_table(), name).schema
    raw = dict(zip(schema.names, file.schema_arrow.names, strict=True))

    def read(wanted):
        try:
            table = composed_columns(file.read(columns=[raw[column] for column in wanted]))
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"a damaged Parquet file ({first_line(error)})", name) from None
        return table.select(wanted).slice(entry["skip_rows"]), {"encoding": "parquet"}

    return schema, read


def composed_columns(table, where=None):
    """The table with its columns' names in Unicode NFC; UserError if two are then the same."""
    names = [nfc(name) for name in table.column_names]
    repeated = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if repeated:
        raise UserError(f"columns with the same name: {', '.join(repeated)}", where, hint="rename them in the table")
    return table.rename_columns(names).replace_schema_metadata(table.schema.metadata)


def rows_by_group(entry, root, name, content, wanted):
    """Contents, in the columns `wanted`, are read one row group at a time: the file may be larger than the memory.

    But numbers that are written as text are read at once: what their commas mean is decided by the whole column.
    """
    path = inside(root, name, follow=follows(entry))
    file = pq.ParquetFile(path)
    raw = {nfc(column): column for column in file.schema_arrow.names}
    if content[1] == "features" and cells.hold_text(file.schema_arrow, [raw[column] for column in wanted]):
        whole = open_parquet(entry, path, name)[1](wanted)[0]
        return cells.contents(whole, content, name, entry["decimal"])
    starts = np.cumsum([0] + [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)])

    @functools.lru_cache(maxsize=4)
    def group(number):
        try:
            table = composed_columns(file.read_row_group(number, columns=[raw[column] for column in wanted]))
        except (pa.ArrowException, OSError) as error:
            raise UserError(f"a damaged Parquet file ({first_line(error)})", name) from None
        return cells.contents(table, content, name)

    lock = threading.Lock()  # a ParquetFile is for one thread at a time

    def row_of(row):
        row += entry["skip_rows"]
        number = int(np.searchsorted(starts, row, side="right")) - 1
        with lock:
            get = group(number)
        return get(row - int(starts[number]))

    return row_of


def _options(entry):
    named = [column for key, column in entry["columns"].items() if column and key != "features"]
    wanted = [*named, *columns.all_target_columns(entry), *entry["keep"]]
    return (
        entry["separator"],
        entry["encoding"],
        tuple(entry["header"] or ()),
        tuple(dict.fromkeys(wanted)),
        entry["skip_lines"],
    )


@functools.lru_cache(maxsize=4)
def _parse(path, mtime_ns, size, name, options):
    """One table is asked for its rows and later for their contents: it is parsed once."""
    data, packed = path.read_bytes(), []
    kind = kinds.kind_of(data[: kinds.START], name)
    while (inner := kinds.unpacked(data, kind, name)) is not None:
        data, packed = inner, [*packed, kind]
        kind = kinds.kind_of(data[: kinds.START], name)
    facts = {"packed": ", ".join(packed)} if packed else {}
    separator, encoding, header, wanted, skip_lines = options
    if kind == "json":
        data, found = decode(data, name, encoding)
        facts |= {"encoding": found, "notes": notes_on_encoding(encoding, found)}
    if kind == "sdf":
        text, found = decode(data, name, encoding)
        table, notes = read_sdf(text, name, wanted)
        return composed_columns(table, name), facts | {"format": kind, "encoding": found, "notes": notes}
    if kind != "text":
        table = kinds.read_typed(data, kind, name)
        return composed_columns(table, name), facts | {"format": kind}
    table, found = read_delimited(data, name, separator, encoding, header or None, wanted, skip_lines)
    return table, found | facts


def listed_columns(schema, entry, content):
    """The columns that a listing needs: everything but texts, features and images' bytes."""
    wanted = [entry["columns"].get(key) for key in columns.LISTED]
    wanted += columns.all_target_columns(entry)
    wanted += [*entry["keep"], *entry["subgroups"]]
    if content[1] == "path":
        wanted.append(content[2])
    return list(dict.fromkeys(name for name in wanted if name))
