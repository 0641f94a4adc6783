"""Samples in NumPy arrays: one .npz with arrays X and y, or X.npy beside y.npy or a table with as many rows.

`columns: features` names the array of samples and a target's `column` the array of its labels; in a folder of
.npy files these are the files' names. Arrays (n, width) are vectors, (n, height, width[, channels]) images.
The splits may be separate: train_images, train_labels, test_images, .. in one .npz, or X_train.npy, y_train.npy, ..
"""

import functools
import io
import itertools
import mmap
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa

from graft.common.errors import UserError, did_you_mean, first_line, raise_all
from graft.common.spelling import nfc
from graft.data.listing.array_splits import joined, split_and_rest, under_common_names
from graft.data.listing.rows import SUBGROUP, as_text, follows, inside, listing
from graft.data.readers import table
from graft.data.tables import cells, columns
from graft.store import AROUND, RESIDENT

TABLES = (".npz", ".npy")
SAMPLES = ("X", "x", "features", "images", "data", "embeddings")
LABELS = ("label", "y", "labels", "targets")
LISTED = {"id": ("ids", "id"), "group": ("groups", "group"), "split": ("splits", "split"), "fold": ("folds", "fold")}


def looks_right(root):
    """Whether .npz or .npy files are at the top of a data root."""
    return any(name.endswith(TABLES) for name in _names(root))


def list_samples(entry, root):
    """The rows of the arrays (rows.Listing)."""
    frames, facts = [], {"tables": {}}
    for name, split in _files(entry, root).items():
        arrays = open_arrays(str(root), name, follows(entry))
        samples = _samples(arrays, entry, name)
        facts["tables"][name] = {"rows": len(samples), "shape": list(samples.shape[1:])}
        facts.setdefault("columns", {"features": _name_of_samples(arrays, entry, name)})
        facts["modality"] = entry["modality"] or ("vector" if samples.ndim == 2 else "image")
        frames.append(_frame(arrays, samples, entry, root, name, split))
    return columns.join(frames, facts)


def rows(entry, root, name):
    """The modality, and a function that gives a row: a float32 vector, or an image as the bytes of a .npy file."""
    samples = _samples(open_arrays(str(root), name, follows(entry)), entry, name)
    large = isinstance(samples, np.memmap) and samples.nbytes > RESIDENT
    row_of = _mapped_row(samples) if large else samples.__getitem__
    if samples.ndim == 2:
        return "vector", row_of
    return "image", lambda row: _npy(row_of(row))


