"""Files that a table names: as it writes them, beside the table, without their suffix, or by the end of their path."""

import fnmatch
import os
import posixpath

from graft.common.errors import UserError
from graft.common.fingerprint import walk
from graft.common.spelling import nfc, on_disk
from graft.data.images import SUFFIXES
from graft.data.listing.rows import composed, listed, split_in, splits_named

TEXT_SUFFIXES = (".txt", ".md")
SUFFIXES_OF = {"image": SUFFIXES, "text": frozenset(TEXT_SUFFIXES), "vector": frozenset({".npy"})}
WAYS = ("without their suffix or in other capitals", "beside the table", "in other folders")


def is_wanted(path, source):
    """Whether the source's `files` take a file that is read in place; fetched ones were chosen when they came."""
    patterns = source.get("files") if "path" in source else None
    return not patterns or any(fnmatch.fnmatchcase(nfc(path), nfc(pattern)) for pattern in patterns)


def find_files(frame, root, table, entry, notes):
    """The rows of a table with the paths of the files that are there.

    A table's paths are relative to the source, or to the table. A suffix may be missing, and capitals may differ. The folder
    may be missing if no other file, below the table's own folder, in those of its split or else anywhere, ends like that.
    One way holds for all rows of a table: that in which most files are found.

    Parameters
    ----------
    frame : DataFrame as columns.frame_of gives it, with the samples as files
    root : folder of the data
    table : str, the table's path below the root
    entry : dict, the data set's entry
    notes : list of str, to which is added which way was taken

    Returns
    -------
    DataFrame

    Raises
    ------
    UserError
        If a path may mean several files; names them.
    """
    given = frame["path"]
    paths = _relative(given, root)
    names = list(dict.fromkeys(paths.dropna()))
    tree = _Tree(root, entry)
    found, way = _best(names, tree, posixpath.dirname(nfc(table)), _split_of(table, entry))
    several = {name: files for name, files in found.items() if len(files) > 1}
    if several:
        lines = [f"'{name}': {' or '.join(files[:5])}" for name, files in several.items()]
        raise UserError(
            f"{len(several)} paths may mean several files:{listed(lines)}",
            table,
            "paths relative to the source, with folder and suffix",
            "choose among the files: source: {path: .., files: [images/*]}",
        )
    changed = {name: files[0] for name, files in found.items() if files[0] != name}
    if changed:
        name, file = next(iter(changed.items()))
        notes.append(f"{table}: {len(changed)} of {len(names)} files were found {way}, such as {file} for '{name}'")
        paths = composed(paths.map(lambda path: changed.get(path, path)))
    own_id = entry["columns"].get("id")
    frame = frame.assign(path=paths, sample_id=frame["sample_id"] if own_id else paths)
    if frame["split"].isna().all() and not entry["columns"].get("split"):
        frame = frame.assign(split=_splits_of_folders(paths, table, notes))
    return frame


def _relative(paths, root):
    """Absolute paths below the root as relative ones."""
    for top in dict.fromkeys((os.path.abspath(root), os.path.realpath(root))):  # noqa: PTH100
        below = paths.str.startswith(top + "/")
        if below.any():
            paths = paths.mask(below.fillna(False), paths.str.slice(len(top) + 1))
    return paths


def _split_of(table, entry):
    """The split whose samples a table lists, as the config or its own name says (train.csv); None if neither does."""
    given = entry["table"] if isinstance(entry["table"], dict) else {}
    by_config = [split for split, name in given.items() if name == table]
    return by_config[0] if by_config else split_in(posixpath.basename(table).partition(".")[0])


def _best(names, tree, beside, split):
    """{path: files that it may mean} of the way in which most files are found, and what to say of it."""
    exact = {name: [name] for name in names if tree.holds(name)}
    if len(exact) == len(names):
        return exact, None
    ways = [(exact | {name: files for name in names if name not in exact and (files := tree.like(name))}, WAYS[0])]
    if beside:
        places = {name: posixpath.normpath(f"{beside}/{name}") for name in names}
        near = {name: [place] if tree.holds(place) else tree.like(place) for name, place in places.items()}
        ways.append(({name: files for name, files in near.items() if files}, WAYS[1]))
    if not any(found for found, _ in ways):
        found = {name: files for name in names if (files := tree.ending_in(name))}
        ways.append((_below(beside, found) or _in_split(split, found), WAYS[2]))
    return max(ways, key=lambda way: len(way[0]))


