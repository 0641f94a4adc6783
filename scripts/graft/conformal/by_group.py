"""How often sets hold the truth in each group of the test rows, and how large they are there."""

import numpy as np
import pandas as pd

from graft.conformal.sets import judge_sets
from graft.targets.by_group import LEAST

PREFIXES = ("set_", "low_", "high_")  # of the columns of a prediction table that are sets or ends of intervals


def set_columns(names):
    """Those of the names that are columns of sets."""
    return [name for name in names if name.startswith(PREFIXES)]


def with_coverage(found, tables, facts, columns, units):
    """The rows of `targets.by_group.judge_groups` with coverage_90, its interval, and set_size_90 or width_90, of each level.

    Parameters
    ----------
    found : DataFrame, rows of a model and of test rows
    tables : list of DataFrame, one per seed: its prediction table, or a part of it; values are means over seeds
    facts, columns, units : as for judge_groups

    Returns
    -------
    DataFrame, with values where the role is `all` or `group` and at least LEAST rows have a set
    """
    tables = [table[table["split"] == "test"] for table in tables]
    measured = [
        _means(tables, facts, columns[row.column] if row.role == "group" else None, row.group, units)
        if row.role in ("all", "group")
        else {}
        for row in found.itertuples()
    ]
    return found.join(pd.DataFrame(measured, index=found.index))


def _means(tables, facts, groups, name, units):
    """The means over seeds of what is measured on the rows of a group; of all rows where `groups` is None."""
    each = [_measured(table, facts, groups, name, units) for table in tables]
    if not all(each):
        return {}
    return {
        key: None if any(one[key] is None for one in each) else np.mean([one[key] for one in each]) for key in each[0]
    }


def _measured(table, facts, groups, name, units):
    part = table if groups is None else table[(groups.reindex(table["sample_id"]) == name).to_numpy()]
    levels = dict.fromkeys(one.split("_", 1)[1] for one in set_columns(table))
    own = part["sample_id"].map(units).to_numpy(object)
    if groups is not None and len(set(own)) == 1:
        own = np.full(len(part), None)  # the group is one unit: its interval is for other rows of it
    known = part[set_columns(table)].notna().all(axis=1).to_numpy()
    if known.sum() < LEAST:
        return {}
    metrics, _ = judge_sets(part, facts, {"levels": levels}, own)
    found = {}
    for key, one in metrics.get("test", {}).items():
        ends = ("value", "low", "high") if key.startswith("coverage") else ("value",)
        found |= {key if end == "value" else f"{key}_{end}": one[end] for end in ends}
    return found
