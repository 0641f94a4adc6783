"""Labels: from the text of a table's cell to classes and numbers, with everything that is odd about them said."""

import numpy as np
import pandas as pd

from graft.common.errors import UserError, raise_all
from graft.common.spelling import as_number, look_alike, natural_sort
from graft.data import label_sets
from graft.data.listing.rows import in_words, is_missing, listed, one_spelling, places
from graft.data.tables.numbers import stands_apart, to_numbers

# Words that are classes as they are, but in some tables mean "not labelled".
UNSURE = {"missing", "unknown", "unlabelled", "unlabeled", "undefined", "not available", "not measured", "n.a.", "n.d."}
UNSURE |= {"nd", "tbd", "nil", "unclassified", "not determined", "not labelled", "not labeled", "n/d", "n. d.", "n. a."}
UNSURE |= {"#nv", "#n/d", "#wert!", "#value!", "#valor!", "#valeur!", "#div/0!", "#ref!", "#bezug!", "#name?"}  # Excel
UNSURE |= {"k.a.", "k. a.", "keine angabe", "n.n.", "n.b.", "n. b.", "nicht bestimmt", "nicht gemessen", "unbekannt"}
UNSURE |= {"sin dato", "sin datos", "desconocido", "inconnu", "non déterminé", "未知", "不明", "-99", "-999", "-9999"}
ALIKE = "use the same class names in all splits; or, if these rows have no label yet, call their split pool"
DEEPER = (
    "if the classes' folders are deeper, let the source start there, or say what the levels are, from the top: "
    "`folders: [skip, label]`, or below train/ and test/ `folders: [split, skip, label]`"
)


def read_targets(frame, targets, missing, named=(), decimal="auto"):
    """Understand the label columns of a listing.

    Parameters
    ----------
    frame : DataFrame with one column "label:NAME" of text per target, and split
    targets : dict, the entry's targets: column, kind, threshold, classes
    missing : words that mean "not labelled", in any case; never the words that a target's `classes` name
    named : targets whose labels are names that were given (of folders, of the hub's classes): none of them is missing
    decimal : "auto", "point" or "comma", see readers.numbers

    Returns
    -------
    columns : dict, target -> Series (str or float64, null where unlabelled)
    described : dict, target -> {"kind", "classes"} as in labels.json; classes are still None where not given
    notes : list of str for the data card

    Raises
    ------
    UserError
        For all values that are no number, not finite, or not among the classes.
    """
    columns, described, notes, errors = {}, {}, [], []
    used = _words_used(frame, [name for name in targets if name not in named], missing)
    for name, target in targets.items():
        try:
            found = _read_target(frame, name, target, missing, name in named, used, decimal)
            columns[name], described[name] = found[:2]
            notes += found[2]
        except UserError as error:
            errors.append(error)
    raise_all(errors)
    return columns, described, notes


def _read_target(frame, name, target, missing, named, used, decimal):
    """The column, description and notes of one target; `used` are the words of `missing` that are among all labels."""
    text = frame[f"label:{name}"]
    stripped = text.str.strip()
    blanks = int((stripped != text)[text.notna()].sum())
    notes = [f"target {name}: white space around {blanks} labels was removed"] if blanks else []
    kind, threshold = target.get("kind") or "classification", target.get("threshold")
    classes = [str(c) for c in target["classes"]] if target.get("classes") else None
    gone = is_missing(stripped, () if named else missing, classes if classes and threshold is None else ())
    notes += [] if named else _of_missing(name, stripped, gone, kind)
    if kind == "multilabel":
        found, classes = label_sets.read_sets(frame, name, target, () if named else missing)
        return found, {"kind": kind, "classes": classes}, notes + _looks_alike(name, label_sets.rows_of_labels(found))
    stripped = stripped.mask(gone)
    if kind == "regression" or threshold is not None:
        words, stripped = stripped, _numbers(frame, stripped, name, decimal)
        notes += _notes_on_numbers(name, words, stripped, used)
    elif not named:
        stripped = _as_classes(stripped, classes or ())
    if kind == "regression":
        return stripped, {"kind": kind}, notes
    if threshold is not None:
        classes = classes or ["low", "high"]
        stripped = _two_classes(stripped, threshold, classes, name)
    if classes:
        _check_known(frame, stripped, classes, name)
    elif not named:
        notes += _looks_missing(name, stripped, used) + label_sets.note_on_lists(name, stripped)
    return stripped, {"kind": kind, "classes": classes}, notes + _looks_alike(name, stripped)