def _mapped_row(samples):
    """A function that gives a row of a .npy file, and the pages that were read back before they fill the memory."""
    every = max(1, RESIDENT // max(AROUND, samples[:1].nbytes))
    plain, mapped, given = samples.view(np.ndarray), samples.base, itertools.count(1)

    def row_of(row):
        if next(given) % every == 0:
            mapped.madvise(mmap.MADV_DONTNEED)
        return plain[row]

    return row_of


def _npy(array):
    file = io.BytesIO()
    np.save(file, np.ascontiguousarray(array), allow_pickle=False)
    return file.getvalue()


def _files(entry, root):
    """{file: split or None}; a folder of .npy files goes by the file of its samples."""
    given = entry["table"]
    if isinstance(given, dict):
        return {name: split for split, name in given.items()}
    if given and given.endswith((".npz", ".npy")):
        return {given: None}
    names = _names(root)
    packed = [name for name in names if name.endswith(".npz")]
    wanted = [entry["columns"].get("features")] if entry["columns"].get("features") else SAMPLES
    single = [name for name in names if name.endswith(".npy") and (name in wanted or name[:-4] in wanted)]
    if len(packed) + len(single) == 1:
        return {(packed + single)[0]: None}
    apart = {name: split_and_rest(name[:-4]) for name in names if name.endswith(".npy")}
    apart = {name: split for name, (split, rest) in apart.items() if split and rest in wanted}
    if not packed and not single and "train" in apart.values() and len(set(apart.values())) == len(apart) > 1:
        return apart
    raise UserError(
        f"it is unclear which file holds the samples ({', '.join(names[:20])})",
        "table",
        "one .npz file; or one .npy file called X.npy (or one per split, X_train.npy) or as `columns: features` says",
        "name it: `table: data.npz`, or `table: {train: train.npz, test: test.npz}`",
    )


@functools.lru_cache(maxsize=8)
def open_arrays(root, name, follow=False):
    """{key: array} of an .npz file, or of the .npy files and tables that are beside a .npy file."""
    path = inside(root, name, follow=follow)
    try:
        if name.endswith(".npz"):
            with np.load(path, allow_pickle=False) as file:
                return joined({nfc(key): file[key] for key in file.files}, SAMPLES, name)
        found = {}
        folder = PurePosixPath(name).parent
        for other in _names(Path(root) / folder):
            if other.endswith(".npy"):
                found[other[:-4]] = np.load(
                    inside(root, str(folder / other), follow=follow), mmap_mode="r", allow_pickle=False
                )
        return under_common_names(found, PurePosixPath(name).stem)
    except UserError:
        raise
    except (ValueError, OSError, EOFError, KeyError) as error:
        hint = "save arrays of numbers or text, not of Python objects" if "pickle" in str(error).lower() else None
        raise UserError(f"not a readable NumPy file ({first_line(error)})", name, hint=hint) from None
    except Exception as error:  # zipfile raises its own kinds
        raise UserError(f"not a readable NumPy file ({error})", name, hint="it may be cut short") from None


def _samples(arrays, entry, name):
    key = _name_of_samples(arrays, entry, name)
    samples = arrays[key]
    if samples.dtype.kind not in "uifb" or samples.ndim < 2:
        raise UserError(
            f"array '{key}' is {samples.dtype} of shape {samples.shape}",
            name,
            "numbers of shape (samples, width) or (samples, height, width[, channels])",
        )
    if samples.ndim == 2 and entry["modality"] == "image":
        raise UserError(
            f"array '{key}' has shape {samples.shape}: a sample is {samples.shape[1]} numbers, not an image",
            name,
            "images of shape (samples, height, width[, channels])",
            f"`modality: vector`; or save the images in their shape: {key}.reshape(-1, height, width)",
        )
    return samples


def _name_of_samples(arrays, entry, name):
    key = _key(entry["columns"].get("features"))
    if name.endswith(".npy"):
        key = key or PurePosixPath(name).stem
    candidates = [key] if key else [word for word in SAMPLES if word in arrays]
    if len(candidates) != 1 or candidates[0] not in arrays:
        raise UserError(
            f"it is unclear which array holds the samples ({', '.join(arrays)})",
            name,
            "columns: features: NAME",
            did_you_mean(key, arrays) if key else None,
        )
    return candidates[0]


def _frame(arrays, samples, entry, root, name, split):
    beside = _table_beside(entry, root)
    found, errors = {}, []
    for key, words in {**LISTED, **({"weight": ()} if entry["columns"].get("weight") else {})}.items():
        wanted = entry["columns"].get(key)
        values = _column(arrays, wanted, words, name, beside)
        if values is None and wanted:
            errors.append(UserError(f"there is no array '{wanted}' (named by columns.{key})", name, ", ".join(arrays)))
        found[key] = values
    for column in entry["subgroups"]:
        values = _column(arrays, column, (), name, beside)
        if values is None:
            errors.append(UserError(f"there is no array '{column}' (named by subgroups)", name, ", ".join(arrays)))
        found[SUBGROUP + column] = values
    labels = {}
    for target, facts in entry["targets"].items():
        try:
            labels[target] = _labels_of(arrays, target, facts, name, beside)
        except UserError as error:
            what = error.what if error.where else f"{error.what} (named by targets.{target})"
            hint = error.hint or f"name it: targets: {{{target}: {{column: NAME}}}}"
            errors.append(UserError(what, name, error.allowed or ", ".join(arrays), hint))
    for key, values in {**found, **{f"targets.{target}": values for target, values in labels.items()}}.items():
        if values is not None and len(values) != len(samples):
            errors.append(UserError(f"{len(samples)} samples, but {len(values)} values for {key}", name))
    if entry["keep"]:
        errors.append(UserError("`keep` chooses rows of a table; arrays have none", "keep"))
    raise_all(errors)
    number = np.arange(len(samples))
    ids = [f"{name}#{i}" for i in number] if found["id"] is None else as_text(found["id"], 0).str.strip()
    return listing(
        {
            "sample_id": ids,
            "path": name,
            "row": number,
            "table": name,
            "table_row": number,
            "split": split if found["split"] is None else found["split"],
            "fold": found["fold"],
            "group": found["group"],
            "weight": found.get("weight"),
            **{key: values for key, values in found.items() if key.startswith(SUBGROUP)},
        },
        labels,
        {},
    ).frame


def _column(arrays, wanted, words, name, beside):
    """An array as text values, or a column of the table beside it; None if there is no such thing."""
    keys = [_key(wanted)] if wanted else [word for word in words if word in arrays][:1]
    if keys and keys[0] in arrays:
        return _texts(arrays[keys[0]], keys[0], name)
    return beside(wanted or words[0]) if beside is not None else None


def _labels_of(arrays, target, facts, name, beside):
    """The labels of a target as texts; of several per sample an array (n, labels) of 1 and 0, or of an array for each."""
    wanted, by_class = columns.target_column(target, facts), columns.columns_of_classes(facts)
    if by_class:
        found = {word: _labels(arrays, column, name, beside, False) for word, column in by_class.items()}
        return columns.as_objects({word: pa.array(as_text(values, 0)) for word, values in found.items()})
    held = [word for word in (LABELS if wanted == LABELS[0] else (wanted,)) if _key(word) in arrays]
    array = np.asarray(arrays[_key(held[0])]) if len(held) == 1 else np.empty(0)
    if facts.get("kind") != "multilabel" or array.ndim != 2 or array.dtype.kind not in "uifb":
        return _labels(arrays, wanted, name, beside, columns.is_number(facts))
    words = facts.get("classes") or [str(number) for number in range(array.shape[1])]
    if len(words) != array.shape[1]:
        raise UserError(f"array '{held[0]}' has {array.shape[1]} columns for {len(words)} classes", name)
    return columns.as_objects(
        {word: cells.strings({held[0]: pa.array(own)}, held[0], name) for word, own in zip(words, array.T, strict=True)}
    )


def _labels(arrays, wanted, name, beside, number):
    """The labels of a target: what has that name; a target called "label" may also be in y, labels or targets."""
    words = LABELS if wanted == LABELS[0] and wanted not in arrays else (wanted,)
    held = [word for word in words if _key(word) in arrays]
    if len(held) > 1:
        raise UserError(f"{' and '.join(held)} may all be the labels")
    if held:
        return _texts(arrays[_key(held[0])], held[0], name, number)
    found = [values for word in words if (values := beside(word, number)) is not None] if beside is not None else []
    if not found:
        also = f", nor {', '.join(words[1:])}" if len(words) > 1 else ""
        raise UserError(f"there is no array '{wanted}'{also}", hint=did_you_mean(wanted, arrays))
    return found[0]


def _texts(array, key, name, number=False):
    array = np.asarray(array)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1 or array.dtype.kind not in "uifbUS":
        one_hot = array.ndim == 2 and array.dtype.kind in "uifb"
        hint = f"if each row has a 1 at its class: numpy.argmax({key}, axis=1) gives the classes' numbers; save these; "
        hint += "if it may have several: `kind: multilabel`"
        what = f"array '{key}' is {array.dtype} of shape {array.shape}"
        raise UserError(what, name, "one number or text per sample", hint if one_hot else None)
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind == "U":
        return array.tolist()
    return cells.strings({key: pa.array(array)}, key, name, number)


def _table_beside(entry, root):
    """A function (column, number) that gives a column of the one table beside .npy files; None if there is no table."""
    found = [entry["table"]] if isinstance(entry["table"], str) else table.tables_of(root)
    if len(found) != 1 or not found[0].endswith(table.SUFFIXES):
        return None
    schema, read = table.open_table(entry, root, found[0])

    def beside(column, number=False):
        return cells.strings(read([column])[0], column, found[0], number) if column in schema.names else None

    return beside


def _names(folder):
    return sorted(nfc(entry.name) for entry in Path(folder).iterdir() if not entry.name.startswith("."))


def _key(name):
    return name[:-4] if isinstance(name, str) and name.endswith(".npy") else name
