"""The backbone that a search has chosen, under a name of its own, so that later rules need not know which it is."""

import shutil
from pathlib import Path

from graft.common.outputs import read_json, write_json
from graft.fetch import assets


def write_chosen(base, entry, output_dir):
    """Copy a backbone's folder.

    Parameters
    ----------
    base : path of its backbone.json
    entry : dict, the entry of the plan of the copy
    output_dir : path, where that belongs
    """
    base = Path(base)
    spec = read_json(base)
    stamped = {**entry, "chosen": [spec["name"], spec["entry_digest"]]}
    with assets.new_folder(output_dir, "backbone.json", stamped) as folder:
        if folder is None:
            return
        for file in base.parent.iterdir():
            if file.is_file() and not file.name.startswith("."):
                shutil.copyfile(file, folder / file.name)
        write_json(folder / "backbone.json", spec | assets.stamp(stamped))