def _words_used(frame, names, missing):
    """The words of `missing` that are among the labels: a user who lists words needs them in the list."""
    found = {}
    for name in names:
        text = frame[f"label:{name}"].str.strip()
        found |= dict.fromkeys(text[is_missing(text, missing)].dropna().unique())
    return sorted(word for word in found if word)


def _of_missing(name, text, gone, kind):
    """A note that counts the labels that were taken as missing, by word."""
    if not gone.any():
        return []
    words = text[gone].fillna("")
    way = "; a word that is a class belongs into `classes`"
    if kind == "multilabel":
        way += "; for a sample without any of the labels, write the separator alone"
    way = way if (words != "").any() else ""
    return [f"target {name}: {int(gone.sum())} of {len(text)} labels are missing: {in_words(words)}{way}"]


def may_be_missing(word):
    """Whether a word may mean "not labelled": a mark without a letter, or one that says so."""
    return word.casefold() in UNSURE or not any(c.isalnum() for c in word)


def _looks_missing(name, text, used):
    """A note on classes that may mean "not labelled" in this lab: marks without a letter, and words that say so."""
    counts = text.value_counts()
    found = [word for word in counts.index if may_be_missing(word)]
    if len(counts) - len(found) < 2:  # "+" and "-" are two classes
        return []
    return [
        f"target {name}: class '{word}' ({counts[word]} rows) looks like 'not labelled'; if it is: missing: {[word, *used]}"
        for word in sorted(found)
    ]


def _looks_alike(name, text):
    """A note on classes that people would mistake for one."""
    counts = text.value_counts()
    return [
        f"target {name}: classes {' and '.join(f'{word!r} ({counts[word]} rows)' for word in alike)} look alike; if they "
        "are one class, write them the same way in the data"
        for alike in look_alike(counts.index)
    ]


