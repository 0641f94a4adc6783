"""Guess what the columns of a table mean, from their names and values."""

import posixpath
from dataclasses import dataclass, field

from graft.data.images import SUFFIXES
from graft.data.listing.files import TEXT_SUFFIXES
from graft.data.listing.rows import SPLIT_OF
from graft.data.survey.features import alone_of, gaps, guess_features
from graft.data.survey.groups import guess_codes, guess_group, repeats, unnamed_group
from graft.data.survey.targets import guess_targets, is_target, kind_of_target
from graft.data.survey.words import (
    has_no_name,
    looks_like_split,
    says_fold,
    says_id,
    says_text,
    says_where_or_when,
)
from graft.data.tables.columns import GUESSES

FEW_CLASSES = 10
MOST_FOLDS = 20
FEWEST_SEVERAL = 5  # contents in several rows, from which on it can be said what they differ in
FEWEST_WORDS = 5  # of a usual text


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
    paths : names of the files that are beside the table, with and without their suffix
    """
    described = {column.name: column for column in columns}
    roles, left = Roles(content=content), dict(described)
    same = [column for column in columns if column.values is not None and column.unique <= 1]
    for column in same:
        del left[column.name]
    rows = max((len(column.values) for column in columns if column.values is not None), default=0)
    roles.split = take(left, lambda c: 1 < c.unique <= len(SPLIT_OF) and set(c.filled.str.lower()) <= set(SPLIT_OF))
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
    codes = guess_codes(left, roles)
    guess_group(left, roles, codes)
    unlearnt = [*others, *_unlearnt(left, roles, codes)]
    if roles.content is None:
        roles.content = guess_features(left, [column.name for column in columns], same)
        unlearnt += gaps(left, roles, columns)
    if roles.group is None:
        unnamed_group(left, roles)
    unlearnt += _conditions(left, roles, described)
    roles.targets = guess_targets(left, roles.content)
    only = described.get(roles.group)
    if not roles.targets and only and (only.unique <= FEW_CLASSES or only in codes):
        roles.group, roles.targets = None, [(only.name, kind_of_target(only))]  # `lab` may be short for label
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
    """Remove the columns that number the rows, or say where or when: rows are often sorted by what is to be learned.

    A family of many columns with a common stem is left alone: `column 1` to `column 60` are a vector.
    """
    alone, found = alone_of(left), {}
    for column in left.values():
        if column in codes:
            found[column.name] = "is the same in a few rows each, like a patient's number"
        elif column.values is not None and column.counts_rows:
            found[column.name] = "counts the rows"
        elif column.values is not None and column.holds_dates:
            found[column.name] = "holds dates"
        elif column.name in alone and has_no_name(column.name):
            found[column.name] = "has no name"
        elif column.name in alone and not is_target(column) and says_where_or_when(column.name):
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


def take(left, fits):
    """Remove the first column that fits and give its name."""
    name = next((c.name for c in left.values() if c.values is not None and fits(c)), None)
    left.pop(name, None)
    return name


def _path(left, paths):
    """The column of files' names: by their suffixes, else those that are beside the table."""
    suffixes = SUFFIXES | set(TEXT_SUFFIXES)

    def is_path(column):
        if column.kind != "words":
            return False
        ends = column.filled.head(200).map(lambda value: posixpath.splitext(value)[1].lower() in suffixes)
        return len(ends) and ends.mean() > 0.9

    def is_file(column):
        names = column.filled.head(200).map(posixpath.basename)
        return len(names) and names.isin(paths).mean() > 0.9 and column.unique > 0.5 * len(column.filled)

    name = take(left, is_path) or (take(left, is_file) if paths else None)
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
    """The column of texts: long ones, or a name that says so with values that repeat little."""
    words = [c for c in left.values() if c.kind == "words" and not c.rest and not is_target(c)]
    differ = [c for c in words if c.unique > 0.5 * len(c.filled) or repeats(c)]  # a molecule may have several values
    long = [c for c in words if c.words >= FEWEST_WORDS or (says_text(c.name) and c in differ)]
    if not long:
        return None
    best = max(long, key=lambda c: (c.filled.str.len().median(), c.name.lower() in GUESSES["text"]))
    del left[best.name]
    return "text", best.name


def _is_text(column):
    return column.words >= FEWEST_WORDS or says_text(column.name)


def _conditions(left, roles, described):
    """Remove the columns of which most texts, or files, that are in several rows have several values; a note on them.

    That is under which condition each was measured: an assay, a channel. The text does not show it.
    """
    content = described[roles.content[1]] if roles.content and roles.content[0] in ("text", "path") else None
    found = []
    for column in left.values() if content is not None and content.values is not None else ():
        if not is_target(column) and kind_of_target(column) in ("classification", "ordinal"):
            rows = column.values.groupby(content.values)
            several = rows.count() > 1
            if several.sum() >= FEWEST_SEVERAL and (rows.nunique() > 1)[several].mean() > 0.5:
                found.append(column.name)
    for name in found:
        del left[name]
    if found:
        shown = "', '".join(found[:5])
        roles.notes.append(f"nothing to learn: column '{shown}': one {roles.content[0]} has several values of it")
    return found
