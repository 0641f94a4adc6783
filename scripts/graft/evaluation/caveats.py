"""What makes the metrics of a run doubtful, in sentences: for the last words, the index, the data page and the model card."""

import math
from typing import NamedTuple

import pandas as pd

from graft.evaluation.tables import METRIC_NAMES

SURE = 0.02  # a metric that is surely better on validation than on test by so much is pointed out
RATIO = 1.1  # the same for the error of a regression, as a ratio
FARTHER, SURELY = 0.65, 0.55  # probability that a row is farther from train than a validation row; its lower end
WORTH_A_WORD = 0.01  # if at least this share of the texts is cut, or has unknown tokens, the end of a run says so
SCORES = ("balanced_accuracy", "accuracy", "auroc", "average_precision", "map")

UNLIKE, COPIES = "unlike", "copies"  # kinds of doubts; CONTROL is another one


class Doubt(NamedTuple):
    """What makes metrics doubtful.

    what : str, the data set, or data set, target and model with commas between them
    said : str, the sentence
    kind : UNLIKE, test rows are not like validation rows; COPIES, of train rows; CONTROL, may be as good; "" for others
    """

    what: str
    said: str
    kind: str = ""


def gap(first, second):
    """first - second of two metrics from different rows, with its interval from theirs (Zou & Donner 2008, MOVER).

    Of two shares with Wilson intervals it is Newcombe's (1998, method 10).

    Parameters
    ----------
    first, second : {"value", "low", "high"}

    Returns
    -------
    {"value", "low", "high"}, all None where a value or an end is not known
    """
    ends = [one.get(key) for one in (first, second) for key in ("value", "low", "high")]
    if any(end is None or math.isnan(end) for end in ends):
        return {"value": None, "low": None, "high": None}
    a, a_low, a_high, b, b_low, b_high = ends
    low, high = math.hypot(a - a_low, b_high - b), math.hypot(a_high - a, b - b_low)
    return {"value": a - b, "low": a - b - low, "high": a - b + high}


def worse_on_test(metrics):
    """A sentence if a model is surely worse on test than on validation, by more than chance and by enough to matter; else "".

    Parameters
    ----------
    metrics : dict, split -> metric -> {"value", "low", "high"}, as in metrics.json
    """
    validation, test = metrics.get("validation", {}), metrics.get("test", {})
    found = {name: gap(validation[name], test[name]) for name in SCORES if name in validation and name in test}
    found = {name: one for name, one in found.items() if one["value"] is not None and one["low"] > SURE}
    if found:
        name = max(found, key=lambda one: found[one]["low"])
        one = found[name]
        size = f"{one['value']:.3f} lower [{one['low']:.3f}, {one['high']:.3f}]"
    elif _ratio(validation, test)[1] > RATIO:
        name, (value, low, high) = "rmse", _ratio(validation, test)
        size = f"{value:.2f} times as large [{low:.2f}, {high:.2f}]"
    else:
        return ""
    shown = [
        f"{split[name]['value']:.3g}" if name == "rmse" else f"{split[name]['value']:.3f}"
        for split in (validation, test)
    ]
    return (
        f"{METRIC_NAMES[name]} is {shown[0]} on validation and {shown[1]} on test ({size}): test rows differ from validation "
        "rows (another instrument, site or time?). For new data, expect at most the test metric"
    )


def _ratio(validation, test):
    """Test error over validation error and its ends, on the scale of logarithms; zeros where it is not known."""
    logs = [
        {
            key: None if not split.get("rmse", {}).get(key) else math.log(split["rmse"][key])
            for key in ("value", "low", "high")
        }
        for split in (test, validation)
    ]
    found = gap(*logs)
    return (
        (0.0, 0.0, 0.0) if found["value"] is None else tuple(math.exp(found[key]) for key in ("value", "low", "high"))
    )


def nearer(nearness, split):
    """(split, sentence) of each split that differs from validation rows, since these are much nearer to the train rows.

    Parameters
    ----------
    nearness : dict, what nearness.measure says
    split : dict, the data set's `split` in the config
    """
    done = split.get("near_duplicates") == "together" or split.get(
        "growth_stable"
    )  # which cannot keep near copies together
    by_copies = nearness["measure"] == "cosine" and not done
    for name, farther in nearness["farther"].items():
        if farther["value"] < FARTHER or farther["low"] is None or farther["low"] < SURELY:
            continue
        medians = nearness["median"]
        what = f"median {nearness['measure']} to the nearest train row"
        numbers = f"{what}: validation {medians['validation']:.3f}, {name} {medians[name]:.3f}"
        together = "name what belongs together (a patient, a thread, a sample) as the group: `columns: {group: ..}`"
        copies = "`split: {near_duplicates: together}` keeps near copies in one split; or " if by_copies else ""
        said = f"validation rows are much nearer to the train rows than {name} rows are ({numbers}). So validation metrics are too good"
        more = f", and say little of the pool: label some pool rows and put them in test; or {copies}{together}"
        given = "; if test rows come from elsewhere (another instrument, site or time), use their metric for such data"
        yield name, said + (more if name == "pool" else f": {copies}{together}{given}")


