"""A data set as the Hugging Face hub stores it: Parquet files of a snapshot, or a folder of `save_to_disk`.

Only the files are read, with Arrow; the `datasets` library, which may run code, is not asked.
"""

import json
import posixpath
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from graft.common.errors import UserError, first_line
from graft.common.fingerprint import walk
from graft.common.spelling import nfc
from graft.data.listing.rows import SPLIT_OF, follows, inside
from graft.data.readers import table as table_reader
from graft.data.tables import cells, columns

SHARD = re.compile(r"(?:^|[/_.-])([A-Za-z]+)(?:[-_.]\d+(?:-of-\d+)?)*(?:-[0-9a-f]{6,})?\.(?:parquet|arrow)$")


def looks_right(root):
    """Whether a data root is a folder of `save_to_disk`, or holds the hub's data/*.parquet."""
    names = {entry.name for entry in Path(root).iterdir()}
    return bool(names & {"dataset_dict.json", "state.json"}) or any(
        path.endswith(".parquet") and "/" in path for path, _ in walk(root)
    )


def prefer(likely, root):
    """The hub's files are in folders, too."""
    return ["hub"] if "hub" in likely and set(likely) <= {"hub", "folder"} else likely


def list_samples(entry, root):
    """The rows of all shards (rows.Listing). A shard's split is read from its folder or name, as on the hub."""
    frames, facts, content = [], {"tables": {}}, None
    names = shards(root)
    if not names:
        raise UserError("no .parquet or .arrow file below the source", "source", hint="is it a data set of the hub?")
    for name in names:
        schema, read = open_shard(root, name, follows(entry))
        columns.check_columns(schema, entry, name)
        content = columns.content_of(schema, entry, name)
        table = read(table_reader.listed_columns(schema, entry, content))
        facts["tables"][name] = {"rows": table.num_rows}
        names = class_names(table.schema)
        facts["named"] = [
            t for t, found in entry["targets"].items() if set(columns.target_columns(t, found)) <= set(names)
        ]
        facts["columns"] = columns.used_columns(entry, content, name, facts.get("columns"))
        # A split column of the user's is more than what the shard is called.
        split = None if entry["columns"].get("split") else split_of(name)
        frames.append(columns.frame_of(named_classes(table), entry, name, content, split))
    listing = columns.join(frames, facts)
    listing.facts["modality"] = content[0] or columns.modality_of_paths(listing.frame["path"].dropna(), "columns.path")
    return listing


def rows(entry, root, name):
    """The modality, and a function that gives the content of a row, of shard `name`."""
    schema, read = open_shard(root, name, follows(entry))
    content = columns.content_of(schema, entry, name)
    wanted = columns.columns_of_content(content)
    if name.endswith(".parquet"):
        return content[0], table_reader.rows_by_group({**entry, "skip_rows": 0}, root, name, content, wanted)
    return content[0], cells.contents(read(wanted), content, name, entry["decimal"])


def shards(root):
    files = [path for path, entry in walk(root) if path.endswith((".parquet", ".arrow")) and entry is not None]
    return sorted(path for path in files if not posixpath.basename(path).startswith("cache-"))


def split_of(name):
    """train of data/train-00000-of-00001.parquet, of plain_text/train/0000.parquet and of train/data-00000.arrow."""
    hit = SHARD.search(posixpath.basename(name))
    for word in (hit.group(1) if hit else "", *reversed(posixpath.dirname(name).split("/"))):
        if word.lower() in SPLIT_OF:
            return SPLIT_OF[word.lower()]
    return None


def open_shard(root, name, follow=False):
    """(schema, read): `read(columns)` gives a shard's table with those columns."""
    path = inside(root, name, follow=follow)
    if name.endswith(".parquet"):
        schema, read = table_reader.open_parquet({"skip_rows": 0}, path, name)
        return schema, lambda wanted: read(wanted)[0]
    table = table_reader.composed_columns(_mapped(path, name), name)
    return table.schema, table.select


def _mapped(path, name):
    """An Arrow file of `save_to_disk` as a table that stays on the disk."""
    source = pa.memory_map(path)
    try:
        try:
            return pa.ipc.open_stream(source).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_file(source).read_all()
    except (pa.ArrowException, OSError) as error:
        raise UserError(f"not a readable file ({first_line(error)})", name, hint="the file may be cut short") from None


def class_names(schema):
    """{column: its classes} of those columns of numbers for which the hub's metadata name classes."""
    try:
        features = nfc(json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))["info"]["features"])
    except (ValueError, KeyError, TypeError):
        return {}
    named = {}
    for name in schema.names:
        feature = features.get(name)
        is_class = isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        if is_class and feature.get("names") and pa.types.is_integer(schema.field(name).type):
            named[name] = [str(word) for word in feature["names"]]
    return named


def named_classes(table):
    """Class numbers replaced by the names that the hub's metadata give them; -1 is unlabelled there."""
    for name, names in class_names(table.schema).items():
        codes = table[name].combine_chunks()
        known = pc.and_(pc.greater_equal(codes, 0), pc.less(codes, len(names)))
        beyond = pc.sum(pc.greater_equal(codes, len(names))).as_py()
        if beyond:
            raise UserError(f"{beyond} class numbers of column '{name}' are beyond its {len(names)} names", name)
        codes = pc.if_else(known, codes, pa.scalar(None, codes.type))
        position = table.schema.get_field_index(name)
        table = table.set_column(position, name, pc.take(pa.array(names), codes.cast(pa.int64())))
    return table
