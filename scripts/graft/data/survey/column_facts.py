"""What the columns of a table look like: numbers, words, lists or files, and how often a value is repeated."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from graft.common.errors import UserError
from graft.data.labels import may_be_missing
from graft.data.listing.rows import MISSING, as_text, is_missing
from graft.data.tables.cells import holds_bytes, strings
from graft.data.tables.numbers import to_numbers

LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
MOST_UNSURE = 0.5  # of a column's values, up to which words among its numbers may mean that there is none
FEWEST_ROWS = 5  # of which it can be said that a column counts them


@dataclass
class Column:
    """What a column looks like. `values` are its texts, null where missing; `numbers` the same as numbers, or None.

    `unsure` are words among numbers that may mean "missing"; `rest` is the column without them.
    """

    name: str
    values: pd.Series = None
    kind: str = "words"  # words | numbers | list (of numbers) | labels (a list of words) | bytes | other
    unique: int = 0
    missing: int = 0
    numbers: pd.Series = None
    commas: bool = False  # whether it can only be read as numbers if commas are decimal ones
    unsure: tuple = ()
    rest: "Column" = None

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
        return self.kind == "numbers" and bool((self.numbers.dropna() % 1 == 0).all())

    @property
    def counts_rows(self):
        """Whether the values are 0, 1, 2, .. or 1, 2, 3, .. in the order of the rows."""
        if not self.whole or self.missing or len(self.numbers) < FEWEST_ROWS:
            return False
        steps = self.numbers.to_numpy() - np.arange(len(self.numbers))
        return steps[0] in (0, 1) and bool((steps == steps[0]).all())

    @property
    def holds_dates(self):
        """Whether all values are dates as whole numbers: 20240131."""
        if not self.whole or not self.filled.str.fullmatch(r"(19|20)\d{6}").all():
            return False
        return bool(pd.to_datetime(self.filled, format="%Y%m%d", errors="coerce").notna().all())


def describe(table):
    """The columns (list of Column) of an Arrow table of a few thousand rows."""
    return [_describe(table, name) for name in table.column_names]


def _describe(table, name):
    kind = table.schema.field(name).type
    if any(is_list(kind) for is_list in LISTS):
        words = pa.types.is_string(kind.value_type) or pa.types.is_large_string(kind.value_type)
        return Column(name, kind="labels" if words else "list")
    if holds_bytes(table.schema, name):
        return Column(name, kind="bytes")
    if pa.types.is_nested(kind):
        return Column(name, kind="other")
    values = as_text(strings(table, name, name), table.num_rows).str.strip()
    values = values.mask(is_missing(values, MISSING))
    column = _of_values(name, values)
    unsure = [word for word in values.dropna().unique() if may_be_missing(word)] if column.kind == "words" else []
    gone = values.isin(unsure)
    if unsure and gone.sum() < MOST_UNSURE * values.notna().sum():
        rest = _of_values(name, values.mask(gone))
        if rest.kind == "numbers":
            column.unsure, column.rest = tuple(unsure), rest
    return column


def _of_values(name, values):
    filled = values.dropna()
    numbers, commas = _numbers(filled, name)
    is_number = len(filled) > 0 and numbers.notna().all()
    return Column(
        name,
        values,
        "numbers" if is_number else "words",
        filled.nunique(),
        int(values.isna().sum()),
        numbers if is_number else None,
        commas,
    )


def _numbers(filled, name):
    """A column as numbers, and whether its commas may also divide thousands, so that `decimal` must be said."""
    numbers = pd.to_numeric(filled, errors="coerce")
    if numbers.notna().all():
        return numbers, False
    try:
        return to_numbers({name: filled}, "auto", name)[name], False
    except UserError:
        return to_numbers({name: filled}, "comma", name)[name], True
