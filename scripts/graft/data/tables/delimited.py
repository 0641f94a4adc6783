"""Text tables (CSV, TSV, white space, semicolons) as Arrow tables of strings: "001" stays "001"."""

import codecs
import csv
import io

import pyarrow as pa
import pyarrow.csv

from graft.common.errors import UserError
from graft.common.spelling import nfc
from graft.data.listing.rows import listed
from graft.data.tables.separators import (
    SEPARATORS,
    begin,
    begins_later,
    guess_separator,
    open_quotes,
    records,
    without_blank_end,
)

csv.field_size_limit(2**31 - 1)  # a field may be a long text
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def read_delimited(data, where, separator="auto", encoding="auto", header=None, wanted=(), skip_lines=0):
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
    skip_lines : int, lines before the header row; after them, those that begin with # are passed over anyway

    Returns
    -------
    table : pyarrow.Table, every column a string
    facts : dict with the `encoding` and `separator` that were found, and `notes` if there is something to say

    Raises
    ------
    UserError
        If the file is empty, cannot be decoded, or has ragged rows; names their lines.
    """
    text, found = decode(data, where, encoding)
    notes = notes_on_encoding(encoding, found)
    text, before = begin(text, skip_lines, wanted, header, notes)
    if not text.strip():
        raise UserError("the table is empty", where, hint="a table needs a header row and at least one row of data")
    if separator == "auto":
        separator = guess_separator(text, where, wanted, bool(header), before)
    text = _tabs_for_blanks(text) if separator == "whitespace" else text
    table = _parse(text, where, separator, header, before, notes)
    return table, {"encoding": found, "separator": separator} | ({"notes": notes} if notes else {})


def decode(data, where=None, encoding="auto"):
    """Bytes to text: byte order mark, then UTF-16 without a mark, then UTF-8, then Windows' Latin-1.

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
    wide = _wide_without_mark(data)
    if wide:  # which may be good UTF-8, with a NUL after every letter
        return _decode_as(data, where, wide)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        text = data.decode("utf-8", errors="surrogatepass")
        return text.encode("utf-16", errors="surrogatepass").decode("utf-16", errors="replace"), "utf-8"
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), "cp1252"
    except UnicodeDecodeError:  # five bytes that Windows' code page leaves open
        return data.decode("latin-1"), "latin-1"


