"""How a model does on each group of its rows (a plate, a scanner, a sex), which is the worst, and how far that is below all rows."""

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from graft.common import plugins
from graft.common.spelling import natural_sort
from graft.evaluation import choosing
from graft.evaluation.choosing import COLUMNS as METRICS
from graft.evaluation.intervals import units_of
from graft.evaluation.tables import METRIC_NAMES

COLUMNS = ["column", "role", "group", "rows", "metric", "value", "low", "high", "compared"]
LEAST = 20  # rows of a group that is judged: of fewer, every metric is mostly luck
SEEN = 0.0005  # a gap that is not 0.000 when it is shown
MOST = 100  # groups of a column that are listed: those with the most rows
ERRORS = ("rmse",)  # metrics of which less is better


def judge_groups(candidate, facts, columns, units, metrics):
    """The groups of each column.

    A group's 95 % interval holds for other units of that group; where all its rows are one unit, for other rows of it. The gap is how
    much worse the worst group is than all rows, by a paired bootstrap over units. The worst of many groups is low by chance, too:
    the intervals of `worst` and `gap` are as much wider as holds for all compared groups at once (Bonferroni).

    Parameters
    ----------
    candidate : choosing.Candidate, the labelled rows of a split, a table per seed; values are means over seeds
    facts : dict, the target in labels.json
    columns : dict, name -> Series, sample_id -> the group (str, never null)
    units : dict, sample_id -> what is drawn together with it; null where it is alone
    metrics : list of str, of which the first is taken that is defined in most groups of LEAST rows; the last one always is

    Returns
    -------
    DataFrame with COLUMNS, for each column its rows by role: `all`; `worst` and `gap` if two groups or more have a value; `group`,
    one row each, without a value where it has under LEAST rows or the metric is not defined there (one class alone); `other`, the rows
    of all groups beyond the MOST largest. `compared` says how many groups have a value.
    """
    ids, tables = choosing.common_rows([candidate])
    if not ids:
        return pd.DataFrame(columns=COLUMNS)
    judge = _Judge(tables[candidate.name], facts, pd.Series(units, dtype=object).reindex(ids).to_numpy())
    rows = []
    for name, groups in columns.items():
        rows += [(name, *row) for row in _rows_of(judge, groups.reindex(ids).to_numpy(object), list(metrics))]
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows_of(judge, groups, metrics):
    """The rows of a column, without its name; `groups` has the group of each row."""
    counts = pd.Series(groups).value_counts()
    names = sorted(natural_sort(counts.index), key=lambda name: -counts[name])
    listed, others = natural_sort(names[:MOST]), names[MOST:]
    places = {name: groups == name for name in listed if counts[name] >= LEAST}
    metric = judge.first_defined(metrics, places.values())
    found = {name: judge.value(metric, where) for name, where in places.items()}
    found = {name: one for name, one in found.items() if one["value"] is not None}
    compared = len(found)
    yield "all", "", len(groups), metric, *judge.value(metric, np.full(len(groups), True)).values(), compared
    if compared > 1:
        sign = -1 if metric in ERRORS else 1
        worst = min(found, key=lambda name: sign * found[name]["value"])
        own = judge.widened(places[worst], compared, **found[worst])
        yield "worst", worst, counts[worst], metric, found[worst]["value"], *own, compared
        yield "gap", worst, counts[worst], metric, *judge.gap(metric, places[worst], sign, compared), compared
    for name in listed:
        one = found.get(name, {"value": None, "low": None, "high": None})
        yield "group", name, counts[name], metric, *one.values(), compared
    if others:
        yield "other", f"{len(others)} smaller groups", counts[others].sum(), metric, None, None, None, compared


