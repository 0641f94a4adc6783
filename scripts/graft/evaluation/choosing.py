"""Which of several models to take. Validation rows decide: test rows judge the model that was taken, and choose none.

Models are compared by a paired bootstrap: each resample draws the groups of the data set (a row without a group is one of
its own), the same ones for all models. Where the leader's lead over a model may be none, the two are a tie.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import ndtri, stdtrit

from graft.evaluation.metrics import auroc, clipped_log
from graft.evaluation.multilabel_metrics import answers_of, average_precision

RESAMPLES, DRAWS = 2000, 20_000_000  # large data get fewer resamples, never below 200


@dataclass(frozen=True)
class Candidate:
    """A trained model or a few-shot task.

    tables : list of DataFrame, one per seed: the labelled validation rows of its prediction table. Of a few-shot task one
        per number of shots: its queries, and a row for each time that a sample was asked
    parameters : int
    frozen : bool, whether it only has a head of its own on embeddings that other models share
    """

    name: str
    tables: list
    parameters: int
    frozen: bool


def choose(candidates, classes, groups, metrics, loss, split="validation"):
    """Compare models of one target on its validation rows, and take one.

    The best value of the first metric that is defined leads. Among those that cannot be told from it, the lowest loss
    decides (to the three digits that are shown), then the fewest parameters, then a frozen model.

    Parameters
    ----------
    candidates : list of Candidate
    classes : list of str, or None for regression
    groups : dict, sample_id -> group; blank, None or NaN (of a manifest's column) for none
    metrics : sequence of str, larger is better; see `COLUMNS`
    loss : str, lower is better
    split : str, which rows these are

    Returns
    -------
    dict
        model : name of the model taken
        by : "alone", "lead", "loss", "cost", or "rows" where there is no validation row to compare by
        metric : what the models were compared by; None if nothing is defined
        loss, split : as given
        rows, groups : how many rows and groups there were
        table : DataFrame by name: value, loss, gap (to the leader, at most 0), gap_low, gap_high, tied
    """
    candidates = sorted(candidates, key=_cost)
    ids, tables = common_rows(candidates)
    if not ids:
        return _unknown([one.name for one in candidates], loss, split)
    metric = next((name for name in metrics if is_defined(name, tables, classes)), None)
    units = units_by_id(ids, groups)
    count = units.nunique()
    losses, drawn = _resampled(loss, tables, classes, units)
    if metric is None:  # one value alone: the model nearest to it is no better for that
        values, drawn = dict.fromkeys(losses, np.nan), {name: 0 * many for name, many in drawn.items()}
    else:
        values, drawn = _resampled(metric, tables, classes, units)
    table = _table(values, losses, drawn, sizes_of(metric, tables, units))
    if metric in OVER_CLASSES:  # one row of a class says so little that the interval is longer than the scale
        table[["gap_low", "gap_high"]] = table[["gap_low", "gap_high"]].clip(-1.0, 1.0)
    tied = [one for one in candidates if table.loc[one.name, "tied"]]
    lowest = min(as_shown(losses[one.name]) for one in tied)
    equals = [one for one in tied if as_shown(losses[one.name]) == lowest]
    by = "alone" if len(candidates) == 1 else "lead" if len(tied) == 1 else "loss" if len(equals) == 1 else "cost"
    facts = {"metric": metric, "loss": loss, "split": split, "rows": len(ids), "groups": count}
    return {"model": equals[0].name, "by": by, **facts, "table": table}  # equals are ordered by what they cost


def gaps(candidates, to, classes, groups, metric):
    """How much better than the model called `to` each candidate is, on the rows that all of them have.

    Parameters
    ----------
    candidates, classes, groups : as for `choose`; `to` is among the candidates
    metric : str, larger is better

    Returns
    -------
    DataFrame by name : value, gap, gap_low, gap_high; empty where no row is there or the metric is not defined
    """
    ids, tables = common_rows(candidates)
    if not ids or not is_defined(metric, tables, classes):
        return pd.DataFrame(columns=["value", "gap", "gap_low", "gap_high"])
    units = units_by_id(ids, groups)
    values, drawn = _resampled(metric, tables, classes, units)
    sizes, rows = sizes_of(metric, tables, units), {}
    for name, value in values.items():
        gap = value - values[to]
        low, high = interval(gap, drawn[name] - drawn[to], sizes)
        if classes:  # of few rows the interval can be longer than the scale
            low, high = np.clip([low, high], -1.0, 1.0)
        rows[name] = {"value": value, "gap": gap, "gap_low": low, "gap_high": high}
    return pd.DataFrame.from_dict(rows, orient="index")


def mean_of(metric, tables, classes):
    """A metric (see COLUMNS) of a model's tables, one per seed: their mean; None where it is not defined."""
    columns_of, value_of = COLUMNS[metric]
    found = [columns_of(table, classes) if len(table) else None for table in tables]
    return None if any(one is None for one in found) else float(np.mean([value_of(one.sum(0)) for one in found]))


def common_rows(candidates):
    """The samples that all tables of all candidates have, sorted, and the tables of these rows: dict, name -> list by seed."""
    ids = sorted(set.intersection(*(set(table["sample_id"]) for one in candidates for table in one.tables)))
    return ids, {one.name: [table.set_index("sample_id").loc[ids] for table in one.tables] for one in candidates}


def as_shown(loss):
    """A loss to the digits that are shown of it: what looks equal is equal."""
    return float(f"{loss:.3g}")


def _unknown(names, loss, split):
    """What `choose` gives where no row says anything: the cheapest model, and that it was not compared."""
    columns = ["value", "loss", "gap", "gap_low", "gap_high"]
    by = "rows" if len(names) > 1 else "alone"
    facts = {"metric": None, "loss": loss, "split": split, "rows": 0, "groups": 0}
    return {"model": names[0], "by": by, **facts, "table": pd.DataFrame(np.nan, names, columns).assign(tied=True)}


def _cost(candidate):
    return candidate.parameters, not candidate.frozen, candidate.name


def sizes_of(metric, tables, units):
    """How many units a metric rests on: of each class, where all classes weigh the same, else one number for all."""
    if metric not in OVER_CLASSES:
        return np.array([units.nunique()])
    labels = next(iter(tables.values()))[0]["label"].explode().dropna()  # of several labels, each counts
    return units[labels.index].groupby(labels.to_numpy(object)).nunique().to_numpy()


def _table(values, losses, drawn, sizes):
    leader = max(values, key=lambda name: (values[name], -losses[name]))
    rows = {}
    for name, value in values.items():
        gap = value - values[leader]
        low, high = interval(gap, drawn[name] - drawn[leader], sizes)
        tied = name == leader or not high < 0  # one group alone has no interval, and distinguishes nothing
        rows[name] = {"value": value, "loss": losses[name], "gap": gap, "gap_low": low, "gap_high": high, "tied": tied}
    return pd.DataFrame.from_dict(rows, orient="index")


def interval(value, drawn, sizes):
    """A percentile interval, wider where few units are drawn: by Student's t, and by what resamples lack of the variance.

    Of a class's n units they show (n - 1) / n of the variance, and of a single one nothing. The degrees of freedom are
    Satterthwaite's (1946), as if the units of all classes varied equally.
    """
    shown = ((sizes - 1) / sizes**2).sum() / (1 / sizes).sum()
    if shown < 0.5:  # one unit alone, or of a class that counts for most of the variance
        return np.nan, np.nan
    df = (1 / sizes).sum() ** 2 / (1 / sizes**2 / np.maximum(sizes - 1, 1)).sum()
    wider = stdtrit(df, 0.975) / ndtri(0.975) / np.sqrt(shown)
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return value + wider * (low - value), value + wider * (high - value)


def units_by_id(ids, groups):
    """Series, sample_id -> number of its group, from 0; a row without one is its own group."""
    named = pd.Series(groups, dtype=object).reindex(ids).fillna("").str.strip()
    words = [f"group {group}" if group else f"row {one}" for one, group in zip(ids, named, strict=True)]
    return pd.Series(np.unique(words, return_inverse=True)[1], ids)


def _resampled(metric, tables, classes, units, seed=0):
    """Each model's metric, averaged over its seeds, and the same in every resample of the units.

    Returns
    -------
    values : dict, name -> float
    drawn : dict, name -> array, shape (resamples,); the resamples are the same for all
    """
    values, drawn = _resampled_seeds(metric, tables, classes, units, seed)
    return values, {name: each.mean(0) for name, each in drawn.items()}


def resampled_seeds(metric, tables, classes, ids, groups, seed=0):
    """The units of the rows, each model's metric, and each seed's in every resample: dict, name -> array (seeds, resamples)."""
    units = units_by_id(ids, groups)
    return units, *_resampled_seeds(metric, tables, classes, units, seed)


def _resampled_seeds(metric, tables, classes, units, seed):
    columns_of, value_of = COLUMNS[metric]
    sums = {
        name: [sums_by_unit(columns_of(one, classes), units[one.index]) for one in seeds]
        for name, seeds in tables.items()
    }
    counts = resamples(units.nunique(), seed)
    drawn = {name: [] for name in tables}
    for block in counts:
        for name, seeds in sums.items():
            drawn[name].append(np.stack([value_of(block @ one) for one in seeds]))
    values = {name: float(np.mean([value_of(one.sum(0)) for one in seeds])) for name, seeds in sums.items()}
    return values, {name: np.concatenate(blocks, axis=1) for name, blocks in drawn.items()}


def sums_by_unit(columns, units, count=0):
    """Sums of the columns over the rows of each unit, shape (units, k); `count`: how many units there are, if some have no row."""
    return np.column_stack([np.bincount(units, weights=column, minlength=count) for column in columns.T])


def resamples(units, seed):
    """How often each unit is drawn, resample by resample; float arrays of shape (some, units)."""
    random = np.random.default_rng(seed)
    left = int(np.clip(DRAWS // units, 200, RESAMPLES))
    while left > 0:
        some = min(left, max(1, 4_000_000 // units))
        places = random.integers(0, units, (some, units)) + np.arange(some)[:, None] * units
        yield np.bincount(places.ravel(), minlength=some * units).reshape(some, units).astype(np.float64)
        left -= some


def is_defined(metric, tables, classes):
    return all(COLUMNS[metric][0](one, classes) is not None for seeds in tables.values() for one in seeds)


# A metric is a function of sums over rows: {name: (columns of a table, value of their sums)}. `columns` gives an array of
# shape (n, k), whose first column is 1; `value` takes sums of shape (..., k).


def _right(table, classes):
    return np.column_stack([np.ones(len(table)), table["label"] == table["predicted"]])


def _losses(table, classes):
    codes = _codes(table, classes)
    chances = _chances(table, classes)[np.arange(len(table)), codes]
    return np.column_stack([np.ones(len(table)), -clipped_log(chances)])


def _losses_of_queries(table, classes):
    return np.column_stack([np.ones(len(table)), table["loss"]])


def _areas(table, classes):
    """The area and each row's influence on it: their mean is the area, and that of a resample nearly its area."""
    area, influence = auroc(_codes(table, classes), _chances(table, classes))
    return None if area is None else np.column_stack([np.ones(len(table)), area + influence])


def _areas_of_labels(table, classes):
    """The same of the mean average precision of several labels."""
    area, influence = average_precision(answers_of(table, classes), _chances(table, classes))
    return None if area is None else np.column_stack([np.ones(len(table)), area + influence])


def _losses_of_labels(table, classes):
    answers, chances = answers_of(table, classes), _chances(table, classes)
    losses = np.where(np.isfinite(answers), -clipped_log(np.where(answers == 1, chances, 1 - chances)), 0.0)
    return np.column_stack([np.ones(len(table)), losses.sum(1), np.isfinite(answers).sum(1)])


def _hits(table, classes):
    codes = _codes(table, classes)
    is_class = np.eye(len(classes))[codes]
    right = (table["label"] == table["predicted"]).to_numpy()[:, None]
    return np.column_stack([np.ones(len(table)), is_class, is_class * right])


def _levels(table, classes):
    codes, predicted = _codes(table, classes), _codes(table.assign(label=table["predicted"]), classes)
    if len({*codes, *predicted}) < 2:
        return None
    columns = [np.ones(len(table)), (codes - predicted) ** 2, codes, predicted, codes**2, predicted**2]
    return np.column_stack(columns).astype(np.float64)


def _errors(table, classes):
    value = table["value"].to_numpy(float)
    error = table["predicted"].to_numpy(float) - value
    return np.column_stack([np.ones(len(table)), error**2, value - value.mean(), (value - value.mean()) ** 2])


def _errors_of_varying(table, classes):
    return _errors(table, classes) if table["value"].nunique() > 1 else None


def _mean(sums):
    return sums[..., 1] / sums[..., 0]


def _mean_of_cells(sums):
    return sums[..., 1] / sums[..., 2]


def _mean_recall(sums):
    width = (sums.shape[-1] - 1) // 2
    actual, hits = sums[..., 1 : width + 1], sums[..., width + 1 :]
    recall = np.divide(hits, actual, out=np.zeros_like(hits), where=actual > 0)
    return recall.sum(-1) / (actual > 0).sum(-1)


def _kappa(sums):
    square, true, said, true_square, said_square = (sums[..., i] / sums[..., 0] for i in range(1, 6))
    apart = true_square + said_square - 2 * true * said
    return np.where(apart > 0, 1 - square / np.where(apart > 0, apart, 1.0), np.nan)


def _explained(sums):
    count, error, value, square = (sums[..., i] for i in range(4))
    spread = square - value**2 / count
    return np.where(spread > 0, 1 - error / np.where(spread > 0, spread, 1.0), np.nan)


def _root(sums):
    return np.sqrt(_mean(sums))


OVER_CLASSES = ("auroc", "balanced_accuracy", "map")  # a rare class weighs as much as the others
COLUMNS = {
    "auroc": (_areas, _mean),
    "balanced_accuracy": (_hits, _mean_recall),
    "accuracy": (_right, _mean),
    "quadratic_kappa": (_levels, _kappa),
    "map": (_areas_of_labels, _mean),
    "log_loss": (_losses, _mean),
    "multilabel_log_loss": (_losses_of_labels, _mean_of_cells),
    "few_shot_log_loss": (_losses_of_queries, _mean),
    "r2": (_errors_of_varying, _explained),
    "rmse": (_errors, _root),
}


def _codes(table, classes):
    return table["label"].map({name: i for i, name in enumerate(classes)}).to_numpy(np.int64)


def _chances(table, classes):
    return table[[f"prob_{name}" for name in classes]].to_numpy(np.float64)