def cut(lengths, brief=False):
    """A sentence about texts that a backbone reads the beginning of alone; "" if there are none (brief: almost none).

    Parameters
    ----------
    lengths : dict, what measure_lengths wrote
    """
    if not lengths["cut"] or (brief and lengths["cut"] < WORTH_A_WORD * lengths["texts"]):
        return ""
    name, proposed = lengths["backbone"], lengths["proposed"]
    said = (
        f"{lengths['cut']:,} of {lengths['texts']:,} texts are longer than the {lengths['max_length']} tokens that {name} is set "
        f"to read (the longest has {lengths['longest']:,}). It sees {lengths['seen']:.0%} of all tokens: "
    )
    if not proposed:
        return said + "it cannot read more; take a backbone that can, or split the texts"
    rest = f"all but {lengths['still_cut']:,} of the texts" if lengths["still_cut"] else "all of them"
    rest = "more of each of them" if lengths["still_cut"] == lengths["texts"] else rest
    entry = f"`backbones: {{{name}-{proposed}: {{like: {name}, max_length: {proposed}}}}}`"
    return f"{said}with {entry} and `backbone: {name}-{proposed}` it reads {rest}, and takes longer"


def unknown(lengths, brief=False):
    """A sentence about texts with tokens that a backbone does not know; "" if there are none (brief: almost none).

    Parameters
    ----------
    lengths : dict, what measure_lengths wrote
    """
    found, texts = lengths.get("unknown"), lengths["texts"]
    if not found or not found["texts"] or (brief and found["texts"] < WORTH_A_WORD * texts):
        return ""
    mostly = f"; {found['mostly']:,} are mostly such tokens" if found["mostly"] else ""
    return (
        f"{found['texts']:,} of {texts:,} texts have tokens that the vocabulary of {lengths['backbone']} lacks. It reads all of them "
        f"as the same ({'; '.join(found['examples'])}){mostly}"
    )


COPIED = 0.01  # share of test rows with a near copy in train, from which it is said


def copied_from_train(copied, rows, measured, folder, modality):
    """A sentence if many test rows are nearly the same as a train row; else "".

    Parameters
    ----------
    copied, rows : int, test rows with such a copy, and all test rows
    measured : dict, (target, metric) -> the taken model's metric on all test rows, and without those
    folder : path, where the copies and the proposed groups are
    modality : str; texts also count if one quotes the other
    """
    if not rows or copied < max(2, COPIED * rows):
        return ""
    with_and_without = [
        f"{target}: {METRIC_NAMES[metric]} {one:.3f}, {other:.3f} without them"
        for (target, metric), (one, other) in measured.items()
        if one is not None and other is not None
    ]
    numbers = f" ({'; '.join(with_and_without)})" if with_and_without else ""
    quoting = ", or one quotes the other" if modality == "text" else ""
    return (
        f"{copied} of {rows} test rows are nearly the same as a train row{quoting}{numbers}. To keep near copies in one split, copy {folder}/groups.csv "
        "and name the copy as the data set's `groups`"
    )


def not_beaten(choice, controls):
    """A sentence if the taken model is not surely better than a control, which needs no pretrained network; else "".

    Parameters
    ----------
    choice : what choosing.choose gave of the models
    controls : list of dict, rows of summary.csv: model, validation_gap, validation_gap_low and validation_gap_high to the taken model
    """
    known = [row for row in controls if not pd.isna(row.get("validation_gap"))]
    near = [
        row for row in known if pd.isna(high := row.get("validation_gap_high")) or high >= 0
    ]  # few rows have no ends
    if not near:
        return ""
    best, *others = sorted(near, key=lambda row: -row["validation_gap"])
    gap = f"{METRIC_NAMES[choice['metric']]} {gap_in_words(*(best.get(f'validation_gap{end}') for end in ('', '_low', '_high')))}"
    if (best.get("validation_gap_low") or -1) > 0:
        return (
            f"the control {best['model']}, which needs no pretrained network, is better on validation ({gap}); take it"
        )
    more = f"; nor than {', '.join(row['model'] for row in others)}" if others else ""
    return f"not surely better than the control {best['model']}, which needs no pretrained network ({gap} on validation){more}"


def gap_in_words(gap, low, high):
    """A difference with its interval, or that there is none."""
    if pd.isna(low):
        return f"{round(gap, 3) + 0.0:+.3f}, without an interval: the rows are too few"
    return "{:+.3f} [{:+.3f}, {:+.3f}]".format(*(round(one, 3) + 0.0 for one in (gap, low, high)))


def worse_than_before(model, gain):
    """A sentence if a model is surely worse than the one that does not adapt; else "".

    Parameters
    ----------
    gain : dict of metric, value, low, high and over, on the target's labelled test rows, see rank_adapted
    """
    if gain["high"] is None or gain["high"] >= 0:
        return ""
    lost = f"{METRIC_NAMES[gain['metric']]} {gap_in_words(gain['value'], gain['low'], gain['high'])}"
    return f"on the target's labelled test rows {model} is worse than without adapting ({lost}); take {gain['over']}"