def check_classes(frame, described, how, counts, role):
    """Fill in the classes that were found, and refuse what cannot be trained or tested on.

    Parameters
    ----------
    frame : DataFrame, the manifest with all splits
    described : dict as `read_targets` gave it; its classes are filled in
    how : str, how the split came about; "growth_stable" ones must have every class everywhere
    counts : dict, target -> Series of class -> rows that `min_per_class` counts
    role : dict, what the data set is used for (plan.role_of): a domain may be in any split, or in the pool alone; where nothing
        is learned, train and validation may lack any class, and all may lack labels

    Returns
    -------
    list of str, warnings for the data card
    """
    errors, notes = [], []
    labelled = frame[frame["split"] != "pool"]
    if role["learned"]:
        _refuse_empty_splits(labelled, how, counts)
    for name, target in described.items():
        is_domain = name in role["domains"]
        values = (frame if is_domain else labelled)[name].dropna()
        if target["kind"] == "multilabel":
            try:
                notes += label_sets.check_sets(labelled, name, target)
            except UserError as error:
                errors.append(error)
            continue
        if target["kind"] == "regression":
            if role["learned"] and not (labelled.loc[values.index, "split"] == "train").any():
                errors.append(UserError("no row of the train split has a value", f"target {name}"))
            continue
        table = pd.crosstab(values, frame.loc[values.index, "split"])
        found = natural_sort(table.index)
        if not role["learned"] and not target["classes"] and len(found) < 2:
            what = f"{'one class' if found else 'no class'} among the labels, and the classes are not written down"
            errors.append(
                UserError(
                    what, f"target {name}", None, f"write those of the source: targets: {{{name}: {{classes: [..]}}}}"
                )
            )
            continue
        if len(found) < 2 and role["learned"]:
            seen = f"all {len(values)} labels are '{found[0]}'" if found else "no row is labelled"
            errors.append(UserError(seen, f"target {name}", "at least two classes", DEEPER if found else None))
            continue
        if target["kind"] == "ordinal" and not target["classes"] and None in map(as_number, found):
            hint = (
                f"name them from low to high: targets: {{{name}: {{kind: ordinal, classes: {found}}}}}, in their order"
            )
            errors.append(UserError("the order of the classes is not known", f"target {name}", None, hint))
        target["classes"] = target["classes"] or found
        if is_domain or not role["learned"]:
            continue
        in_one = _groups_of_few(labelled, name, 1)
        for part in ("train", "validation", "test"):
            column = table[part] if part in table else pd.Series(0, table.index)
            absent = [c for c in target["classes"] if column.get(c, 0) == 0]
            if part == "train" or how == "growth_stable":
                bound = {c: in_one[c] for c in absent if c in in_one}
                errors += [_bound(f"the {part} split lacks a class", bound)] if bound else []
                absent = [c for c in absent if c not in bound]
                errors += [_lacking(name, part, absent, table, counts[name])] if absent else []
            elif absent:
                notes.append(f"target {name}: {_absence(part, absent, table)}")
    raise_all(errors)
    return notes


def _refuse_empty_splits(labelled, how, counts):
    empty = [part for part in ("train", "validation", "test") if not (labelled["split"] == part).any()]
    few = next((few for name in counts if (few := _groups_of_few(labelled, name, 2))), None) if empty else None
    if few and how != "given":
        raise _bound(f"no group is left for {' and '.join(empty)}", few)
    errors = []
    for part in empty:
        hint = "label more rows" + (", or make this split larger" if part != "train" else "")
        hint = "call the split of some labelled rows train" if how == "given" and part == "train" else hint
        errors.append(
            UserError(f"the {part} split is empty ({len(labelled)} labelled rows in all)", "split", hint=hint)
        )
    raise_all(errors)


def _absence(part, absent, table):
    """Which classes a split lacks, and how many rows they have; `table` counts rows by class and split."""
    counts = table.sum(axis=1)
    words = ", ".join(f"'{c}' ({counts.get(c, 0)} rows in all)" for c in absent[:20])
    return f"the {part} split has no row of class {words}"


def _lacking(name, part, absent, table, counts):
    """The error that a split lacks classes of a target."""
    leave_out = _leaving_out(name, absent, table, counts)
    if part == "train":
        hint = "label some; or " + (f"leave such classes out: {leave_out}" if leave_out else ALIKE)
    else:
        hint = "a growth-stable split is only right on average: use another split_seed, a larger share, or "
        hint += "growth_stable: false" + (f"; or leave such classes out: {leave_out}" if leave_out else "")
    return UserError(_absence(part, absent, table), f"target {name}", hint=hint)


def _groups_of_few(labelled, name, most):
    """{class: its groups} of the classes that graft splits and whose rows are all in `most` groups or fewer."""
    drawn = labelled["given"].isna() | (labelled["given"] == "train")
    rows = labelled.loc[drawn, [name, "group"]].dropna(subset=name)
    groups = rows["group"].mask(rows["group"].str.strip() == "").groupby(rows[name])
    few = {word: natural_sort(own.unique()) for word, own in groups if own.notna().all() and own.nunique() <= most}
    return {word: few[word] for word in natural_sort(few)}


