"""Samples as files, one folder per class: cats/1.png, train/cats/1.png, or as `folders` says. Other files have no label."""

import os
import posixpath
from collections import Counter
from pathlib import Path

from graft.common.errors import UserError, raise_all
from graft.common.fingerprint import walk
from graft.common.spelling import nfc
from graft.data.listing import companions
from graft.data.listing.files import SUFFIXES_OF, is_wanted
from graft.data.listing.rows import SPLIT_OF, listing, split_in, splits_named

NAMES_ARE_GIVEN = True  # a folder called NA is a site, or a class


def looks_right(root):
    """Whether a data root holds folders with files in them."""
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in Path(root).iterdir())


def list_samples(entry, root):
    """The files below the root (rows.Listing); the folder is the label of the one target."""
    target = _only_target(entry)
    found, notes = list(walk(root)), []
    raise_all([UserError(f"cannot be read ({e.strerror})", path) for path, e in found if isinstance(e, OSError)])
    paths = [path for path, _ in found if not path.endswith("/") and is_wanted(path, entry["source"])]
    modality = entry["modality"] or _modality(paths)
    wanted = [path for path in paths if posixpath.splitext(path)[1].lower() in SUFFIXES_OF[modality]]
    others = Counter(posixpath.splitext(path)[1].lower() for path in paths) - Counter(
        posixpath.splitext(path)[1].lower() for path in wanted
    )
    if not wanted:
        raise _nothing(modality, SUFFIXES_OF[modality], paths)
    _refuse_odd_names(wanted)
    wanted = _composed(wanted)
    columns = _levels(wanted, entry["folders"], notes) if entry["folders"] else _splits_and_labels(wanted, notes)
    if entry["keep"]:
        raise UserError(
            "`keep` chooses rows of a table; a folder has none",
            "keep",
            hint="choose folders by the source's `files`: [cats/*, dogs/*]",
        )
    labels = columns.pop("label")
    if all(label is None for label in labels):
        raise UserError(
            "no folder of a class: all files are at the top of the source, or right below train/, test/",
            "source",
            "one folder per class, or train/ and test/ with the classes' folders in them; or `folders`",
            "if a table names the files' labels, use `reader: table`",
        )
    facts = {
        "modality": modality,
        "notes": notes + companions.notes_on(wanted, labels),
        "named": [target],
        "other_files": dict(sorted(others.items())),
        "empty_folders": [path for path, _ in found if path.endswith("/")],
    }
    return listing({"sample_id": wanted, "path": wanted, **columns}, {target: labels}, facts)


def _only_target(entry):
    names = list(entry["targets"])
    given = sorted(key for key, column in entry["columns"].items() if column)
    if len(names) != 1 or given:
        wrong = f"columns ({', '.join(given)})" if given else f"{len(names)} targets"
        raise UserError(
            f"a folder of files has one target, the name of the class's folder, and no columns; here are {wrong}",
            "reader: folder",
            hint="list the files in a table and use `reader: table`",
        )
    return names[0]


def _nothing(what, suffixes, paths):
    """The error for a source without a file that is read."""
    counts = Counter(posixpath.splitext(path)[1].lower() or "no suffix" for path in paths)
    seen = ", ".join(f"{n} x {kind}" for kind, n in sorted(counts.items(), key=lambda c: (-c[1], c[0]))[:10])
    hint = "save each image as PNG (8 or 16 bits) or TIFF (also floats), each text as .txt, each array as .npy"
    return UserError(
        f"no {what} file below the source ({seen or 'no file at all'})", "source", " ".join(sorted(suffixes)), hint
    )


def _modality(paths):
    counts = {
        modality: sum(posixpath.splitext(path)[1].lower() in suffixes for path in paths)
        for modality, suffixes in SUFFIXES_OF.items()
    }
    counts["image"] -= counts["vector"]  # .npy files may be either
    likely = [modality for modality, count in counts.items() if count]
    if not likely:
        raise _nothing("image, text or vector", frozenset().union(*SUFFIXES_OF.values()), paths)
    if len(likely) != 1 or likely == ["vector"]:
        seen = ", ".join(f"{count} that may be {modality}" for modality, count in counts.items() if count)
        raise UserError(
            f"it is unclear what a sample is from the files' names ({seen})",
            "modality",
            "image | text | vector",
            "say it in the data set's entry; files of other kinds are then left out",
        )
    return likely[0]


def _splits_and_labels(paths, notes):
    """Split and label of each file: the first folder is the class, the second one below train/, test/."""
    parts = [path.split("/") for path in paths]
    if not _split_folders(parts):
        return _labels_alone(parts)
    split_of = splits_named({part[0] for part in parts if len(part) > 1})
    labels = [part[1] if len(part) > 2 and split_of.get(part[0], "pool") != "pool" else None for part in parts]
    learnt = [top for top, split in split_of.items() if split in ("train", "validation")]
    _note_on_loose(["/".join(part) for part in parts if len(part) == 2 and part[0] in learnt], notes)
    beside = Counter(part[0] for part in parts if len(part) > 1 and part[0] not in split_of)
    if beside:
        shown = ", ".join(f"{name}/ ({count} files)" for name, count in sorted(beside.items())[:20])
        notes.append(f"folders beside those of the splits are the pool, predicted but not trained on: {shown}")
    if any(top.lower() not in SPLIT_OF for top in split_of):
        shown = ", ".join(f"{top} ({split})" for top, split in sorted(split_of.items())[:20])
        notes.append(f"folders are read as splits by a word in their names: {shown}; if not, `folders: [label]`")
    splits = [split_of[part[0]] if label is not None else "pool" for part, label in zip(parts, labels, strict=True)]
    return {"split": splits, "label": labels}


