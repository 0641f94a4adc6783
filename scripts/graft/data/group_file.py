"""Groups from a file of the user's, such as those that a run proposed of samples that are nearly the same."""

from pathlib import Path

import pandas as pd

from graft.common.errors import UserError

COLUMNS = ["sample_id", "group"]


def with_groups(frame, path, notes):
    """The frame with the groups of a CSV file; samples that are not in it keep their own.

    Parameters
    ----------
    frame : DataFrame with sample_id, group
    path : path of the file, or None
    notes : list of str, to which is added how many of its samples are not there

    Raises
    ------
    UserError
        If the file is not there, or is not a table of sample_id and group with each sample once.
    """
    if not path:
        return frame
    where = Path(path).expanduser()
    try:
        table = pd.read_csv(where, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError("there is no such file", "groups", hint=f"write its path from {Path.cwd()}: {path}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"is not a CSV file ({str(error).splitlines()[0]})", str(where)) from None
    if not set(COLUMNS) <= set(table.columns):
        raise UserError(f"has the columns {', '.join(table.columns)}", str(where), "sample_id and group")
    twice = table["sample_id"][table["sample_id"].duplicated()]
    if len(twice):
        raise UserError(f"names sample '{twice.iloc[0]}' twice", str(where), "each sample once")
    named = table.set_index("sample_id")["group"]
    unknown = int((~named.index.isin(frame["sample_id"])).sum())
    if unknown:
        notes.append(f"groups: {unknown} of {len(named)} samples of {where.name} are not in the data")
    found = frame["sample_id"].map(named)
    return frame.assign(group=found.where(found.fillna("") != "", frame["group"]))
