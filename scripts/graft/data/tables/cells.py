"""What is in the cells of an Arrow table: names as text, and the samples themselves, bytes, texts or vectors."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from graft.common.errors import UserError
from graft.data.listing.rows import as_text
from graft.data.tables.numbers import to_numbers


def strings(table, column, where, number=False):
    """A column as Arrow strings: numbers as they are written, floats without a needless .0, null for null and NaN.

    Where they are to be read as numbers again (`number`), 1.234 becomes 1.2340: no point of theirs divides thousands.
    """
    values = table[column]
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return values
    if pa.types.is_floating(kind):
        values = pc.cast(values, pa.float32()) if pa.types.is_float16(kind) else values
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        whole = pc.all(pc.equal(pc.floor(values), values)).as_py() is not False
        if whole and (pc.max(pc.abs(values)).as_py() or 0) < 2**53:
            values = pc.cast(values, pa.int64())
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise UserError(f"column '{column}' holds {kind}", where, "text, whole numbers, floats, true/false, dates")
    values = pc.cast(values, pa.string())
    return pc.replace_substring_regex(values, r"(\.\d{3})$", r"\10") if number else values


def lists(table, column, where, number=False):
    """The same of a column of labels: a list of them is its JSON."""
    kind = table[column].type
    if not (pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)):
        return strings(table, column, where, number)
    rows = table[column].to_pylist()
    return [None if row is None else json.dumps(row, ensure_ascii=False, default=str) for row in rows]


def ids(table, column, where):
    """A column of names as Arrow strings, without the blanks around them that databases fill up with."""
    return pc.utf8_trim_whitespace(strings(table, column, where))


def holds_bytes(schema, column):
    """Whether a column holds files, as bytes or as the hub's {bytes, path}."""
    kind = schema.field(column).type
    if pa.types.is_struct(kind):
        return kind.get_field_index("bytes") >= 0
    return pa.types.is_binary(kind) or pa.types.is_large_binary(kind)


def hold_text(schema, names):
    """Whether some of the columns hold text."""
    kinds = [schema.field(name).type for name in names]
    kinds = [kind.value_type if pa.types.is_dictionary(kind) else kind for kind in kinds]
    return any(pa.types.is_string(kind) or pa.types.is_large_string(kind) or kind == pa.string_view() for kind in kinds)


def contents(table, content, where, decimal="auto"):
    """A function that gives the content of a row: bytes, str or a float32 vector; None where there is none.

    Parameters
    ----------
    table : pyarrow.Table with the columns of the content
    content : (modality, key, column) of `content_of`
    decimal : "auto", "point" or "comma", for features that are text
    """
    modality, key, column = content
    if key == "features":
        return _vectors(table, column, where, decimal)
    values = table[column]
    values = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    if isinstance(values, pa.ChunkedArray):  # more than 2 GB of text does not fit one chunk
        return lambda row: values[row].as_py()
    if key == "bytes" and pa.types.is_struct(values.type):
        values = pc.struct_field(values, "bytes")
    if key == "text":
        values = _as_binary(values, where)
    return lambda row: values[row].as_py()


def _as_binary(values, where):
    """Text as bytes: a Parquet file may hold strings that are no valid UTF-8."""
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if not (pa.types.is_string(values.type) or pa.types.is_large_string(values.type)):
        raise UserError(f"the text column holds {values.type}", where, "text")
    return values.cast(pa.large_binary())


def _vectors(table, names, where, decimal):
    first = table[names[0]].type
    if len(names) == 1 and (
        pa.types.is_list(first) or pa.types.is_large_list(first) or pa.types.is_fixed_size_list(first)
    ):
        values = table[names[0]]
        if not (pa.types.is_floating(first.value_type) or pa.types.is_integer(first.value_type)):
            raise UserError(f"column '{names[0]}' holds {first}", where, "lists of numbers")
        return lambda row: _vector(values[row])
    matrix = _matrix(table, names, where, decimal)
    return lambda row: matrix[row]


def _vector(scalar):
    if not scalar.is_valid:
        return None
    with np.errstate(over="ignore"):
        return np.asarray(scalar.values.to_numpy(zero_copy_only=False), dtype=np.float32)


def _matrix(table, names, where, decimal):
    """Columns as float32, shape (rows, columns), NaN where there is no number."""
    texts = {}
    matrix = np.empty((table.num_rows, len(names)), np.float32)
    for position, name in enumerate(names):
        values = table[name]
        if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
            raise UserError(f"feature column '{name}' holds {values.type}", where, "numbers")
        if pa.types.is_boolean(values.type):
            values = pc.cast(values, pa.int8())
        if pa.types.is_decimal(values.type):
            values = pc.cast(values, pa.float64())
        if pa.types.is_floating(values.type) or pa.types.is_integer(values.type):
            with np.errstate(over="ignore"):
                matrix[:, position] = np.asarray(values.to_numpy(zero_copy_only=False), dtype=np.float64)
        else:
            texts[name] = _without_words(as_text(strings({name: values}, name, where), 0))
    with np.errstate(over="ignore"):
        for name, numbers in to_numbers(texts, decimal, where).items():
            matrix[:, names.index(name)] = numbers
    return matrix


def _without_words(text):
    """True and False as 1 and 0 where a column holds nothing else, as pandas and R write what is either."""
    said = text.str.strip().str.casefold()
    return (
        said.map({"true": "1", "false": "0"}).astype("str") if said.dropna().isin(["true", "false", ""]).all() else text
    )