def notes_on_encoding(asked, found):
    """A note on bytes that may be letters of any alphabet of one byte each, or of two."""
    if asked != "auto" or found not in ("cp1252", "latin-1"):
        return []
    return [
        f"its bytes are no UTF-8 and were read as {found} (Western Europe); if letters look wrong, name its `encoding`"
    ]


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
    if len(data) % 2 or max(even, odd) < max(4, len(sample) // 4) or min(even, odd) * 8 > max(even, odd):
        return None
    return "utf-16-le" if odd > even else "utf-16-be"


def _tabs_for_blanks(text):
    """Runs of blanks become one tab; a quoted field keeps its blanks."""
    out, written = io.StringIO(), 1
    writer = csv.writer(out, delimiter="\t", lineterminator="\n")
    for line, row in records(text, None):
        out.write("\n" * (line - written))  # lines keep their numbers
        writer.writerow(row)
        written = line + 1
    return out.getvalue()


def _parse(text, where, separator, header, before, notes):
    character = SEPARATORS[separator] or "\t"
    names = list(header) if header else _first_row(text, character)
    table, ragged = _read_csv(text, where, separator, character, _different(names))
    short = '"' in text and (ragged or table.num_rows < sum(1 for _ in _lines(text)))
    if short and _quotes_are_text(text, where, character, len(names), ragged, before, notes):
        names = [name or f"column {place + 1}" for place, name in enumerate(names)]
        table, ragged = _read_csv(text, where, separator, character, _different(names), quote=False)
    if ragged or not all(names):
        names, table = _without_blank_columns(text, where, separator, character, names, bool(header), before)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise UserError(f"columns with the same name: {', '.join(repeated)}", where, hint="rename them in the table")
    return (table if header else table.slice(1)).rename_columns(names)


def _lines(text):
    return (line for line in io.StringIO(text, newline=None) if line != "\n")


def _quotes_are_text(text, where, character, fields, ragged, before, notes):
    """Whether quote marks are letters as others: some end no field, and every line has the fields of a row without them.

    Raises
    ------
    UserError
        If some end no field, but others are needed; or if a single one is never ended. Names their lines.
    """
    found = list(open_quotes(text, character))
    if not found:
        return False
    if any(ended for _, _, ended in found) and all(line.count(character) + 1 == fields for line in _lines(text)):
        notes.append(f"quote marks are taken as they are, as that of line {found[0][0] + before} ends no field")
        return True
    if ragged > len(found):  # the rows that do not fit are named
        return False
    shown = [f"line {first + before} (the row would continue to line {last + before})" for first, last, _ in found]
    raise UserError(
        f"{len(found)} quote marks open a field and do not end it:{listed(shown)}",
        where,
        "a quoted field ends with a quote mark before a separator, or at the end of a line",
        'take such a mark out; or put the field into quotes and double the mark in it: """Well, he said"',
    )


def _read_csv(text, where, separator, character, names, quote='"'):
    """(table of strings, how many rows were left out since they have another number of fields)."""
    data, ragged = text.encode("utf-8"), []

    def note(row):
        ragged.append(row)
        return "skip"

    read = pa.csv.ReadOptions(column_names=names, skip_rows=0, use_threads=False, block_size=_block_size(data))
    options = {
        "parse_options": pa.csv.ParseOptions(
            delimiter=character, quote_char=quote, newlines_in_values=True, invalid_row_handler=note
        ),
        "convert_options": pa.csv.ConvertOptions(
            column_types={name: pa.large_string() for name in names}, strings_can_be_null=False, check_utf8=False
        ),
    }
    try:
        return pa.csv.read_csv(pa.py_buffer(data), read_options=read, **options), len(ragged)
    except (pa.ArrowInvalid, pa.ArrowException) as error:
        raise UserError(
            f"the table cannot be parsed with separator '{separator}': {error}",
            where,
            hint="look for a quote that is opened and not closed, or name another separator",
        ) from None


def _without_blank_columns(text, where, separator, character, names, given, before):
    """Names and table without nameless columns in which there is nothing, as spreadsheets leave them at the end.

    Raises
    ------
    UserError
        If rows have more fields than that, or too few; names their lines.
    """
    rows = list(records(text, character))
    wide, named = len(names), len(without_blank_end(names))
    if all(len(without_blank_end(row)) <= named for _, row in rows):
        wide = named
    odd = [(line, row) for line, row in rows if len(row) < wide or len(without_blank_end(row)) > wide]
    if odd:
        raise _ragged(odd, rows, where, separator, wide, given, before)
    columns = [[row[place] for _, row in rows] for place in range(wide)]
    body = slice(0 if given else 1, None)
    kept = [place for place in range(wide) if names[place] or any(cell.strip() for cell in columns[place][body])]
    names = [names[place] or f"column {place + 1}" for place in kept]
    return names, pa.table([pa.array(columns[place], pa.large_string()) for place in kept], _different(names))


def _different(names):
    return [f"{place} {name}" for place, name in enumerate(names)]


def _block_size(data):
    """One field may be large (a text of 1 MB and more), and a block must hold a whole row."""
    return min(max(len(data), 1), 2**30) if len(data) < 2**26 else 2**26


def _first_row(text, character):
    _, row = next(records(text[: 2**24], character))
    return [nfc(name.strip()) for name in row]


def _ragged(odd, rows, where, separator, expected, given, before):
    shown = "; ".join(f"line {line + before}: {len(row)} fields" for line, row in odd[:20])
    more = f" and {len(odd) - 20} more" if len(odd) > 20 else ""
    source = "`header` names" if given else f"the header (line {rows[0][0] + before}) has"
    hint = None if given else begins_later(rows, expected, before)
    if not hint and len(odd) >= len(rows) - 1 and all(len(row) == expected + 1 for _, row in odd):
        hint = "if the first column holds names of rows, give it a name in the header row of the table"
    return UserError(
        f"{len(odd)} rows do not have the {expected} fields that {source}: {shown}{more}",
        where,
        f"{expected} fields in every row, separated by {separator}",
        hint or "quote fields that hold the separator; or name another `separator`",
    )
