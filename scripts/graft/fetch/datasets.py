"""From the source of a data set to its folder, or where the data are read in place."""

import os
from pathlib import Path

from graft.common.outputs import write_json
from graft.fetch import assets


def fetch_dataset(name, entry, output_dir, lock_path):
    """Fetch a data set's files into `output_dir`, described by its dataset.json.

    Parameters
    ----------
    name : str
    entry : dict, the data set's entry of the config
    output_dir : path; replaced as a whole, at the end
    lock_path : path of the lock file

    Raises
    ------
    UserError
        If the source is missing, unreachable or unsafe, or a file is not the one that was expected.
    """
    with assets.new_folder(output_dir, "dataset.json", entry) as folder:
        if folder is None:
            return
        want = assets.describe("dataset", name, entry, folder / "root", lock_path)
        known, files = assets.get(want, lock_path)
        content = {
            "name": name,
            "source": assets.said(want.source),
            "revision": known.get("revision"),
            "licence": entry.get("licence") or known.get("licence"),
            "root": _root_as_written(known["root"], want.source["path"], output_dir) if "root" in known else "root",
        }
        write_json(
            folder / "dataset.json", content | ({} if "root" in known else {"files": files}) | assets.stamp(entry)
        )


def _root_as_written(root, written, output_dir):
    """A relative path stays relative, so that a project that is moved or copied finds its own data."""
    if Path(written).expanduser().is_absolute():
        return root
    return Path(os.path.relpath(os.path.realpath(root), os.path.realpath(output_dir))).as_posix()
