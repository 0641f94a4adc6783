"""Guess what the columns of a table mean, from their names and values."""

import fnmatch
import posixpath
import re
from dataclasses import dataclass, field

from graft.data.images import SUFFIXES
from graft.data.listing.files import TEXT_SUFFIXES
from graft.data.listing.rows import SPLIT_OF
from graft.data.survey.words import (
    has_no_name,
    is_aside,
    is_replicate,
    looks_like_split,
    says_amount,
    says_classes,
    says_fold,
    says_group,
    says_id,
    says_measure,
    says_target,
    says_text,
    says_where_or_when,
)
from graft.data.tables.columns import GUESSES

MOST_CLASSES = 200
FEW_CLASSES = 10
MOST_FOLDS = 20
FEWEST_FEATURES = 4
FEWEST_SEVERAL = 5  # contents in several rows, from which on it can be said what they differ in
FEWEST_WORDS = 5  # of a usual text
FEW_ROWS = 20  # of one sample, at most, where it was measured several times


@dataclass
class Roles:
    """Which column means what. `targets` are (column, kind); `others` are those that mean nothing to graft."""

    content: tuple | None = None  # (path | text | features, column or pattern)
    id: str | None = None
    group: str | None = None
    why_group: str | None = None
    split: str | None = None
    targets: list = field(default_factory=list)
    others: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def guess_roles(columns, content=None, paths=frozenset()):
    """The roles of `columns` (list of Column).

    The order matters: what the samples are, then who they are, which belong together, and what is left to learn.

    Parameters
    ----------
    columns : list of Column
    content : (key, column), where it is known what the samples are
    paths : names of the files that stand beside the table, with and without their suffix
    """
    described = {column.name: column for column in columns}
    roles, left = Roles(content=content), dict(described)
    same = [column for column in columns if column.values is not None and column.unique <= 1]
    for column in same:
        del left[column.name]
    rows = max((len(column.values) for column in columns if column.values is not None), default=0)
    roles.split = _take(left, lambda c: 1 < c.unique <= len(SPLIT_OF) and set(c.filled.str.lower()) <= set(SPLIT_OF))
    others = _splits_and_folds(left, roles)
    if roles.content is None:
        roles.content = _path(left, paths) or _embedded(left) or _text(left)
    unique = [c for c in left.values() if c.values is not None and not c.missing and c.unique == rows]
    named = [c for c in unique if says_id(c.name)]
    first = named or [
        c
        for c in unique
        if (c.kind == "words" and not c.rest and not _is_text(c)) or (c.whole and c is next(iter(left.values())))
    ]
    roles.id = left.pop(first[0].name).name if first else None
    codes = _codes(left, roles)
    _group(left, roles, codes)
    unlearnt = [*others, *_unlearnt(left, roles, codes)]
    if roles.content is None:
        roles.content = _features(left, [column.name for column in columns], same)
        unlearnt += _gaps(left, roles, columns)
    if roles.group is None:
        _unnamed_group(left, roles)
    unlearnt += _conditions(left, roles, described)
    roles.targets = _targets(left, roles.content)
    only = described.get(roles.group)
    if not roles.targets and only and (only.unique <= FEW_CLASSES or only in codes):
        roles.group, roles.targets = None, [(only.name, _kind_of_target(only))]  # `lab` may be short for label
        left[only.name] = only
    for name, _ in roles.targets:
        del left[name]
    roles.others = [*unlearnt, *left]
    roles.notes += _notes_on_same(same)
    return roles


def _splits_and_folds(left, roles):
    """Remove the columns that say how rows were divided before, and note how the config would name them."""
    found = []
    for column in left.values():
        if column.values is None or not 1 < column.unique <= MOST_FOLDS:
            continue
        if says_fold(column.name):
            roles.notes.append(f"column '{column.name}' may hold your folds; if so: columns: {{fold: {column.name}}}")
        elif looks_like_split(column.name, set(column.filled.str.lower())):
            roles.notes.append(
                f"column '{column.name}' looks like a split and is not used: name it `split`, with the words train, "
                "validation, test or pool"
            )
        else:
            continue
        found.append(column.name)
    for name in found:
        del left[name]
    return found


