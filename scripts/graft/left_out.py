"""What rows that are left out do to classes, and to the splits that the user gave."""

from graft.errors import UserError
from graft.labels import natural_sort
from graft.readers.rows import SPLIT_OF

SPLITS = ("train", "validation", "test")


def words_of_split(frame):
    """The split that a row's own word names; null where it has none."""
    return frame["split"].str.strip().str.lower().map(SPLIT_OF)


def in_given_splits(frame, targets):
    """The labelled rows that the user gave a split, with "given" for it, before any is left out."""
    rows = frame.assign(given=words_of_split(frame))
    return rows[rows["given"].isin(SPLITS) & rows[list(targets)].notna().any(axis=1)]


def count_classes(rows, targets, given):
    """The rows of each class that may be trained on, dict of Series: those of train if splits are `given`, else all."""
    split = words_of_split(rows)
    rows = rows[split == "train" if given else split != "pool"]
    return {name: rows[name].value_counts() for name, target in targets.items() if target["kind"] == "classification"}


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
        every = natural_sort(dict.fromkeys([*text.dropna().unique(), *(classes or ())]))
        rare = [word for word in every if count.get(word, 0) < least] if least is not None else []
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


def without_classes_now_rare(frame, before, targets, settings, counts, given, notes):
    """Leave classes out that have too few rows since some were found to be unusable or copies.

    Parameters
    ----------
    frame, before : DataFrame, the rows that stay, and those that there were; with labelled and the targets
    targets, settings, notes : see `without_rare`
    counts : dict as `count_classes` gives it, of all rows before; it loses those that do not stay
    given : bool, whether the user made splits
    """
    gone = before[~before["sample_id"].isin(frame["sample_id"])]
    for name, less in count_classes(gone, targets, given).items():
        counts[name] = counts[name].sub(less, fill_value=0)
    frame = without_rare(frame, targets, settings, counts, notes)
    return frame.assign(labelled=frame["labelled"] & frame[list(targets)].notna().any(axis=1))