def _bound(what, groups):
    """The error that the groups of classes leave a split without rows."""
    shown = []
    for word, own in groups.items():
        count, names = "one group" if len(own) == 1 else "two groups", "', '".join(own)
        shown.append(f"all rows of class '{word}' are in {count}: '{names}'")
    return UserError(
        f"{what}, since a group stays together:{listed(shown)}",
        "columns.group",
        "groups such that every class is in three of them or more",
        "name a finer column; or leave `columns.group` out (in `folders`: skip instead of group), if it does not matter that "
        "samples of one group are in train and test",
    )


def _leaving_out(name, absent, table, counts):
    """The setting that leaves the absent classes out; None if no split or no two classes would be left."""
    least = 1 + int(max(counts.get(word, 0) for word in absent))
    stay = [word for word in table.index if counts.get(word, 0) >= least]
    if len(stay) < 2 or not table.loc[stay].any().all():
        return None
    return f"targets: {{{name}: {{min_per_class: {least}}}}}"


def _numbers(frame, text, name, decimal):
    numbers = to_numbers({name: text}, decimal, f"target {name}")[name]
    wrong = text.notna() & numbers.isna() & (text.str.lower() != "nan")
    infinite = np.isinf(numbers)
    errors = []
    for rows, what in ((wrong, "no number"), (infinite, "infinite")):
        if rows.any():
            lines = [f"{place}: '{v}'" for place, v in zip(places(frame[rows]), text[rows], strict=True)]
            hint = "decimals take a point, or all a comma; a word that means 'not measured' belongs into `missing`"
            errors.append(
                UserError(f"{len(lines)} values are {what}:{listed(lines)}", f"target {name}", "numbers", hint)
            )
    raise_all(errors)
    return numbers


def _notes_on_numbers(name, text, numbers, used):
    notes = []
    if text[numbers.notna()].str.contains(",", regex=False, na=False).any():
        notes.append(f"target {name}: the commas in its numbers were read as decimal ones")
    grouped = text.str.contains(".", regex=False, na=False) & (to_numbers({name: text}, "point", None)[name] != numbers)
    if grouped.any():
        notes.append(f"target {name}: the points in its numbers divide thousands: '{text[grouped].iloc[0]}'")
    apart, (low, high) = stands_apart(numbers.to_numpy(float))
    for value in apart:
        rows = numbers == value
        words = [*sorted(text[rows].unique()), *used]
        notes.append(
            f"target {name}: {int(rows.sum())} of {int(numbers.notna().sum())} values are {value:g}, far from all others "
            f"({low:g} to {high:g}); if it means 'not measured': missing: {words}"
        )
    return notes


def _as_classes(text, classes):
    """Labels of one spelling, that 1 and 1.0 are one class: the spelling of `classes` if these name it."""
    named = {one_spelling(pd.Series([word], dtype="str"))[0]: word for word in classes}
    if len(named) < len(classes):
        return text
    return one_spelling(text).replace({plain: word for plain, word in named.items() if plain != word})


def _two_classes(numbers, threshold, classes, name):
    if len(classes) != 2:
        raise UserError(f"{len(classes)} classes with a threshold", f"target {name}", "two: [up to it, above it]")
    out = pd.Series(np.where(numbers > threshold, classes[1], classes[0]), index=numbers.index, dtype="str")
    return out.mask(numbers.isna())


def _check_known(frame, text, classes, name):
    unknown = text.notna() & ~text.isin(classes)
    if unknown.any():
        counts = text[unknown].value_counts()
        first = dict(zip(text[unknown], places(frame[unknown]), strict=True))
        lines = [f"'{value}' ({count} rows, such as {first[value]})" for value, count in counts.items()]
        hint = "add them to `classes`, leave their rows out with `keep`, or name them under `missing`"
        spelled = {word.casefold(): word for word in counts.index}
        if set(spelled) <= {word.casefold() for word in classes}:
            hint = f"write them as the data do: classes: {[spelled.get(word.casefold(), word) for word in classes]}"
        raise UserError(
            f"{int(unknown.sum())} labels are not among the classes:{listed(lines)}",
            f"target {name}",
            ", ".join(classes[:30]),
            hint,
        )
