"""New samples for a trained model: what a folder, a file, a table or an array file holds. Labels are not looked for.

They are read as the data that the model learned from were read: data_card.json remembers the columns.
"""

import contextlib
import logging
import os
import posixpath
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from graft.common.errors import UserError, did_you_mean
from graft.common.fingerprint import walk
from graft.common.spelling import nfc
from graft.data import images
from graft.data.images import SUFFIXES as IMAGES
from graft.data.listing.files import SUFFIXES_OF, find_files
from graft.data.listing.rows import SUBGROUP
from graft.data.readers import arrays, complete, spelled_subgroups, table
from graft.data.tables import cells, columns, kinds

logger = logging.getLogger("graft")
ARRAYS = (".npz", ".npy")
KEYS = {"image": "path", "text": "text", "vector": "features"}  # as under `columns` of a data set
NAME_IT = {
    "image": "COLUMN=NAME names the column of file names",
    "text": "COLUMN=NAME names the column of texts",
    "vector": "COLUMN=NAME, COLUMN='wave_*' or COLUMN=a,b,c names the columns of numbers",
}


def list_new(data, card, column=None, subgroups=()):
    """The samples of `data`.

    Parameters
    ----------
    data : path of a folder (with all its sub-folders), of one sample, of a table or of an array file
    card : dict, what trained_model.card_of says of the data that the model learned from
    column : str, optional, the column (or array) of the samples; for vectors also a pattern, or several with commas
    subgroups : list of str, columns of a table that are read, too, if they are there

    Returns
    -------
    SimpleNamespace
        rows : DataFrame with sample_id (the path relative to `data`, or the row's id), path and row as in a manifest,
        and reason, null except for samples that cannot even be looked at; SUBGROUP with a name per column of `subgroups` that is
        there; entry and root, for the readers

    Raises
    ------
    UserError
        If nothing in `data` is a sample, or if it is unclear which column holds the samples.
    """
    path, modality, known, column = Path(data), card["modality"], card["columns"], nfc(column)
    if not str(data):
        raise UserError("no data are named", "DATA", "a folder, a file, a table or an array file")
    if not path.exists():
        raise UserError("there is no such file or folder", str(data))
    entry = entry_of(card)
    if path.is_dir():
        return files_as_samples(_files_below(path, modality), entry, path)
    if _is_table(path, modality):
        return _rows_of_table(path, entry, known, column, subgroups)
    if modality != "text" and path.name.endswith(ARRAYS) and not _is_one_sample(path, card):
        return _rows_of_arrays(path, entry, card, column)
    if path.suffix.lower() not in SUFFIXES_OF[modality]:
        raise UserError(f"this is no {modality} file, and the model takes {modality}s", str(data), _kinds(modality))
    return files_as_samples([path.name], entry, path.parent)


def entry_of(card):
    """A data set's entry for new samples. Who names the data himself also means what their links lead to."""
    images = {key: card["image"].get(key) for key in ("bands", "frames")} if card["modality"] == "image" else {}
    return {"modality": card["modality"], "targets": {}, "source": {"links": "follow"}, **images}


def files_as_samples(paths, entry, root):
    """Files as samples. A name that is no UTF-8 has no place in a table: it is written with backslashes."""
    spelled = [nfc(path) for path in paths]
    names = [os.fsencode(path).decode("utf-8", "backslashreplace") for path in spelled]
    twice = {path for path, count in Counter(nfc(path) for path in set(paths)).items() if count > 1}
    reasons = [_bad_name(path, name, twice) for path, name in zip(spelled, names, strict=True)]
    paths = [None if why else path for why, path in zip(reasons, spelled, strict=True)]
    rows = {"sample_id": names, "path": paths, "row": -1, "reason": reasons}
    return SimpleNamespace(rows=pd.DataFrame(rows), entry=complete(entry), root=root)


def _bad_name(path, name, twice):
    if name != path:
        return "its name is no UTF-8: rename the file"
    return (
        "another file has a name that looks the same (composed and decomposed letters): rename one"
        if path in twice
        else None
    )


def _files_below(root, modality):
    """Files that are named like samples, without litter; a folder that cannot be read counts as one that is bad."""
    found = [(path, entry) for path, entry in walk(root) if not (path.endswith("/") and entry is None)]
    wanted = [path for path, entry in found if isinstance(entry, OSError) or _suffix(path) in SUFFIXES_OF[modality]]
    if wanted:
        return wanted
    counts = Counter(_suffix(path) or "without a suffix" for path, _ in found)
    seen = ", ".join(f"{count} {suffix}" for suffix, count in counts.most_common(10)) or "it is empty"
    named = [path for path, _ in found if path.lower().endswith((*table.SUFFIXES, *ARRAYS))]
    hint = f"a table or an array file is named itself: DATA={Path(root) / named[0]}" if named else None
    raise UserError(f"there is no {modality} file in this folder ({seen})", str(root), _kinds(modality), hint)