def _below(folder, found):
    """Of {path: files that it may mean} what is below a folder: train/ and test/ often hold the same names."""
    near = {name: [file for file in files if file.startswith(f"{folder}/")] for name, files in found.items()}
    return {name: files for name, files in near.items() if files}


def _in_split(split, found):
    """The same where several files may be meant and one is in a folder of the table's split."""
    own = {name: [f for f in files if split in map(split_in, f.split("/")[:-1])] for name, files in found.items()}
    return {name: own[name] if split and len(own[name]) == 1 else files for name, files in found.items()}


class _Tree:
    """What is below a root, looked up by composed names; every folder is listed once."""

    def __init__(self, root, entry):
        self.root, self.source, self.folders, self.ends = root, entry["source"], {}, None
        kinds = [entry["modality"]] if entry["modality"] else ["image", "text"]
        self.suffixes = frozenset().union(*(SUFFIXES_OF[kind] for kind in kinds))

    def holds(self, path):
        folder, name = posixpath.split(path)
        return name in self._listed(folder)[0]

    def like(self, path):
        """The files of that name with a suffix of samples; if there are none, those that only differ in capitals."""
        folder, name = posixpath.split(path)
        files = (posixpath.join(folder, file) for file in self._listed(folder)[1].get(name, ()))
        found = [file for file in files if is_wanted(file, self.source)]
        return found or [file for file in self._with_end(path) if file.casefold() == path.casefold()]

    def ending_in(self, path):
        """The files, anywhere, whose path ends in `path`, with or without their suffix."""
        likely = self._with_end(path)
        return [
            f for f in likely if f"/{f}".endswith(f"/{path}") or f"/{posixpath.splitext(f)[0]}".endswith(f"/{path}")
        ]

    def _with_end(self, path):
        """The files, anywhere, of the name of `path` in any capitals, with or without their suffix."""
        if self.ends is None:
            self.ends = {}
            for file, entry in walk(self.root):
                file = nfc(file)
                if entry is not None and self._is_sample(file) and is_wanted(file, self.source):
                    for key in {posixpath.basename(file), posixpath.splitext(posixpath.basename(file))[0]}:
                        self.ends.setdefault(key.casefold(), []).append(file)
        return self.ends.get(posixpath.basename(path).casefold(), ())

    def _is_sample(self, file):
        return posixpath.splitext(file)[1].lower() in self.suffixes

    def _listed(self, folder):
        """(names, {name without suffix: names}) of a folder; empty where there is none or it leads out of the root."""
        if folder not in self.folders:
            names, stems = set(), {}
            if not (folder.startswith("/") or ".." in folder.split("/") or "\0" in folder):
                names = self._names(folder)
            for name in sorted(name for name in names if self._is_sample(name)):
                stems.setdefault(posixpath.splitext(name)[0], []).append(name)
            self.folders[folder] = names, stems
        return self.folders[folder]

    def _names(self, folder):
        try:
            return {nfc(name) for name in os.listdir(on_disk(self.root, folder) if folder else self.root)}  # noqa: PTH208
        except (OSError, TypeError):
            return set()


def _splits_of_folders(paths, table, notes):
    """The splits of files that are in train/, test/, .. (Series of str), as without a table; null where they do not."""
    folders = paths.dropna().str.split("/").str[:-1]
    for level in range(folders.str.len().min() if len(folders) else 0):
        names = folders.str[level]
        splits = names.map(splits_named(names.unique()))
        if splits.notna().all() and "train" in set(splits) and splits.nunique() > 1:
            shown = ", ".join(sorted(set(names)))
            notes.append(
                f"{table}: its files are in {shown}: these are the splits; `columns: {{split: ..}}` names others"
            )
            return composed(splits.reindex(paths.index).astype("str"))
    return None
