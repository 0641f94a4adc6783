"""Groups and subgroups from a file of the user's: groups such as those that a run proposed of samples that are nearly the same."""

from pathlib import Path

import pandas as pd

from graft.common.errors import UserError, did_you_mean, raise_all
from graft.data.listing.rows import SUBGROUP

COLUMNS = ["sample_id", "group"]


def with_groups(frame, path, notes, subgroups=()):
    """The frame with the groups of a CSV file; samples that are not in it keep their own.

    A column of `subgroups` that the data themselves do not have, as a folder of files has none, is one of the file.

    Parameters
    ----------
    frame : DataFrame with sample_id, group
    path : path of the file, or None
    notes : list of str, to which is added how many of its samples are not there
    subgroups : list of str, the names of columns

    Raises
    ------
    UserError
        If the file is not there, or is not a table of sample_id and group with each sample once; or has not the subgroups.
    """
    wanted = [column for column in subgroups if SUBGROUP + column not in frame]
    if not path:
        if wanted:
            hint = "name a CSV file of sample_id and these columns as `groups`; or list the files in a table (`reader: table`)"
            raise UserError(f"a folder of files has no columns; here are {', '.join(wanted)}", "subgroups", hint=hint)
        return frame
    where = Path(path).expanduser()
    try:
        table = pd.read_csv(where, dtype=str, keep_default_na=False)
    except FileNotFoundError:
        raise UserError("there is no such file", "groups", hint=f"write its path from {Path.cwd()}: {path}") from None
    except (ValueError, OSError) as error:
        raise UserError(f"is not a CSV file ({str(error).splitlines()[0]})", str(where)) from None
    if not {"sample_id", *(() if wanted else ("group",))} <= set(table.columns):
        raise UserError(f"has the columns {', '.join(table.columns)}", str(where), "sample_id and group")
    absent = [one for one in wanted if one not in table]
    raise_all(
        [
            UserError(
                f"there is no column '{one}' (named by subgroups)", str(where), hint=did_you_mean(one, table.columns)
            )
            for one in absent
        ]
    )
    twice = table["sample_id"][table["sample_id"].duplicated()]
    if len(twice):
        raise UserError(f"names sample '{twice.iloc[0]}' twice", str(where), "each sample once")
    named = table.set_index("sample_id")
    unknown = int((~named.index.isin(frame["sample_id"])).sum())
    if unknown:
        notes.append(f"groups: {unknown} of {len(named)} samples of {where.name} are not in the data")
    frame = frame.assign(**{SUBGROUP + one: frame["sample_id"].map(named[one]) for one in wanted})
    if "group" not in named:
        return frame
    found = frame["sample_id"].map(named["group"])
    return frame.assign(group=found.where(found.fillna("") != "", frame["group"]))