def _kinds(modality):
    also = "" if modality == "text" else f", or arrays ({' '.join(ARRAYS)})"
    return f"{' '.join(sorted(SUFFIXES_OF[modality]))}; or a table ({table.NAMED}){also}"


def _rows_of_table(path, entry, known, column, subgroups):
    root, name, modality = path.parent, path.name, entry["modality"]
    # Names that may be there help to see what separates the columns: a single column of texts is full of blanks.
    likely = {"path": known.get("path"), "text": known.get("text", "text"), "id": known.get("id")}
    if column and modality != "vector":
        likely[KEYS[modality]] = column
    entry = complete(entry | {"reader": "table", "table": name, "columns": likely})
    schema, read = _opened(entry, root, name, known)
    entry["columns"] = _content_columns(schema, read, modality, known, column, path)
    entry["columns"] |= _id_column(schema, read, known.get("id"), name)
    entry["subgroups"] = [one for one in subgroups if one in schema.names]
    content = columns.content_of(schema, entry, name)
    rows, _ = read(table.listed_columns(schema, entry, content) or schema.names[:1])
    if not rows.num_rows:
        raise UserError("the table has no rows of data", str(path), "a header row and at least one row of data")
    frame = columns.frame_of(rows, entry, name, content)
    frame = find_files(frame, root, name, entry, []) if content[1] == "path" else frame
    frame["sample_id"] = frame["sample_id"].replace("", None).fillna(name + "#" + frame["table_row"].astype(str))
    frame["reason"] = None
    if modality == "text" and content[1] == "path":  # as text, a picture would be read as nonsense
        pictures = frame["path"].map(lambda file: isinstance(file, str) and _suffix(file) in IMAGES)
        frame.loc[pictures, "reason"] = "an image file, and the model takes texts"
    frame = frame.assign(**spelled_subgroups(frame, entry))
    kept = ["sample_id", "path", "row", "reason", *(SUBGROUP + one for one in entry["subgroups"])]
    return SimpleNamespace(rows=frame[kept], entry=entry, root=root)


def _is_table(path, modality):
    """Whether a file is a table by its name, or one by its first bytes that cannot be a sample: .json, or .txt of numbers."""
    if path.name.lower().endswith(table.SUFFIXES):
        return True
    samples = IMAGES | (SUFFIXES_OF["vector"] if modality == "vector" else SUFFIXES_OF["text"])
    if not path.is_file() or path.name.endswith(ARRAYS) or path.suffix.lower() in samples:
        return False
    try:
        with path.open("rb") as file:
            kinds.kind_of(file.read(kinds.START), path.name)
    except UserError:
        return False
    return True


def _opened(entry, root, name, known):
    """What `table.open_table` gives; lines before a header row that names the known columns are passed over."""
    try:
        return table.open_table(entry, root, name)
    except UserError as error:
        later, refused = re.search(r"skip_lines: (\d+)", str(error)), error
    names = {column for value in known.values() for column in ([value] if isinstance(value, str) else value or ())}
    if later:
        entry["skip_lines"] = int(later[1])
        with contextlib.suppress(UserError):
            opened = table.open_table(entry, root, name)
            if not names.isdisjoint(opened[0].names):
                logger.info("%s: %s lines before the header row are passed over", name, later[1])
                return opened
    raise refused


def _content_columns(schema, read, modality, known, column, where):
    """`columns` of a data set's entry: what the user says, else as in the data that the model learned from, else a guess."""
    key = KEYS[modality]
    if column:
        found = _named(schema, modality, column, known.get("features"), str(where))
    elif modality == "vector" and isinstance(known.get("features"), list):
        found = {"features": same_columns(schema, known["features"], str(where))}
    else:
        found = {k: known[k] for k in (key, "path") if isinstance(known.get(k), str) and known[k] in schema.names}
        found = dict(list(found.items())[:1]) or _guessed(schema, modality, str(where))
    if isinstance(found.get(key), str) and key != "path" and _are_files(read, found[key], SUFFIXES_OF[modality]):
        return {"path": found[key]}
    return found


def _named(schema, modality, column, learned, where):
    if modality == "vector":
        names = [column] if column in schema.names else [part.strip() for part in column.split(",")]
        names = columns.feature_columns(schema, names, where)
        if isinstance(learned, list) and set(names) == set(learned):
            names = learned  # a pattern finds the columns in the order of this table
        return {"features": names[0] if len(names) == 1 else names}
    if column not in schema.names:
        shown = ", ".join(schema.names[:30])
        raise UserError(f"there is no column '{column}'", where, shown, did_you_mean(column, schema.names))
    return {KEYS[modality]: column}