class _Judge:
    """Judges parts of a model's rows; `tables` is a DataFrame per seed of the same rows, `units` an array (n,) of objects."""

    def __init__(self, tables, facts, units):
        self.tables, self.facts, self.units = tables, facts, units
        self.kind = plugins.load("kind", facts["kind"])
        self.found = {}

    def units_within(self, where):
        """The unit of every row; the rows `where` are alone if they all are one unit."""
        return np.where(where, None, self.units) if _count(self.units[where]) == 1 else self.units

    def first_defined(self, metrics, places):
        for metric in metrics[:-1]:
            known = [self.value(metric, where)["value"] is not None for where in places]
            if known and 2 * sum(known) > len(known):
                return metric
        return metrics[-1]

    def value(self, metric, where):
        """{"value", "low", "high"} of the rows `where`: the means over seeds, None where a seed has none."""
        key = where.tobytes()
        if key not in self.found:
            units = self.units_within(where)[where]
            parts = [table[where].assign(group=units) for table in self.tables]
            self.found[key] = [self.kind.metrics({"validation": part}, self.facts)["validation"] for part in parts]
        each = [one[metric] for one in self.found[key]]
        means = {end: [one[end] for one in each] for end in ("value", "low", "high")}
        return {end: None if None in values else float(np.mean(values)) for end, values in means.items()}

    def widened(self, where, compared, value, low, high):
        """Both ends as they hold for all compared groups at once; within 0 and 1 if the metric is."""
        if low is None:
            return None, None
        wider = _wider(_count(self.units_within(where)[where]), compared)
        ends = np.array([value + wider * (low - value), value + wider * (high - value)])
        return np.clip(ends, 0, 1) if self.facts["kind"] != "regression" else np.maximum(ends, 0)

    def gap(self, metric, where, sign, compared):
        """How much worse the rows `where` are than all, and its interval."""
        classes, ids = self.facts.get("classes"), self.tables[0].index
        units = choosing.units_by_id(ids, dict(zip(ids, self.units_within(where), strict=True)))
        own = [table[where] for table in self.tables]
        gap, drawn = _drawn(metric, self.tables, own, classes, units)
        sizes = choosing.sizes_of(metric, {"": own}, units[where])
        low, high = choosing.interval(sign * gap, sign * drawn, sizes)
        wider = _wider(units[where].nunique(), compared)
        return (
            sign * gap,
            *(None if np.isnan(end) else sign * gap + wider * (end - sign * gap) for end in (low, high)),
        )


def _drawn(metric, tables, own, classes, units):
    """A metric of all rows less that of a part of them, averaged over seeds; and the same in every resample of the units."""
    columns_of, value_of = METRICS[metric]
    count = units.nunique()
    pairs = [
        [choosing.sums_by_unit(columns_of(rows, classes), units[rows.index], count) for rows in both]
        for both in zip(tables, own, strict=True)
    ]
    with np.errstate(divide="ignore", invalid="ignore"):  # a resample may have no unit of the part
        blocks = [
            np.mean([value_of(block @ whole) - value_of(block @ part) for whole, part in pairs], axis=0)
            for block in choosing.resamples(count, 0)
        ]
    gap = float(np.mean([value_of(whole.sum(0)) - value_of(part.sum(0)) for whole, part in pairs]))
    return gap, np.concatenate(blocks)


def _count(units):
    """How many units rows are of."""
    codes = units_of(units)
    return len(units) if codes is None else codes.max() + 1


def _wider(units, compared):
    """Student's quantile for one of `compared` intervals that hold together, over that for one alone."""
    df = max(units - 1, 1)
    return float(stdtrit(df, 1 - 0.025 / compared) / stdtrit(df, 0.975))


def worst_in_words(table):
    """A sentence for each column that has a worst group; list of str.

    Parameters
    ----------
    table : DataFrame, the rows of one model and split in results/groups/{dataset}/{target}.csv
    """
    said = []
    for column, rows in table.groupby("column", sort=False):
        by_role = {row["role"]: row for _, row in rows.iterrows()}
        if "worst" in by_role:
            said.append(_sentence(column, by_role["worst"], by_role["gap"]))
    return said


def _sentence(column, worst, gap):
    side = "above" if worst["metric"] in ERRORS else "below"
    metric = METRIC_NAMES.get(worst["metric"], worst["metric"])
    of = f"Worst group: {column} {worst['group']}, {metric} {_in_brackets(worst)} of {worst['rows']:,} rows"
    compared = f"{worst['compared']} groups were compared"
    if gap["value"] < SEEN:
        return f"{of}: no worse than all rows together ({compared})."
    sure = "" if gap["low"] > 0 else ". This may be chance"
    return f"{of}, which is {_in_brackets(gap)} {side} that of all rows{sure} ({compared})."


def _in_brackets(row):
    ends = "" if pd.isna(row["low"]) else f" [{row['low'] + 0.0:.3f}, {row['high'] + 0.0:.3f}]"
    return f"{row['value'] + 0.0:.3f}{ends}"
