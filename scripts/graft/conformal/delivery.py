"""What a model says of its data set, as files: predictions with their sets, metrics, and what the sets were calibrated by."""

from graft.common.outputs import write_json
from graft.conformal.sets import fit_sets, judge_sets, may_calibrate, with_sets, without_sets
from graft.targets.judging import judged_rows
from graft.targets.predictions import SPLITS, metrics_of, write_predictions

ADAPTED = "the model is adapted to rows without labels, and nothing is promised of these"


def deliver(content, target, rows, table, tabulate, settings, outputs, hidden=None, calibrates=None):
    """Write the prediction table of a target, its metrics and its conformal.json.

    Parameters
    ----------
    content : dict of ft_model.pt
    rows : DataFrame, rows of the manifest; table : DataFrame, their prediction table
    tabulate, hidden : see judging.judged_rows
    settings : dict, `conformal` of the config
    outputs : object with the paths predictions, metrics, conformal
    calibrates : bool array, which rows may calibrate; by default those that the table says
    """
    facts = content["targets"][target]
    if content.get("adapted_to"):
        fitted = without_sets(settings, ADAPTED)
    else:
        fitted = fit_sets(table, facts, settings, may_calibrate(table) if calibrates is None else calibrates, rows)
    delivered = with_sets(table, facts, fitted, rows)
    write_predictions(outputs.predictions, delivered, content, target)
    judged, units = judged_rows(
        delivered, rows, target, lambda known: with_sets(tabulate(known), facts, fitted, known), hidden
    )
    of_sets, by_class = judge_sets(judged, facts, fitted, units)
    metrics = metrics_of(judged, facts, units, (*SPLITS, "pool"))
    write_json(outputs.metrics, {split: one | of_sets.get(split, {}) for split, one in metrics.items()})
    write_json(outputs.conformal, {**fitted, "by_class": by_class})