def _unlearnt(left, roles, codes):
    """Remove the columns that number the rows, or say where or when: rows are often sorted by what is to be learnt.

    A family of many columns with a common stem is left alone: `column 1` to `column 60` are a vector.
    """
    alone, found = _alone(left), {}
    for column in left.values():
        if column in codes:
            found[column.name] = "is the same in a few rows each, like a patient's number"
        elif column.values is not None and column.counts_rows:
            found[column.name] = "counts the rows"
        elif column.values is not None and column.holds_dates:
            found[column.name] = "holds dates"
        elif column.name in alone and has_no_name(column.name):
            found[column.name] = "has no name"
        elif column.name in alone and not _is_target(column) and says_where_or_when(column.name):
            found[column.name] = "says where or when"
    for name in found:
        del left[name]
    if found:
        shown = "; ".join(f"'{name}' {why}" for name, why in list(found.items())[:5])
        roles.notes.append(f"no feature and nothing to learn: column {shown}{'; ..' if len(found) > 5 else ''}")
    return list(found)


def _notes_on_same(same):
    """One sentence about the columns in which nothing differs."""
    if len(same) == 1:
        (column,) = same
        what = f"is always '{column.filled.iloc[0]}'" if column.unique else "is empty"
        return [f"column '{column.name}' {what}: it says nothing"]
    shown = [f"{c.name} ({c.filled.iloc[0] if c.unique else 'empty'})" for c in same[:3]]
    more = ", .." if len(same) > 3 else ""
    return [f"{len(same)} columns have one value in all rows and say nothing: {', '.join(shown)}{more}"] if same else []


def _take(left, fits):
    """Remove the first column that fits and give its name."""
    name = next((c.name for c in left.values() if c.values is not None and fits(c)), None)
    left.pop(name, None)
    return name


def _is_target(column):
    return says_target(column.name)


def _alone(names):
    """The names that do not belong to a family with a common stem."""
    return {name for family in _by_stem(names).values() if len(family) < FEWEST_FEATURES for name in family}


def _codes(left, roles):
    """The columns of whole numbers whose values are patients and the like, whatever their names; a note on doubtful ones.

    Counts and ages repeat, too. But only codes change from block to block of rows up and down, or one by one, or have
    one label each that no threshold divides.
    """
    alone, sure, unsure = _alone(left), [], []
    for column in left.values():
        name = column.name
        known = says_group(name) or says_id(name) or _is_target(column) or says_measure(name) or has_no_name(name)
        if known or name not in alone or is_aside(name) or says_where_or_when(name):
            continue
        if column.values is None or not column.whole or column.holds_dates or not _repeats(column):
            continue
        numbers = column.numbers
        in_blocks = (numbers.diff() != 0).sum() <= 1.05 * column.unique
        one_by_one = numbers.max() - numbers.min() < 1.2 * column.unique
        sorted_by_it = numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing
        labelled = one_by_one and any(_labels(column, other) for other in left.values() if other is not column)
        if (in_blocks and (one_by_one or not sorted_by_it)) or labelled:
            sure.append(column)
        elif in_blocks or one_by_one:
            unsure.append(name)
    if unsure:
        shown = ", ".join(f"'{name}'" for name in unsure[:5])
        roles.notes.append(
            f"column {shown} may say which rows belong together: each value stands in a few rows; if so: columns: {{group: ..}}"
        )
    return sure


def _labels(codes, labels):
    """Whether every code has one label, and more changes of label along the codes than thresholds explain."""
    if _kind_of_target(labels) != "classification":
        return False
    by_code = labels.values.groupby(codes.numbers)
    if by_code.nunique().max() > 1:
        return False
    along = by_code.first().dropna()
    return (along != along.shift()).sum() - 1 > 2 * (labels.unique - 1)


def _group(left, roles, codes):
    """Which column says what belongs together: one whose name says so, or ids that stand in a few rows each.

    Where both are there, the one that holds the other's rows together, too, is taken; else the repeated ids: a run or an
    instrument then stands across the samples.
    """
    plain = [c for c in left.values() if c.values is not None and not _is_target(c) and not is_aside(c.name)]
    named = [c for c in plain if says_group(c.name) and 1 < c.unique < 0.8 * len(c.filled)]
    repeated = [
        c for c in plain if says_id(c.name) and c not in named and (c.kind == "words" or c.whole) and _repeats(c)
    ]
    repeated += [c for c in codes if c not in repeated]
    if not named and not repeated:
        return
    # Where samples and their patients stand in several rows each, the patients are the group.
    outer = next((c for c in repeated if all(_holds(c, other) for other in repeated)), next(iter(repeated), None))
    best = named[0] if named else outer
    if named and repeated and not _holds(named[0], outer):
        best = outer
        roles.notes.append(
            f"column '{named[0].name}' may be the group, too: {best.name} is taken, as its rows are alike"
        )
    roles.group = left.pop(best.name).name
    roles.why_group = None if best in named else _why_repeated(best)


