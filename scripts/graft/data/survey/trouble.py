"""What is likely to go wrong with a prepared data set: sentences for `make new` and for the data card."""

import numpy as np

from graft.data.card import rows_of_classes

FEW = 10  # with fewer samples of a class, its metrics say almost nothing
UNEVEN = 10  # the most common class has this many times the samples of the rarest
SMALL_TEST = 100  # with fewer labelled test rows, an interval is wider than most differences


def troubles(frame, targets, card):
    """Likely trouble, the worst first.

    Parameters
    ----------
    frame, targets, card : as prepare.Prepared has them

    Returns
    -------
    list of str
    """
    labelled = frame[frame["split"] != "pool"]
    dropped = sum(len(fact.get("dropped", ())) for fact in card["duplicates"])
    found = [*_duplicates(card), *_skipped(card, len(frame) + dropped)]
    for name, target in targets.items():
        values = labelled[name].dropna()
        if target["kind"] != "regression":
            found += _classes(name, rows_of_classes(values, target["kind"]).value_counts(), target["kind"])
        else:
            found += _values(name, values.to_numpy(float))
    found += _groups(labelled, card)
    test = int((labelled["split"] == "test").sum())
    if test < SMALL_TEST:
        found.append(f"the test split has {test} rows: expect wide intervals around every metric")
    if "text" in card and card["text"]["texts_with_replaced_characters"]:
        n = card["text"]["texts_with_replaced_characters"]
        found.append(f"{n} texts hold characters that could not be decoded: name the table's `encoding`")
    return found


def _duplicates(card):
    contents = card["duplicates"]
    several = sum(fact["across_splits"] for fact in contents)
    two = sum(fact["two_labels"] for fact in contents)
    if contents:
        rows = sum(len(fact["samples"]) for fact in contents)
        yield f"{len(contents)} contents are in several rows ({rows} rows)" + (
            f"; {several} of them would be in several splits, {two} have two labels: `duplicates: drop`"
            if several or two
            else ""
        )


def _skipped(card, kept):
    skipped = card["skipped"]
    if skipped:
        first = skipped[0]
        yield (
            f"{len(skipped)} of {kept + len(skipped)} samples cannot be used, such as {first['path']} "
            f"({first['reason'].split(';')[0]}): `on_bad: skip` leaves them out"
        )


def _classes(name, counts, kind):
    rare = counts[counts < FEW]
    if len(rare) and kind == "multilabel":
        shown = ", ".join(f"'{word}' ({n})" for word, n in rare.items())
        yield f"target {name}: labels of fewer than {FEW} samples: {shown}"
    elif len(rare):
        shown = ", ".join(f"'{word}' ({n})" for word, n in rare.items()) if len(rare) <= 8 else f"{len(rare)} of them"
        out = (
            f", or leave them out: targets: {{{name}: {{min_per_class: {FEW}}}}}" if len(counts) - len(rare) > 1 else ""
        )
        yield f"target {name}: classes with fewer than {FEW} samples: {shown}; merge them, label more{out or ' of them'}"
    elif kind != "multilabel" and len(counts) > 1 and counts.iloc[0] >= UNEVEN * counts.iloc[-1]:
        yield (
            f"target {name}: '{counts.index[0]}' has {counts.iloc[0]} samples and '{counts.index[-1]}' {counts.iloc[-1]}: "
            "look at balanced accuracy and macro F1; `class_weights: balanced` helps the rare ones"
        )


def _values(name, values):
    spread = values.std()
    if not spread:
        yield f"target {name}: all values are {values[0]:g}"
        return
    far = np.abs(values - np.median(values)) > 10 * spread
    if far.any():
        yield f"target {name}: {int(far.sum())} values are more than ten standard deviations out, such as {values[far][0]:g}"


def _groups(labelled, card):
    groups = labelled["group"].dropna()
    if not len(groups):
        return
    if groups.nunique() < 10:
        per_split = labelled.groupby("split")["group"].nunique()
        shown = ", ".join(
            f"{split} {per_split[split]}" for split in ("train", "validation", "test") if split in per_split
        )
        yield f"only {groups.nunique()} groups ({shown}): the test metric is about those groups, not about new ones in general"
    if card["split"]["how"] == "given":
        return
    for split, part in labelled.groupby("split"):
        largest = part["group"].value_counts(normalize=True)
        if len(largest) > 1 and largest.iloc[0] > 0.5:
            yield f"group '{largest.index[0]}' makes {largest.iloc[0]:.0%} of the {split} split"
