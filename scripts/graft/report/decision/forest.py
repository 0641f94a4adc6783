"""All models of a target in a forest plot: a metric with its interval, how the model compares, and what it cost.

Places are percentages of the width, so that a row is drawn at any width without growing its words.
"""

import math

import pandas as pd

from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS
from graft.report.decision.ticks import round_values
from graft.report.last_words import RANKED_BY

ENERGY = "Wh"  # its unit, in words about costs
MOST = 30  # models; of more, the best on validation


def forest(rows, costs, taken, tied=()):
    """The plot of the models and controls of one target.

    Parameters
    ----------
    rows : DataFrame, their rows of summary.csv
    costs : dict, model -> what all its jobs took, in words
    taken : str, the model or control that is recommended
    tied : set of str, what is not surely worse

    Returns
    -------
    dict with metric (words), energy (whether a cost names it), ticks, list of (place, words), and rows, list of dict with model, control
    (bool), mark (taken, control, tie or behind), value, place, low, high, interval, cost; None where no model has a test metric
    """
    rows = rows[~rows["stage"].isin(TASKS)]
    metric = next((one for one in RANKED_BY if rows.get(f"test_{one}", pd.Series()).notna().any()), None)
    if metric is None:
        return None
    models = [_model(name, part, metric, costs) for name, part in rows.groupby("model")]
    for one in models:
        others = CONTROL if one["control"] else "tie" if one["model"] in tied else "behind"
        one["mark"] = "taken" if one["model"] == taken else others
    models = [one for one in models if one["value"] is not None]
    models.sort(key=lambda one: (one["mark"] != "taken", -one["validation"], one["model"]))
    low, high = _ends(models)
    for one in models:
        one |= {key: _place(one[f"{key}_value"], low, high) for key in ("place", "low", "high")}
    ticks = [(_place(value, low, high), f"{value:g}") for value in round_values(low, high)]
    facts = {"metric": METRIC_NAMES[metric], "energy": any(ENERGY in one["cost"] for one in models), "ticks": ticks}
    return {**facts, "rows": models[:MOST], "left_out": len(models[MOST:])}


def _model(name, rows, metric, costs):
    value, low, high = (rows.get(f"test_{metric}{end}", pd.Series(dtype=float)).mean() for end in ("", "_low", "_high"))
    validation = rows.get(f"validation_{metric}", pd.Series(dtype=float)).mean()
    return {
        "model": name,
        "stage": rows["stage"].iloc[0],
        "control": (rows["stage"] == CONTROL).all(),
        "value": None if math.isnan(value) else f"{value:.3f}",
        "interval": "" if math.isnan(low) else f"{low:.3f} to {high:.3f}",
        "place_value": value,
        "low_value": value if math.isnan(low) else low,
        "high_value": value if math.isnan(high) else high,
        "validation": -math.inf if math.isnan(validation) else validation,
        "cost": costs.get(name, ""),
    }


def _ends(models):
    low, high = min(one["low_value"] for one in models), max(one["high_value"] for one in models)
    margin = 0.04 * (high - low or 1.0)
    return low - margin, high + margin


def _place(value, low, high):
    return round(100 * (value - low) / (high - low), 2)