def _holds(outer, inner):
    """Whether all rows of each of one column's values have one value of the other."""
    return outer.values.groupby(inner.values).nunique().max() <= 1


def _unnamed_group(left, roles):
    """A column of words that are neither classes nor texts, and stand in a few rows each."""
    fits = [
        c
        for c in left.values()
        if c.values is not None
        and c.kind == "words"
        and not c.rest
        and not _is_target(c)
        and not says_text(c.name)
        and not is_aside(c.name)
    ]
    best = next((c for c in fits if _repeats(c) and (c.unique > max(2, len(c.filled) / 5) or _is_numbered(c))), None)
    if best is not None:
        roles.group, roles.why_group = left.pop(best.name).name, _why_repeated(best)


def _repeats(column):
    """Whether the values stand in a few rows each, most of them in several."""
    counts = column.filled.value_counts()
    few = 2 <= counts.median() <= FEW_ROWS and (counts > 1).mean() > 0.8
    return few and len(counts) >= max(5, counts.median())


def _recurs(column):
    """Whether a class stands in several rows as a rule, however many classes there are."""
    return column.filled.value_counts().median() >= 2


def _is_numbered(column):
    """Whether the values are one word with numbers: S001, S002, .."""
    return (
        column.unique >= 10
        and column.filled.str.fullmatch(r"\D*\d+").all()
        and (column.filled.str.replace(r"\d+$", "", regex=True).nunique() == 1)
    )


def _why_repeated(column):
    return f"each of its {column.unique} values stands in about {column.filled.value_counts().median():.0f} rows"


def _path(left, paths):
    """The column of files' names: by their suffixes, else those that stand beside the table."""
    suffixes = SUFFIXES | set(TEXT_SUFFIXES)

    def is_path(column):
        if column.kind != "words":
            return False
        ends = column.filled.head(200).map(lambda value: posixpath.splitext(value)[1].lower() in suffixes)
        return len(ends) and ends.mean() > 0.9

    def is_file(column):
        names = column.filled.head(200).map(posixpath.basename)
        return len(names) and names.isin(paths).mean() > 0.9 and column.unique > 0.5 * len(column.filled)

    name = _take(left, is_path) or (_take(left, is_file) if paths else None)
    return ("path", name) if name else None


def _embedded(left):
    """A column of image files or of lists of numbers."""
    for kind, key in (("bytes", "path"), ("list", "features")):
        name = next((c.name for c in left.values() if c.kind == kind), None)
        if name:
            del left[name]
            return key, name
    return None


def _text(left):
    """The column of texts: long ones, or a name that says so with values that hardly repeat."""
    words = [c for c in left.values() if c.kind == "words" and not c.rest and not _is_target(c)]
    differ = [c for c in words if c.unique > 0.5 * len(c.filled) or _repeats(c)]  # a molecule may have several values
    long = [c for c in words if c.words >= FEWEST_WORDS or (says_text(c.name) and c in differ)]
    if not long:
        return None
    best = max(long, key=lambda c: (c.filled.str.len().median(), c.name.lower() in GUESSES["text"]))
    del left[best.name]
    return "text", best.name


def _is_text(column):
    return column.words >= FEWEST_WORDS or says_text(column.name)


def _conditions(left, roles, described):
    """Remove the columns of which most texts, or files, that stand in several rows have several values; a note on them.

    That is under which condition each was measured: an assay, a channel. Nobody can tell it from the text.
    """
    content = described[roles.content[1]] if roles.content and roles.content[0] in ("text", "path") else None
    found = []
    for column in left.values() if content is not None and content.values is not None else ():
        if not _is_target(column) and _kind_of_target(column) == "classification":
            rows = column.values.groupby(content.values)
            several = rows.count() > 1
            if several.sum() >= FEWEST_SEVERAL and (rows.nunique() > 1)[several].mean() > 0.5:
                found.append(column.name)
    for name in found:
        del left[name]
    if found:
        shown = "', '".join(found[:5])
        roles.notes.append(f"nothing to learn: column '{shown}', of which one {roles.content[0]} has several values")
    return found