def are_splits(paths):
    """Whether `auto` takes the first folders of these paths for splits; UserError if that is unclear."""
    return _split_folders([path.split("/") for path in paths])


def _labels_alone(parts):
    """The first folder is the class; where every class has train/, test/ in it, those are the splits."""
    labels = [part[0] if len(part) > 1 and SPLIT_OF.get(part[0].lower()) != "pool" else None for part in parts]
    below = {part[1] if len(part) > 2 else "" for part, label in zip(parts, labels, strict=True) if label}
    split_of = splits_named(below)
    by_split = len(below) > 1 and below <= set(split_of)
    if by_split and any(len(part) > 3 for part in parts):
        tops = sorted({label for label in labels if label})
        raise UserError(
            f"it is unclear whether {', '.join(tops[:10])} are classes: below them are splits, and folders in these",
            "source",
            "classes with train/ and test/ in them, or train/ and test/ with classes in them",
            "if the classes are below the splits, `folders: [skip, split, label]`; if not, `folders: [label, split]`",
        )
    splits = [
        "pool" if label is None else split_of[part[1]] if by_split else None
        for part, label in zip(parts, labels, strict=True)
    ]
    return {"split": splits, "label": labels}


def _split_folders(parts):
    """Whether the first folders are splits: all of them are called so, or several, or one that has folders in it."""
    deep = {}  # top folder -> whether there are folders in it
    for part in parts:
        if len(part) > 1:
            deep[part[0]] = deep.get(part[0], False) or len(part) > 2
    split_of = splits_named(deep)
    words = set(split_of.values()) - {"pool"}
    named = sorted(top for top, split in split_of.items() if split != "pool")
    others = sorted(top for top in deep if top not in split_of)
    likely = {top: split_in(top) for top in sorted(deep) if split_in(top) not in (None, "pool")}
    if not others and (any(deep[top] for top in named) or all(top.lower() in SPLIT_OF for top in named)):
        return bool(named)
    if others and len(words) < 2 and {"train"} < set(likely.values()) and all(deep[top] for top in likely):
        named, others = list(likely), [top for top in others if top not in likely]  # my_train and my_test beside masks
        hint = "if they are classes, `folders: [label]`; if they are splits, call them train, validation, test or pool"
    elif not named:
        return False
    elif not any(deep[top] for top in named):  # "train" beside "bus" and "car"
        if len(words) < 2:
            return False
        hint = "if they are classes, `folders: [label]`; if they are splits, put one folder per class into each"
    elif len(words) > 1 or not any(deep[top] for top in others):
        return True
    else:
        hint = "if they are classes, `folders: [label]`; if they are splits, call the others validation, test or pool"
    beside = f" beside {', '.join(others[:10])}" if others else ""
    raise UserError(
        f"it is unclear whether {', '.join(named)}{beside} are splits or classes",
        "source",
        "folders of splits alone, with the classes' folders in them; or folders of classes alone",
        hint,
    )


def _note_on_loose(loose, notes):
    """Say which files have no folder of a class, so that they are predicted and not trained on."""
    if loose:
        notes.append(
            f"{len(loose)} files are above the classes' folders, such as {loose[0]}: without a label, in the pool"
        )


def _levels(paths, levels, notes):
    """Label, group and split of each file as `levels` says; a file above its label's level is unlabelled."""
    folders = [path.split("/")[:-1] for path in paths]
    columns = {
        what: [names[depth] if len(names) > depth else None for names in folders]
        for depth, what in enumerate(levels)
        if what != "skip"
    }
    split_of = splits_named({word for word in columns.get("split", ()) if word})
    wrong = sorted({str(word) for word in columns.get("split", ()) if word and word not in split_of})
    if wrong:
        raise UserError(
            f"folders that name no split: {', '.join(wrong[:20])}",
            "folders",
            "train, validation, test, pool",
            "rename them, or choose others by the source's `files`: [train/*, test/*]",
        )
    words = columns.get("split", [None] * len(paths))
    alone = [
        label is None and split_of.get(word) != "pool" for label, word in zip(columns["label"], words, strict=True)
    ]
    _note_on_loose([path for path, one in zip(paths, alone, strict=True) if one], notes)
    columns["split"] = [
        "pool" if label is None else split_of[word] if word else None
        for label, word in zip(columns["label"], words, strict=True)
    ]
    return columns


def _refuse_odd_names(paths):
    odd = [path for path in paths if not _is_text(path)]
    if odd:
        shown = ", ".join(repr(os.fsencode(path)) for path in odd[:20])
        raise UserError(f"{len(odd)} file names are no UTF-8: {shown}", "source", hint="rename them")


def _composed(paths):
    """The paths in Unicode NFC; UserError if two files have then the same name."""
    names = [nfc(path) for path in paths]
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        what = f"{len(twice)} files have two spellings that look the same (composed and decomposed letters)"
        raise UserError(f"{what}: {', '.join(twice[:20])}", "source", hint="rename or remove one of the two")
    return names


def _is_text(path):
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
