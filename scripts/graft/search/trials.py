"""Trials of a search: with which settings one is trained, what it says of validation rows, and in which order trials are."""

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.evaluation.candidates import compared_by
from graft.evaluation.choosing import mean_of
from graft.search.planning import SEARCHED
from graft.targets.predictions import metrics_of

PROBE = {"method": "linear", "lr": None, "augment": "none"}


def settings_of(trial, before):
    """Backbone, method, lr and augment of a trial.

    Parameters
    ----------
    trial : dict of planning.plan
    before : list of dict, what the trials of the rung before wrote
    """
    if "backbone" in trial:
        return {"backbone": trial["backbone"], **PROBE}
    if "probe" in trial:
        place, own = trial["probe"], {key: trial[key] for key in SEARCHED}
    else:
        place, own = trial["place"], {}
    taken = in_order(before)[place - 1]
    return {key: taken[key] for key in ("backbone", *SEARCHED)} | own


def in_order(found):
    """What trials wrote, the best first: by their metric, then by their loss, then as they were planned."""
    return sorted(found, key=lambda one: (np.inf if one["value"] is None else -one["value"], one["loss"], one["place"]))


def said_of_validation(trainer, trained, content):
    """What a trained trial says of the labelled validation rows of its target, none of which it has seen.

    Returns
    -------
    table : DataFrame, a prediction table of these rows
    numbers : dict with metric, value (larger is better), loss, and metrics with intervals
    """
    data, (name, target) = trainer.data, next(iter(trainer.data.targets.items()))
    places = data.places("validation")
    places = places[target.known[places]]
    if trained.unseen:
        outputs = trained.unseen[name][places]
        places, outputs = places[np.isfinite(outputs).any(1)], outputs[np.isfinite(outputs).any(1)]
    else:
        outputs = trainer.outputs(trained.network, places, exact=True)[name]
    rows, facts = data.rows.iloc[places].reset_index(drop=True), content["targets"][name]
    kind = plugins.load("kind", facts["kind"])
    columns = kind.columns(outputs, data.manifest.codes(name, rows), facts)
    table = pd.DataFrame({"sample_id": rows["sample_id"], "split": "validation", **columns})
    metrics = metrics_of(table, facts, rows["sampling_unit"], ("validation",)).get("validation", {})
    return table, numbers_of(table, facts, metrics)


def numbers_of(table, facts, metrics):
    """What a trial is compared by: metric, value, loss, metrics."""
    classes = facts.get("classes")
    names, loss = compared_by(facts["kind"], classes, table, metrics)
    values = {name: mean_of(name, [table], classes) for name in names}
    metric = next((name for name in names if values[name] is not None), None)
    found = {"metric": metric, "value": values.get(metric), "loss": mean_of(loss, [table], classes)}
    return {**found, "metrics": {name: metrics[name] for name in metrics if name == metric}}
