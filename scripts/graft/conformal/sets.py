"""Prediction sets of a model: calibrated by rows of its own table, added to every table, and judged."""

import numpy as np
import pandas as pd

from graft.config.plan import WITHIN
from graft.conformal import classes, labels, numbers
from graft.data.listing.rows import SUBGROUP
from graft.evaluation.intervals import positive_mean, proportion, units_of
from graft.heads.probe import VALIDATION
from graft.targets.lists import object_array
from graft.targets.predictions import KEPT_ASIDE

FORMS = {"classification": classes, "ordinal": classes, "multilabel": labels, "regression": numbers}
SHOWN = ("test", "pool")  # splits whose coverage is told: other rows have calibrated


def may_calibrate(table):
    """The rows of a prediction table whose probabilities had no part in the model, bool array.

    Out-of-fold rows; validation rows by a head that did not see them; validation rows that were kept aside.
    """
    folds = table["fold"].to_numpy()
    validation = (table["split"] == "validation").to_numpy() & np.isin(folds, (VALIDATION, KEPT_ASIDE))
    return (folds >= 0) | validation


def fit_sets(table, facts, settings, calibrates, rows):
    """Calibrate the sets of a target.

    Parameters
    ----------
    table : DataFrame, a prediction table
    facts : dict, the target's: kind, classes
    settings : dict, `conformal` of the config
    calibrates : bool array, shape (n,), which rows may calibrate; those without a label are left out
    rows : DataFrame, rows of the manifest that the table is of

    Returns
    -------
    dict for JSON: score, within, rows (how many calibrate), and levels, name -> {level, thresholds, .., note}; the note says why there
    are no sets, or none of some groups; "" where all have sets
    """
    form = FORMS[facts["kind"]]
    calibrates = calibrates & table[_label(facts)].notna().to_numpy()
    used, strata, levels = table[calibrates], strata_of(rows, settings["within"]), {}
    if strata is not None:
        strata = strata[calibrates]
        # Most groups, such as patients, are in one split: nobody misses their thresholds. Every value of a column is looked for.
        strata = strata.remove_unused_categories() if settings["within"] == "group" else strata
    for level in settings["levels"]:
        found, note = form.fit(used, facts, settings, level, strata)
        levels[name_of(level)] = {"level": level, **found, "note": note}
    return {
        "score": settings.get(form.SCORE),
        "within": settings["within"],
        "rows": len(used),
        "levels": levels,
    }


def strata_of(rows, within):
    """The group or subgroup of each row as a Categorical, where sets are to hold within these, and the rows have them; else None."""
    column = within if within in WITHIN else f"{SUBGROUP}{within}"  # of the words, group alone is a column
    if within in WITHIN and within != "group" or rows is None or column not in rows:
        return None
    return pd.Categorical(rows[column].fillna("").astype(str))


def subgroups_of(known):
    """The columns of subgroups within which sets hold: list of str; `known` is dict, target -> what `fit_sets` gave."""
    return list(dict.fromkeys(one["within"] for one in known.values() if one["within"] not in WITHIN))


def without_sets(settings, why):
    """What `fit_sets` gives where nothing may calibrate, for a reason."""
    levels = {name_of(level): {"level": level, "thresholds": None, "note": why} for level in settings["levels"]}
    return {"score": None, "within": settings["within"], "rows": 0, "levels": levels}


def name_of(level):
    """What a level is called in names of columns: 90 for 0.9."""
    return f"{100 * level:g}"


def with_sets(table, facts, fitted, rows=None):
    """The table with the columns set_90, or low_90 and high_90, of each level; null where there are none.

    `rows` (DataFrame) says the groups of the rows. Where a group is not known, a row's set is that of all groups together; where a
    subgroup is not known, there is none.
    """
    form, strata, found = FORMS[facts["kind"]], strata_of(rows, fitted["within"]), {}
    for name, one in fitted["levels"].items():
        names = [f"{column}_{name}" for column in form.COLUMNS]
        if one["thresholds"] is None:
            empty = np.full(len(table), np.nan) if form is numbers else object_array([None] * len(table))
            found |= dict.fromkeys(names, empty)
        else:
            found |= dict(zip(names, form.columns(table, facts, fitted["score"], one, strata), strict=True))
    return pd.concat([table, pd.DataFrame(found, index=table.index)], axis=1)


def judge_sets(table, facts, fitted, units):
    """How often sets hold the truth, and how large they are.

    Parameters
    ----------
    table : DataFrame of `with_sets`; units : sequence of str or None, one per row: what intervals draw together

    Returns
    -------
    dict, split -> {"coverage_90": .., "set_size_90" or "width_90": ..}, each {"value", "low", "high"}; and split -> level -> class ->
    {rows, coverage, size}: of test rows, and of rows of the pool whose label only judges
    """
    form, units = FORMS[facts["kind"]], np.asarray(units, dtype=object)
    metrics, by_class = {}, {}
    for split in SHOWN:
        for name in fitted["levels"]:
            columns = [f"{column}_{name}" for column in form.COLUMNS]
            rows = (table["split"] == split) & table[[_label(facts), *columns]].notna().all(axis=1)
            if not rows.any():
                continue
            part = table[rows]
            held, sizes = form.judged(part, *(part[column] for column in columns))
            own = units_of(units[rows.to_numpy()])
            metrics.setdefault(split, {}).update(
                {f"coverage_{name}": proportion(held, own), f"{form.SIZE}_{name}": positive_mean(sizes, own)}
            )
            if form is classes:
                by_class.setdefault(split, {})[name] = of_each_class(part["label"], held, sizes, facts["classes"])
    return metrics, by_class


def of_each_class(values, held, sizes, names):
    """Rows, coverage and mean size of each class that has rows: dict, name -> dict."""
    found = {}
    for name in names:
        own = (values == name).to_numpy()
        if own.any():
            coverage, size = float(held[own].mean()), float(sizes[own].mean())
            found[name] = {"rows": int(own.sum()), "coverage": coverage, "size": size}
    return found


def _label(facts):
    return "value" if facts["kind"] == "regression" else "label"
