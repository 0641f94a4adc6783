"""Guess what the columns of a table mean, from their names and values."""

import fnmatch
import posixpath
import re
from dataclasses import dataclass, field

import pandas as pd
import pyarrow as pa

from graft.images import SUFFIXES
from graft.readers.columns import GUESSES, TEXT_SUFFIXES, holds_bytes, strings
from graft.readers.rows import MISSING, SPLIT_OF, as_text, is_missing
from graft.survey.folders import GROUP

ID = re.compile(r"(?i)(^|[_ .-])(id|uid|uuid|identifier|accession|doi|pmid|name|key|index|sample|specimen|barcode)$")
TARGET = re.compile(
    r"(?i)(^|[_ .-])(label|labels|class|target|y|category|diagnosis|outcome|relevant|response|species|phase|grade|type|"
    r"status|activity|property|truth|annotation)($|[_ .-])"
)
TEXT = re.compile(r"(?i)(text|abstract|sentence|smiles|sequence|note|comment|message|report|title|content|description)")
LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
MOST_CLASSES = 200
FEWEST_FEATURES = 4


@dataclass
class Column:
    """What a column looks like. `values` are its texts, null where missing."""

    name: str
    values: pd.Series = None
    kind: str = "words"  # words | numbers | list | bytes | other
    unique: int = 0
    missing: int = 0

    @property
    def filled(self):
        return self.values.dropna()

    @property
    def words(self):
        """Blank-separated words of a usual value."""
        return self.filled.str.split().str.len().median() if len(self.filled) else 0

    @property
    def whole(self):
        """Whether all values are whole numbers."""
        return self.kind == "numbers" and bool((pd.to_numeric(self.filled) % 1 == 0).all())


@dataclass
class Roles:
    """Which column means what. `targets` are (column, kind); `others` are those that mean nothing to graft."""

    content: tuple | None = None  # (path | text | features, column or pattern)
    id: str | None = None
    group: str | None = None
    split: str | None = None
    targets: list = field(default_factory=list)
    others: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def describe(table):
    """The columns (list of Column) of an Arrow table of a few thousand rows."""
    return [_describe(table, name) for name in table.column_names]


def _describe(table, name):
    kind = table.schema.field(name).type
    if any(is_list(kind) for is_list in LISTS):
        return Column(name, kind="list")
    if holds_bytes(table.schema, name):
        return Column(name, kind="bytes")
    if pa.types.is_nested(kind):
        return Column(name, kind="other")
    values = as_text(strings(table, name, name), table.num_rows).str.strip()
    values = values.mask(is_missing(values, MISSING))
    filled = values.dropna()
    is_number = len(filled) > 0 and pd.to_numeric(filled, errors="coerce").notna().all()
    return Column(name, values, "numbers" if is_number else "words", filled.nunique(), int(values.isna().sum()))


def guess_roles(columns, content=None):
    """The roles of `columns` (list of Column).

    The order matters: what the samples are, then who they are, which belong together, and what is left to learn.
    """
    roles, left = Roles(content=content), {column.name: column for column in columns}
    for column in columns:
        if column.values is not None and column.unique <= 1:
            del left[column.name]
            what = f"is always '{column.filled.iloc[0]}'" if column.unique else "is empty"
            roles.notes.append(f"column '{column.name}' {what}: it says nothing")
    rows = max((len(column.values) for column in columns if column.values is not None), default=0)
    roles.split = _take(left, lambda c: c.unique > 1 and set(c.filled.str.lower()) <= set(SPLIT_OF))
    if roles.content is None:
        roles.content = _path(left) or _embedded(left) or _text(left)
    unique = [c for c in left.values() if c.values is not None and not c.missing and c.unique == rows]
    named = [c for c in unique if ID.search(c.name)]
    first = named or [c for c in unique if c.kind == "words" or (c.whole and c is next(iter(left.values())))]
    roles.id = left.pop(first[0].name).name if first else None
    roles.group = _take(
        left, lambda c: GROUP.search(c.name) and 1 < c.unique < 0.8 * len(c.filled) and not _is_target(c)
    )
    if roles.content is None:
        roles.content = _features(left)
    roles.targets = _targets(left, rows, roles.content)
    for name, _ in roles.targets:
        del left[name]
    roles.others = list(left)
    return roles


def _take(left, fits):
    """Remove the first column that fits and give its name."""
    name = next((c.name for c in left.values() if c.values is not None and fits(c)), None)
    left.pop(name, None)
    return name


def _is_target(column):
    return bool(TARGET.search(column.name))


def _path(left):
    suffixes = SUFFIXES | set(TEXT_SUFFIXES)

    def is_path(column):
        ends = column.filled.head(200).map(lambda value: posixpath.splitext(value)[1].lower() in suffixes)
        return column.kind == "words" and len(ends) and ends.mean() > 0.9

    name = _take(left, is_path)
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
    words = [c for c in left.values() if c.kind == "words" and not _is_target(c)]
    long = [c for c in words if c.words >= 5 or (TEXT.search(c.name) and c.unique > 0.5 * len(c.filled))]
    if not long:
        return None
    best = max(long, key=lambda c: (c.filled.str.len().median(), c.name.lower() in GUESSES["text"]))
    del left[best.name]
    return "text", best.name


def _features(left):
    """The columns of a vector: those of a common stem (nm_900, nm_905, ..), else all that are numbers."""
    numbers = [c.name for c in left.values() if c.kind == "numbers"]
    stems = {}
    for name in numbers:
        stems.setdefault(re.sub(r"[-+]?\d+([.,]\d+)?$", "", name), []).append(name)
    stem, members = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(members) >= 2 * FEWEST_FEATURES:
        pattern = f"{stem}*" if stem else "[0-9]*"
        if fnmatch.filter(left, pattern) != members:
            pattern = members
    else:
        members = [name for name in numbers if not TARGET.search(name)]
        if len(members) == len(numbers) and not any(c.kind == "words" for c in left.values()):
            members = members[:-1]  # the last column is what is to be predicted, as in most tables of numbers
        if len(members) < FEWEST_FEATURES:
            return None
        pattern = members
    for name in members:
        del left[name]
    return "features", pattern


def _targets(left, rows, content):
    """(column, kind) of what may be learned, 3 at most: columns with a name that says so; beside numbers also others.

    What stands in a table beside a vector was measured on the same sample, and a head on a vector costs seconds.
    """
    found = []
    for column in left.values():
        if column.values is None or not len(column.filled):
            continue
        repeated = column.unique <= min(MOST_CLASSES, max(2, len(column.filled) / 5))
        if column.kind == "numbers" and not (repeated and (column.whole and column.unique <= 20)):
            if column.unique > 10:
                found.append((column, "regression"))
        elif repeated:
            found.append((column, "classification"))
    found.sort(key=lambda one: not _is_target(one[0]))
    if content and content[0] != "features":
        named = [(column, kind) for column, kind in found if _is_target(column)]
        found = named or [(c, kind) for c, kind in found if kind == "classification"][:1] or found[:1]
    return [(column.name, kind) for column, kind in found[:3]]
