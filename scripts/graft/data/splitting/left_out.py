"""What rows that are left out do to classes, and to the splits that the user gave."""

from graft.common.errors import UserError, raise_all
from graft.common.spelling import natural_sort
from graft.data.listing.rows import listed, places
from graft.data.splitting.splits import splits_said

SPLITS = ("train", "validation", "test")


def in_given_splits(frame, targets):
    """The labelled rows that the user gave a split, with "given" for it, before any is left out."""
    rows = frame.assign(given=splits_said(frame))
    return rows[rows["given"].isin(SPLITS) & rows[list(targets)].notna().any(axis=1)]


def count_classes(rows, targets, given):
    """The rows of each class that may be trained on, dict of Series: those of train if splits are `given`, else all."""
    split = splits_said(rows)
    rows = rows[split == "train" if given else split != "pool"]
    one_of_several = [name for name, target in targets.items() if target["kind"] in ("classification", "ordinal")]
    return {name: rows[name].value_counts() for name in one_of_several}


def without_rare(frame, targets, settings, counts, notes):
    """Take the labels of classes away that have fewer than `min_per_class` rows to train on.

    Parameters
    ----------
    frame : DataFrame with the targets
    targets : dict as `labels.read_targets` gave it; the classes that the user named lose those that are rare
    settings : dict, the entry's targets
    counts : dict as `count_classes` gives it
    notes : list of str, to which is added what was left out

    Raises
    ------
    UserError
        If no class has that many.
    """
    for name, count in counts.items():
        least, classes, text = settings[name].get("min_per_class"), targets[name]["classes"], frame[name]
        if least is None:
            continue
        every = natural_sort(dict.fromkeys([*text.dropna().unique(), *(classes or ())]))
        rare = [word for word in every if count.get(word, 0) < least]
        if not rare:
            continue
        words = [f"'{word}' ({int(count.get(word, 0))})" for word in rare[:20]]
        shown = ", ".join(words) + (", .." if len(rare) > 20 else "")
        if len(rare) == len(every):
            what = f"no class has {least} rows to train on: {shown}"
            raise UserError(what, f"target {name}", hint="a smaller `min_per_class`")
        gone = text.isin(rare)
        what = f"{len(rare)} classes with fewer than {least} rows to train on are left out ({int(gone.sum())} rows)"
        notes.append(f"target {name}: {what}: {shown}")
        frame = frame.assign(**{name: text.mask(gone)})
        targets[name]["classes"] = classes and [word for word in classes if word not in rare]
    return frame


def without_classes_now_rare(frame, before, skipped, targets, settings, counts, given, notes):
    """Leave classes out that have too few rows since some were found to be unusable or copies; note those that are gone.

    Parameters
    ----------
    frame, before : DataFrame, the rows that stay, and those that there were; with labelled and the targets
    skipped : list of dict, the rows that cannot be used, as in the data card; others that do not stay are copies
    targets, settings, notes : see `without_rare`
    counts : dict as `count_classes` gives it, of all rows before; it loses those that do not stay
    given : bool, whether the user made splits

    Raises
    ------
    UserError
        If no labelled row stays.
    """
    gone = before[~before["sample_id"].isin(frame["sample_id"])]
    for name, less in count_classes(gone, targets, given).items():
        counts[name] = counts[name].sub(less, fill_value=0)
        lost = gone[gone["labelled"] & ~gone[name].isin(frame.loc[frame["labelled"], name])]
        unread = lost["sample_id"].isin([row["sample_id"] for row in skipped])
        for word in natural_sort(lost[name].dropna().unique()):
            rows, bad = int((lost[name] == word).sum()), int((unread & (lost[name] == word)).sum())
            parts = {"cannot be used": bad, "are copies": rows - bad}
            first, *more = [f"{count} {why}" for why, count in parts.items() if count]
            first = first.replace(" ", f" of its {rows} rows ", 1)
            notes.append(f"target {name}: class '{word}' is gone: {', '.join([first, *more])}")
    if before["labelled"].any() and not frame["labelled"].any():
        what = f"none of {int(before['labelled'].sum())} labelled rows is left: they cannot be used or are copies"
        raise UserError(what, hint="fix those that cannot be used; `duplicates: allow` keeps copies with two classes")
    frame = without_rare(frame, targets, settings, counts, notes)
    return frame.assign(labelled=frame["labelled"] & frame[list(targets)].notna().any(axis=1))


def refuse_lost_splits(asked, frame, skipped, dropped):
    """Refuse a split that the user gave and of which no row is left: another one is never drawn in its place.

    Parameters
    ----------
    asked : DataFrame as `in_given_splits` gives it
    frame : DataFrame with given and labelled, the rows that stay
    skipped : list of dict, the rows that cannot be used, as in the data card
    dropped : dict, the contents of copies, as `copies.drop_first` gives it
    """
    skipped = {row["sample_id"] for row in skipped}
    dropped = {name for fact in dropped.values() for name in fact["dropped"]}
    left = set(frame.loc[frame["labelled"], "given"])
    errors = []
    for split, rows in asked.groupby("given"):
        if split in left:
            continue
        reasons = [
            "cannot be used (`on_bad: skip`)"
            if name in skipped
            else "is a copy (`duplicates: drop`)"
            if name in dropped
            else "its class has too few rows to train on (`min_per_class`)"
            for name in rows["sample_id"]
        ]
        lines = [f"{place}: {reason}" for place, reason in zip(places(rows), reasons, strict=True)]
        fixes = {
            "on_bad": "fix the rows that cannot be used",
            "duplicates": "`duplicates: allow`",
            "min_per_class": "a smaller `min_per_class`, or the same names of classes in all splits",
        }
        ways = [fix for key, fix in fixes.items() if any(key in reason for reason in reasons)]
        if split != "train":
            ways.append(f"take the {split} rows out of the data, and graft draws a {split} split out of train")
        errors.append(
            UserError(
                f"the {split} split that you gave has no row left of {len(rows)}:{listed(lines)}",
                "columns.split",
                "at least one row that can be used",
                "; or ".join(ways),
            )
        )
    raise_all(errors)