def same_columns(schema, names, where):
    missing = [name for name in names if name not in schema.names]
    if missing:
        what = f"{len(missing)} of the {len(names)} columns that the model learned from are missing"
        shown = ", ".join(missing[:10]) + (", .." if len(missing) > 10 else "")
        raise UserError(f"{what}: {shown}", where, None, f"if they are called otherwise here, {NAME_IT['vector']}")
    return names


def _guessed(schema, modality, where):
    try:
        _, key, column = columns.content_of(schema, complete({"modality": modality, "targets": {}}), where)
    except UserError:
        what = f"it is unclear which column holds the {modality}s ({', '.join(schema.names[:30])})"
        raise UserError(what, where, None, NAME_IT[modality]) from None
    return {"path" if key == "bytes" else key: column[0] if key == "features" and len(column) == 1 else column}


def _are_files(read, column, suffixes):
    """Whether a column holds names of files instead of the samples themselves."""
    values = read([column])[0][column]
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        return False
    names = [name for name in pc.unique(values).to_pylist() if name]
    return bool(names) and all(_suffix(name.strip()) in suffixes for name in names)


def _id_column(schema, read, column, where):
    """The column of ids that the training data had, if it is here and differs in all rows."""
    if column not in schema.names:
        return {}
    ids = cells.ids(read([column])[0], column, where)
    return {"id": column} if pc.count_distinct(ids, mode="all").as_py() == len(ids) and not ids.null_count else {}


def _rows_of_arrays(path, entry, card, column):
    root, name, modality = path.parent, path.name, entry["modality"]
    held = arrays.open_arrays(str(root), name, follow=True)
    key = path.stem if name.endswith(".npy") else _array(held, card["columns"].get("features"), column, str(path))
    if _is_one(held[key].shape, card):
        hint = f"save a single {modality} in its own .npy file: np.save('one.npy', array)"
        raise UserError(
            f"array '{key}' of shape {held[key].shape} is one {modality}", str(path), "an array of several", hint
        )
    shape, dimensions = held[key].shape, {"image": (3, 4), "vector": (2,)}[modality]
    if len(shape) not in dimensions or not shape[0]:
        allowed = {"image": "(samples, height, width[, channels])", "vector": "(samples, width)"}[modality]
        raise UserError(f"array '{key}' has the shape {shape}", str(path), allowed)
    entry = complete(entry | {"reader": "arrays", "table": name, "columns": {"features": key}})
    frame = arrays.list_samples(entry, root).frame
    return SimpleNamespace(rows=frame[["sample_id", "path", "row"]].assign(reason=None), entry=entry, root=root)


def _array(held, known, column, where):
    """The array of the samples in an .npz file."""
    usual = [name for name in (known, *arrays.SAMPLES) if isinstance(name, str) and name in held][:1]
    large = [name for name, array in held.items() if array.ndim > 1]
    likely = [column] if column else usual or large
    if len(likely) != 1 or likely[0] not in held:
        what = f"there is no array '{column}'" if column else "it is unclear which array holds the samples"
        raise UserError(what, where, ", ".join(held), did_you_mean(column, held) or "COLUMN=NAME names it")
    return likely[0]


def _is_one_sample(path, card):
    """Whether a .npy file is one image or one vector; not many of them."""
    if path.suffix == ".npz":
        return False
    try:
        shape = np.load(path, mmap_mode="r", allow_pickle=False).shape
    except (ValueError, OSError, EOFError):
        return True  # what is wrong with it is said where it is read
    return _is_one(shape, card)


def _is_one(shape, card):
    """Whether an array of this shape is one sample: with the channels that the model takes, wherever they are.

    A stack of three grey images looks like a colour image with the channels first. It is one for a model of colour images.
    """
    if card["modality"] == "vector":
        return len(shape) == 1
    if len(shape) != 3:
        return len(shape) == 2
    bands = card["image"].get("bands")
    if not bands and shape[2] in (1, 3):
        return True
    try:
        channels = images.channels_last(np.broadcast_to(np.uint8(0), shape)).shape[2]
    except UserError:  # both may be: of many bands one file holds one image, else the first axis is that of the samples
        return bool(bands)
    if bands == "all":
        return channels == card["image"]["channels"]
    return channels >= max(bands) if bands else channels == card["image"]["channels"] == 3


def _suffix(path):
    return posixpath.splitext(path)[1].lower()
