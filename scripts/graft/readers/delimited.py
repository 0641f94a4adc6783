"""Text tables (CSV, TSV, white space, semicolons) as Arrow tables of strings: "001" stays "001"."""

import codecs
import csv
import io
import re

import pyarrow as pa
import pyarrow.csv

from graft.errors import UserError

csv.field_size_limit(2**31 - 1)  # a field may be a long text
SNIFFED = 200_000  # characters from which the separator is guessed
SEPARATORS = {"comma": ",", "tab": "\t", "semicolon": ";", "pipe": "|", "whitespace": None}
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_delimited(data, where, separator="auto", encoding="auto", header=None, wanted=()):
    """Parse the bytes of a text table.

    Parameters
    ----------
    data : bytes
    where : str, the table's name, for messages
    separator : "auto" or one of `SEPARATORS`
    encoding : "auto" or a name that Python knows
    header : list of str, optional
        The columns' names, if the file has no header row.
    wanted : names that the header must have; they decide between separators

    Returns
    -------
    table : pyarrow.Table, every column a string
    facts : dict with the `encoding` and `separator` that were found

    Raises
    ------
    UserError
        If the file is empty, cannot be decoded, or has ragged rows; names their lines.
    """
    text, encoding = decode(data, where, encoding)
    if not text.strip():
        raise UserError("the table is empty", where, hint="a table needs a header row and at least one row of data")
    if separator == "auto":
        separator = _guess_separator(text, where, wanted, named=bool(header))
    facts = {"encoding": encoding, "separator": separator}
    if separator == "whitespace":
        text, character = _tabs_for_blanks(text), "\t"
    else:
        character = SEPARATORS[separator]
    return _parse(text.encode("utf-8"), where, character, header, separator), facts


def decode(data, where=None, encoding="auto"):
    """Bytes to text: byte order mark, then UTF-8, then UTF-16 without a mark, then Windows' Latin-1.

    Lone surrogates that some writers leave in UTF-8 become U+FFFD.

    Returns
    -------
    (str, str)
        The text without a byte order mark, and the name of the encoding.
    """
    if encoding != "auto":
        return _decode_as(data, where, encoding)
    for mark, name in BYTE_ORDER_MARKS:
        if data.startswith(mark):
            return _decode_as(data[len(mark) :], where, name)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("utf-8", errors="surrogatepass")
        return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace"), "utf-8"
    except UnicodeDecodeError:
        pass
    name = _wide_without_mark(data)
    if name:
        return _decode_as(data, where, name)
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:  # five bytes that Windows' code page leaves open
        return data.decode("latin-1"), "latin-1"


def _decode_as(data, where, encoding):
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UserError(f"no encoding is called '{encoding}'", where, "utf-8, utf-16, latin-1, cp1252, ...") from None
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UserError(
            f"the bytes at position {error.start} (line {line}) are no {encoding}",
            where,
            hint="name the encoding of the table, for example `encoding: latin-1`",
        ) from None
    return text.removeprefix("\ufeff"), encoding


def _wide_without_mark(data):
    """UTF-16 text of mostly ASCII has a NUL in every second byte."""
    sample = data[:4096]
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    if max(even, odd) < len(sample) // 4:
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _guess_separator(text, where, wanted, named):
    """The separator that gives every one of the first lines the same number of fields, and the most of them."""
    lines = _lines(text[:SNIFFED])
    cut = len(text) > SNIFFED or len(lines) > 40  # the last row may be a part of one
    lines = [line for line in lines[:40] if line.strip()]
    if not named and re.fullmatch(r"[^\s,;|]+", lines[0].strip()):
        return _separator_that_is_nowhere(text)
    one_column = True
    best, best_score = None, (0, 0, 0)
    for name, character in SEPARATORS.items():
        rows = list(_rows(lines, character))
        rows = rows[:-1] if cut and len(rows) > 2 else rows
        counts = {len(row) for row in rows}
        one_column &= max(counts) == 1
        found = 0 if named else len(set(wanted) & {field.strip() for field in rows[0]})
        # White space also splits every sentence: it is the last resort, when it fits all lines.
        score = (found, len(counts) == 1, max(counts) if name != "whitespace" else min(max(counts), 2) - 0.5)
        if max(counts) > 1 and score[0:2] > (0, False) and score > best_score:
            best, best_score = name, score
    if best is None:
        if one_column or set(wanted) & {lines[0].strip()}:
            return "comma"  # a table with one column
        raise UserError(
            "cannot tell what separates the columns: no separator gives all rows the same number of fields",
            where,
            "separator: " + " | ".join(SEPARATORS),
            "name the separator in the data set's entry; a row may also have a field too many or too few",
        )
    return best


def _separator_that_is_nowhere(text):
    """For a table of one column, such as texts: they may hold commas, or else semicolons."""
    lines = _lines(text)
    free = (name for name, mark in SEPARATORS.items() if mark and all(len(row) < 2 for row in _rows(lines, mark)))
    return next(free, "comma")


def _rows(lines, character):
    if character is None:
        return csv.reader((line.replace("\t", " ").strip() for line in lines), delimiter=" ", skipinitialspace=True)
    return csv.reader(lines, delimiter=character)


def _lines(text):
    return re.split("\r\n|\r|\n", text)


def _tabs_for_blanks(text):
    """Runs of blanks become one tab; a quoted field keeps its blanks."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    writer.writerows(row for row in _rows(_lines(text), None) if row)
    return out.getvalue()


def _parse(data, where, character, header, separator):
    names = list(header) if header else _first_row(data, character)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"columns with the same name: {', '.join(repeated)}", where, hint="rename them in the table")
    ragged = []

    def note(row):
        ragged.append(row)
        return "skip"

    read = pa.csv.ReadOptions(column_names=names, skip_rows=0, use_threads=False, block_size=_block_size(data))
    options = {
        "parse_options": pa.csv.ParseOptions(delimiter=character, newlines_in_values=True, invalid_row_handler=note),
        "convert_options": pa.csv.ConvertOptions(
            column_types={name: pa.large_string() for name in names}, strings_can_be_null=False, check_utf8=False
        ),
    }
    try:
        table = pa.csv.read_csv(pa.py_buffer(data), read_options=read, **options)
    except (pa.ArrowInvalid, pa.ArrowException) as error:
        raise UserError(
            f"the table cannot be parsed with separator '{separator}': {error}",
            where,
            hint="look for a quote that is opened and not closed, or name another separator",
        ) from None
    if ragged:
        raise _ragged(ragged, where, separator, len(names), header)
    return table if header else table.slice(1)


def _block_size(data):
    """One field may be large (a text of 1 MB and more), and a block must hold a whole row."""
    return min(max(len(data), 1), 2**30) if len(data) < 2**26 else 2**26


def _first_row(data, character):
    text = data[: 2**24].decode("utf-8", errors="ignore").lstrip("\r\n")
    return [name.strip() for name in next(csv.reader(io.StringIO(text, newline=None), delimiter=character))]


def _ragged(rows, where, separator, expected, header):
    shown = "; ".join(f"line {row.number}: {row.actual_columns} fields" for row in rows[:20])
    more = f" and {len(rows) - 20} more" if len(rows) > 20 else ""
    source = "`header` names" if header else "the header has"
    return UserError(
        f"{len(rows)} rows do not have the {expected} fields that {source}: {shown}{more}",
        where,
        f"{expected} fields in every row, separated by {separator}",
        "quote fields that hold the separator; or name another `separator`",
    )