def _features(left, every, same):
    """The columns of a vector: those of a common stem (nm_900, nm_905, ..), else all that are numbers.

    Columns in which nothing differs may stand among those of a pattern: other rows may differ there.
    """
    numbers = [c.name for c in left.values() if c.kind == "numbers" and not is_replicate(c.name)]
    flags = [c.name for c in left.values() if _is_flag(c) and not says_target(c.name)]
    if len(numbers) < FEWEST_FEATURES <= len(numbers) + len(flags):
        numbers += flags
    stems = _by_stem(numbers)
    stem, members = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(members) < FEWEST_FEATURES or (stem and len(members) < 0.75 * len(numbers)):  # 900, 905, .. are an axis
        members = [name for name in numbers if not (says_target(name) or _is_name(left[name]))]
        words = [c for c in left.values() if c.kind == "words" and _kind_of_target(c) and not _is_no_target(c)]
        words = [c for c in words if c.name not in numbers]
        if len(members) == len(numbers) and not words:
            members = members[:-1]  # the last column is what is to be predicted, as in most tables of numbers
        if len(members) < FEWEST_FEATURES:
            return None
    for name in members:
        del left[name]
    return "features", _patterns(members, every, {c.name for c in same if c.kind == "numbers"})


def _gaps(left, roles, columns):
    """Remove the columns that stand among the features and hold words for "missing"; a note on them."""
    taken = [place for place, c in enumerate(columns) if c.kind == "numbers" and c.name not in left]
    found = [c for c in columns[: max(taken, default=0)] if c.rest and c.name in left and not _is_target(c)]
    for column in found:
        del left[column.name]
        roles.notes.append(
            f"column '{column.name}' is no feature, as '{column.unsure[0]}' stands among its numbers: leave such cells empty, "
            "or the rows out"
        )
    return [column.name for column in found]


def _is_name(column):
    """Whether numbers are names: of samples, plates, ..; a refractive index is not."""
    return column.whole and (says_id(column.name) or says_group(column.name))


def _by_stem(names):
    """{name without the number at its end: names}"""
    stems = {}
    for name in names:
        stems.setdefault(re.sub(r"[-+]?\d+([.,]\d+)?$", "", name), []).append(name)
    return stems


def _is_flag(column):
    """Whether a column holds True and False, as one of a class that pandas wrote with a column for each."""
    return column.values is not None and set(column.filled.str.casefold().unique()) == {"true", "false"}


def _patterns(members, every, same):
    """The names, shorter: one pattern for all of a stem, if it fits no other column but such as `same`."""
    out = []
    for stem, names in _by_stem(members).items():
        pattern = f"{stem}*" if stem else "[0-9]*"
        many = len(names) >= FEWEST_FEATURES
        fits = many and [name for name in fnmatch.filter(every, pattern) if name in names or name not in same] == names
        out += [pattern] if fits else names
    return out[0] if len(out) == 1 and out[0] not in members else out


def _targets(left, content):
    """(column, kind) of what may be learned, 3 at most: columns with a name that says so; beside numbers also others.

    What stands in a table beside a vector was measured on the same sample, and a head on a vector costs seconds.
    """
    found = [(c, kind) for c in left.values() if (kind := _kind_of_target(c))]
    wanted = [(c, kind) for c, kind in found if not _is_no_target(c)]
    found = sorted(wanted or found[:1], key=lambda one: not _is_target(one[0]))
    if content and content[0] != "features":
        named = [(column, kind) for column, kind in found if _is_target(column)]
        found = named or [(c, kind) for c, kind in found if kind == "classification"][:1] or found[:1]
    return [(column.name, kind) for column, kind in found[:3]]


def _is_no_target(column):
    """Whether a name says that a column is an id, a replicate's number, a place, a time or a group."""
    name = column.name
    return not _is_target(column) and (is_aside(name) or says_group(name) or says_id(name))


def _kind_of_target(column):
    """classification, regression, or None for a column that cannot be learnt."""
    if column.values is None or not len(column.filled):
        return None
    repeated = column.unique <= min(MOST_CLASSES, max(2, len(column.filled) / 5))
    if column.kind != "numbers":
        if column.rest and _kind_of_target(column.rest) == "regression":
            return "regression"
        return "classification" if repeated or (says_classes(column.name) and _recurs(column)) else None
    if column.whole and says_classes(column.name) and _recurs(column):
        return "classification"
    if repeated and (column.unique <= 2 or (column.whole and column.unique <= 20 and not says_amount(column.name))):
        return "classification"
    return "regression" if column.unique > 10 or (repeated and column.unique > 2) else None
