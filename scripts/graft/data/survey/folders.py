"""Guess what the levels of a folder of files mean."""

import posixpath
from collections import Counter
from pathlib import Path

from graft.common.errors import UserError
from graft.common.fingerprint import walk
from graft.data.listing.files import SUFFIXES_OF
from graft.data.listing.rows import splits_named
from graft.data.readers.folder import are_splits
from graft.data.readers.table import SUFFIXES
from graft.data.survey.words import folder_says_group
from graft.data.tables.kinds import START, kind_of, unpacked

LOOKED_AT = 1000  # files, where none can be read
LARGE = 2**28  # bytes of an archive that is not opened just for a hint


def guess_folders(found, root):
    """Fill in modality and `folders` of a tree of files."""
    files = [path for path, entry in walk(root) if not path.endswith("/") and not isinstance(entry, OSError)]
    kinds = {
        modality: [path for path in files if posixpath.splitext(path)[1].lower() in suffixes]
        for modality, suffixes in SUFFIXES_OF.items()
    }
    modality, paths = max(kinds.items(), key=lambda item: len(item[1]))
    if not paths:
        seen = Counter(posixpath.splitext(path)[1].lower() or "no suffix" for path in files)
        raise UserError(
            f"nothing here that graft reads ({', '.join(f'{n} x {kind}' for kind, n in seen.most_common(8)) or 'no file'})",
            str(root),
            "images, .txt files, tables (.csv .tsv .parquet), arrays (.npy .npz), a data set as the hub stores it",
            _hint_on(files, root),
        )
    if sum(bool(others) for others in kinds.values()) > 1:
        found.entry["modality"] = modality
        found.reasons["modality"] = f"{len(paths)} files of this kind, more than of any other"
    folders = [path.split("/")[:-1] for path in paths]
    if not any(folders):
        raise UserError(
            f"{len(paths)} files in one folder, and nothing that says which class each has",
            str(root),
            "one folder per class, or a table (.csv) beside the files that names file and label",
            "graft learns from labels; files without one can only be predicted: make predict",
        )
    tops = sorted({names[0] for names in folders if names})
    splits = splits_named(tops)
    others = [top for top in tops if top not in splits]
    if others and are_splits(paths):
        found.reasons["folders"] = f"{', '.join(splits)} are splits; {', '.join(others)} the pool"
        return
    levels, why = levels_of(folders)
    if levels not in (["label"], ["split", "label"]):  # those are what `auto` would take
        found.entry["folders"] = levels
    found.reasons["folders"] = why
    loose = [path for path, names in zip(paths, folders, strict=True) if not names]
    if loose:
        found.notes.append(f"{len(loose)} files are at the top and have no label: they are the pool")


def _hint_on(files, root):
    """What to do with the largest of the files, as is said where it is named itself; None where nothing is known."""
    sizes = {path: Path(root, path).stat().st_size for path in files[:LOOKED_AT] if Path(root, path).is_file()}
    for path in sorted(sizes, key=sizes.get, reverse=True)[:3]:
        try:
            with Path(root, path).open("rb") as file:
                kind = kind_of(file.read(START), path)
                if kind == "zip" and sizes[path] < LARGE:
                    unpacked(Path(root, path).read_bytes(), kind, path)
        except (UserError, OSError) as error:
            if getattr(error, "hint", None):
                return f"{path}: {error.hint}"
            continue
        if path.lower().endswith(SUFFIXES):
            return f"tables in folders are not put together: name one, DATA={Path(root, path)}; or write all rows into one table"
        if kind not in ("text", "json"):
            return f"if {path} is a table, name it: DATA={Path(root, path)}"
    return None


def levels_of(folders):
    """What each level of folders means, and why.

    Parameters
    ----------
    folders : list of list of str, the folders above each file, from the top

    Returns
    -------
    list of 'label' | 'group' | 'split' | 'skip', and str
    """
    deep = [names for names in folders if names]
    depth = Counter(map(len, deep)).most_common(1)[0][0]
    names_at = [{names[level] for names in deep if len(names) > level} for level in range(depth)]
    levels = ["split" if names <= set(splits_named(names)) else None for names in names_at]
    open_levels = [level for level in range(depth) if levels[level] is None]
    if not open_levels:
        return ["label"], "every folder is named like a split, so the first level is taken as the class"
    label = min(open_levels, key=lambda level: _unlike_a_label(level, deep, names_at))
    levels[label] = "label"
    rest = [level for level in open_levels if level != label]
    group = max(rest, key=lambda level: (_named_like_groups(names_at[level]), -level), default=None)
    if group is not None and (_named_like_groups(names_at[group]) or _is_shared(group, label, deep)):
        levels[group] = "group"
    while levels[-1] is None:
        levels.pop()
    levels = [level or "skip" for level in levels]
    return levels, _say(levels, names_at)


def _unlike_a_label(level, deep, names_at):
    """Small for a level of classes: few names, not numbered, the same ones below every folder above it."""
    names = names_at[level]
    numbered = sum(any(c.isdigit() for c in name) for name in names) > len(names) / 2
    return (len(names) < 2, _named_like_groups(names), numbered and len(names) > 10, len(names), level)


def _named_like_groups(names):
    return sum(map(folder_says_group, names)) > len(names) / 2


def _is_shared(level, label, deep):
    """Whether the same names of a level occur with several classes, as those of sites do and those of sub-folders not."""
    pairs = {(names[level], names[label]) for names in deep if len(names) > max(level, label)}
    return len(pairs) > len({name for name, _ in pairs})


def _say(levels, names_at):
    words = {"label": "classes", "group": "groups", "split": "splits", "skip": "left alone"}
    parts = []
    for what, names in zip(levels, names_at, strict=False):
        shown = ", ".join(sorted(names)[:3]) + (", .." if len(names) > 3 else "")
        count = "" if what == "label" else f"{len(names)} "  # how many classes there are, the labels say
        parts.append(f"{count}{words[what]} ({shown})")
    return " / ".join(parts)
