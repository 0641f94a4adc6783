"""What is known of the targets of the samples of a map, what the best model says of them, and the colours of both."""

import json
import math
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd

from graft.common.outputs import read_json
from graft.evaluation.candidates import compared_by, read_candidate
from graft.evaluation.choosing import mean_of
from graft.evaluation.tables import printable, read_predictions
from graft.report.plots import PALETTE

BINS = 6  # of a target's values
OTHER, UNLABELLED = "#9AA0A8", "#D5D8DC"  # classes beyond the colours; samples without a label
VERDICTS, LARGE = ("right", "wrong", "not judged"), ("smaller error", "largest tenth of errors")
JUDGED = ("validation", "test")


def best_table(name, facts, predictions):
    """The prediction table of the model of a target that is best on validation rows, of its first seed; None if there is no best.

    Parameters
    ----------
    name : str; facts : dict, its kind and classes
    predictions : list of path, tables of all models, seeds and targets; metrics.json is beside each
    """
    found = {}
    for path in map(Path, predictions):
        if path.parent.name == name:
            found.setdefault(path.parents[2].name, []).append(path)
    best = next(iter(found), None) if len(found) < 2 else leader(found, facts)
    return read_predictions(found[best][0])[0] if best else None


def leader(found, facts):
    """The model with the highest value of what models of a target are compared by, over its seeds; None if nothing is defined."""
    classes = facts.get("classes")
    candidates = {model: read_candidate(model, paths, classes).tables for model, paths in sorted(found.items())}
    judged = read_json(next(iter(found.values()))[0].with_name("metrics.json")).get("validation", {})
    names, _ = compared_by(facts["kind"], classes, next(iter(candidates.values()))[0], judged)
    for metric in names:
        values = {model: mean_of(metric, tables, classes) for model, tables in candidates.items()}
        if None not in values.values():
            return max(values, key=values.get)
    return None


def target_of(name, facts, frame, table):
    """What is known of a target: name, model, labels and predicted (of str), verdict (VERDICTS), and colours of the labels."""
    is_value = facts["kind"] == "regression"
    truth = frame[name]
    found = {"name": name, "is_value": is_value, "model": None, "verdict": np.full(len(frame), "not judged", object)}
    found["labels"] = [in_words(one, is_value) for one in truth]
    if is_value:
        found["coloured"], found["colours"] = binned(truth.to_numpy(float))
    else:
        found["coloured"] = np.array(found["labels"], object)
        found["colours"] = colours_of(found["labels"], facts)
    if table is not None and len(table):
        table = table.set_index("sample_id").reindex(frame["sample_id"])
        found["model"] = f"{table['model'].dropna().iloc[0]}, seed {int(table['seed'].dropna().iloc[0])}"
        found["predicted"] = [in_words(one, is_value) for one in table["predicted"]]
        known = truth.notna() & table["predicted"].notna().to_numpy()
        # A train row that has no fold has been learned by heart: that the model is right there says nothing.
        honest = known & (frame["split"].isin(JUDGED) | (table["fold"].to_numpy() >= 0))
        if is_value:
            found["verdict"][honest] = errors_of(truth, table["predicted"].to_numpy(float), honest)
        else:
            right = np.array([one == two for one, two in zip(found["labels"], found["predicted"], strict=True)])
            found["verdict"][honest] = np.where(right[honest], "right", "wrong")
    return found


def errors_of(truth, predicted, honest):
    """Of values, the tenth with the largest errors are called wrong."""
    error = np.abs(predicted - truth.to_numpy(float))[honest]
    return np.where(error > np.quantile(error, 0.9), "wrong", "right") if len(error) else []


def in_words(value, is_value):
    """A label, labels or a value as text; "" where there is none."""
    if isinstance(value, np.ndarray | list):
        return " + ".join(map(printable, value)) or "none"
    if value is None or value != value:
        return ""
    if is_value:
        return f"{value:.4g}"
    if value[:1] in ("[", "{"):  # several labels, as the manifest holds them
        held = json.loads(value)
        return in_words(held if isinstance(held, list) else held["has"], is_value)
    return printable(value)


def colours_of(labels, facts):
    """label -> colour, in the order of the legend. Classes with an order go from dark to light; of many, the largest have colours."""
    counts = pd.Series([one for one in labels if one]).value_counts()
    several = facts["kind"] == "multilabel"
    names = sorted(counts.index) if several else [printable(one) for one in facts["classes"]]
    if facts["kind"] == "ordinal":
        return ramp(names) | {"": UNLABELLED}
    largest = sorted(names, key=lambda one: -counts.get(one, 0))[: len(PALETTE)]
    coloured = names if len(names) <= len(PALETTE) else [one for one in names if one in largest]
    found = dict(zip(coloured, PALETTE, strict=False))
    return found | {one: OTHER for one in names if one not in found} | {"": UNLABELLED}


def ramp(names):
    """name -> colour, from dark to light as all eyes see it."""
    scale = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(names)))
    return {name: matplotlib.colors.to_hex(one) for name, one in zip(names, scale, strict=True)}


def binned(values):
    """Each value's stretch in words, and stretch -> colour: of few different values each is one."""
    known = values[np.isfinite(values)]
    distinct = np.unique(known)
    if len(distinct) <= BINS:
        names, codes = [f"{one:.4g}" for one in distinct], np.searchsorted(distinct, values)
    else:
        inner = np.linspace(*np.quantile(known, [0.02, 0.98]), BINS + 1)[1:-1]
        ends = [f"{one:.3g}" for one in inner]
        names = [f"below {ends[0]}", *(f"{a} to {b}" for a, b in zip(ends, ends[1:], strict=False)), f"from {ends[-1]}"]
        codes = np.searchsorted(inner, values, side="right")
    words = [names[code] if math.isfinite(value) else "" for code, value in zip(codes, values, strict=True)]
    return np.array(words, object), ramp(list(dict.fromkeys(names))) | {"": UNLABELLED}


def view(words, colours):
    """What the script colours by: entries of the legend (name, colour), and for each sample the number of its entry."""
    order = {name: i for i, name in enumerate(colours)}
    entries = [[name or "no label", colour] for name, colour in colours.items()]
    return {"entries": entries, "codes": [order[one] for one in words]}


def shown_target(one, rows):
    """A target as the script shows it, for some rows."""
    found = {"name": printable(one["name"]), "labels": [one["labels"][i] or "no label" for i in rows]}
    found["label"] = view(one["coloured"][rows], one["colours"])
    if one["model"]:
        verdict = one["verdict"][rows]
        found["predicted"] = [one["predicted"][i] or "nothing" for i in rows]
        found["wrong"] = np.flatnonzero(verdict == "wrong").tolist()
        found["mistakes"] = view(verdict, dict(zip(VERDICTS, (PALETTE[5], PALETTE[1], UNLABELLED), strict=True)))
        if one["is_value"]:
            for entry, name in zip(found["mistakes"]["entries"], LARGE, strict=False):
                entry[0] = name
    return found
