"""What a path of the user's seems to hold: the data set's entry that fits it, and why.

Only names and a few thousand rows are looked at here; what the samples are like is `prepare`'s to say.
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from graft.common.errors import UserError, first_line
from graft.common.spelling import plain
from graft.data.readers import arrays, folder, hub, table
from graft.data.survey.folders import guess_folders
from graft.data.survey.tables import guess_arrays, guess_hub, guess_table


@dataclass
class Survey:
    """A guess.

    name : of the data set
    entry : dict, the data set's entry of the config, without what is the default
    reasons : dict, key of the entry (or target:NAME) -> why, in a few words
    notes : list of str, what the user should look at
    """

    name: str
    entry: dict
    reasons: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)


def survey(path, relative_to="."):
    """Look at a folder or file.

    Parameters
    ----------
    path : a folder of images, texts, tables, arrays or of a hub data set; or one table or array file
    relative_to : the folder that paths in the config start from

    Returns
    -------
    Survey

    Raises
    ------
    UserError
        If there is nothing that a reader could read; says what is there.
    """
    path = Path(path)
    if not path.exists():
        raise UserError("there is no such file or folder", str(path), hint="DATA=... names your data")
    root, name = (path.absolute(), None) if path.is_dir() else (path.absolute().parent, path.name)
    found = Survey(_name(path), {"source": {"path": _relative(root, relative_to)}})
    if name is None and hub.looks_right(root):
        guess_hub(found, root)
    elif (name or "").lower().endswith((".npz", ".npy")) or (name is None and arrays.looks_right(root)):
        guess_arrays(found, root, name)
    elif name or table.looks_right(root):
        return _table_or_folders(found, root, name)
    else:
        guess_folders(found, root)
    return found


def _table_or_folders(found, root, name):
    """A table; or folders of classes, beside which is a table that lists no samples."""
    bare = {"source": dict(found.entry["source"])}
    try:
        guess_table(found, root, name)
    except UserError as error:
        if name or not folder.looks_right(root):
            raise
        others = ", ".join(table.tables_of(root)[:5])
        found = Survey(found.name, bare | {"reader": "folder"})
        found.notes.append(f"{others} is not looked at: {first_line(error)}")
        guess_folders(found, root)
    return found


def _name(path):
    """A data set's name from a path's last part."""
    words = re.sub(r"[^A-Za-z0-9_-]+", "-", plain(path.resolve().stem)).strip("-_")[:40]
    return words or "data"


def _relative(root, start):
    """A path below `start` is given from there, others whole, so that the config can be moved with its data."""
    root, start = root.resolve(), Path(start).resolve()
    return os.path.relpath(root, start) if root.is_relative_to(start) else str(root)
