"""Samples as files, one folder per class: cats/1.png, train/cats/1.png, or as `folders` says; loose files are unlabelled."""

import os
import posixpath
from collections import Counter
from pathlib import Path

from graft.errors import UserError, raise_all
from graft.fingerprint import walk
from graft.images import SUFFIXES
from graft.readers.columns import TEXT_SUFFIXES
from graft.readers.rows import SPLIT_OF, listing

SUFFIXES_OF = {"image": SUFFIXES, "text": frozenset(TEXT_SUFFIXES), "vector": frozenset({".npy"})}


def looks_right(root):
    """Whether a data root holds folders with files in them."""
    return any(entry.is_dir() and not entry.name.startswith(".") for entry in Path(root).iterdir())


def list_samples(entry, root):
    """The files below the root (rows.Listing); the folder is the label of the one target."""
    target = _only_target(entry)
    found = list(walk(root))
    raise_all([UserError(f"cannot be read ({e.strerror})", path) for path, e in found if isinstance(e, OSError)])
    paths = [path for path, _ in found if not path.endswith("/")]
    modality = entry["modality"] or _modality(paths)
    wanted = [path for path in paths if posixpath.splitext(path)[1].lower() in SUFFIXES_OF[modality]]
    others = Counter(posixpath.splitext(path)[1].lower() for path in paths) - Counter(
        posixpath.splitext(path)[1].lower() for path in wanted
    )
    if not wanted:
        kinds = ", ".join(sorted(others)[:10]) or "no file at all"
        raise UserError(
            f"no {modality} file below the source ({kinds})", "source", " ".join(sorted(SUFFIXES_OF[modality]))
        )
    _refuse_odd_names(wanted)
    columns = _levels(wanted, entry["folders"]) if entry["folders"] else _splits_and_labels(wanted)
    if entry["keep"]:
        raise UserError(
            "`keep` chooses rows of a table; a folder has none", "keep", hint="leave folders out by `files`"
        )
    labels = columns.pop("label")
    if all(label is None for label in labels):
        raise UserError(
            "no folder of a class: all files stand at the top of the source, or right below train/, test/",
            "source",
            "one folder per class, or train/ and test/ with the classes' folders in them; or `folders`",
            "if a table names the files' labels, use `reader: table`",
        )
    facts = {
        "modality": modality,
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


def _modality(paths):
    counts = {
        modality: sum(posixpath.splitext(path)[1].lower() in suffixes for path in paths)
        for modality, suffixes in SUFFIXES_OF.items()
    }
    counts["image"] -= counts["vector"]  # .npy files may be either
    likely = [modality for modality, count in counts.items() if count]
    if len(likely) != 1 or likely == ["vector"]:
        seen = ", ".join(f"{count} that may be {modality}" for modality, count in counts.items() if count) or "none"
        raise UserError(
            f"cannot tell what a sample is from the files' names ({seen})",
            "modality",
            "image | text | vector",
            "say it in the data set's entry; files of other kinds are then left out",
        )
    return likely[0]


def _splits_and_labels(paths):
    """Split and label of each file. The first folder is the class, below train/, test/ if all folders are such."""
    parts = [path.split("/") for path in paths]
    tops = {part[0] for part in parts if len(part) > 1}
    by_split = bool(tops) and all(top.lower() in SPLIT_OF for top in tops)
    splits, labels = [], []
    for part in parts:
        split = SPLIT_OF.get(part[0].lower()) if len(part) > 1 else "pool"
        if by_split and split != "pool":
            label = part[1] if len(part) > 2 else None
            splits.append(split if label is not None else "pool")
        else:
            label = None if split == "pool" else part[0]
            splits.append("pool" if split == "pool" else None)
        labels.append(label)
    return {"split": splits, "label": labels}


def _levels(paths, levels):
    """Label, group and split of each file as `levels` says; a file above its label's level is unlabelled."""
    folders = [path.split("/")[:-1] for path in paths]
    columns = {
        what: [names[depth] if len(names) > depth else None for names in folders]
        for depth, what in enumerate(levels)
        if what != "skip"
    }
    wrong = sorted({str(word) for word in columns.get("split", ()) if word and word.lower() not in SPLIT_OF})
    if wrong:
        raise UserError(
            f"folders that name no split: {', '.join(wrong[:20])}", "folders", ", ".join(sorted(SPLIT_OF)), None
        )
    columns["split"] = [
        "pool" if label is None else SPLIT_OF[word.lower()] if word else None
        for label, word in zip(columns["label"], columns.get("split", [None] * len(paths)), strict=True)
    ]
    return columns


def _refuse_odd_names(paths):
    odd = [path for path in paths if not _is_text(path)]
    if odd:
        shown = ", ".join(repr(os.fsencode(path)) for path in odd[:20])
        raise UserError(f"{len(odd)} file names are no UTF-8: {shown}", "source", hint="rename them")


def _is_text(path):
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
