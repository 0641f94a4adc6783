"""What kind of file a table is, by its first bytes, not by its name; and tables that are not delimited text."""

import bz2
import gzip
import io
import json
import lzma
import re
import zipfile

import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet

from graft.common.errors import UserError, first_line
from graft.data.tables.sdf import is_sdf

READ = "CSV, TSV, Parquet, Feather or Arrow, ORC, JSON, SDF, Stata or SAS, also compressed (gzip, bzip2, xz, zstd, zip)"
START = 600  # bytes that show the kind
MAGIC = (
    (b"PAR1", "parquet"),
    (b"ARROW1", "feather"),
    (b"FEA1", "feather"),
    (b"\xff\xff\xff\xff", "arrow stream"),
    (b"ORC", "orc"),
    (b"<stata_dta>", "stata"),
    (b"HEADER RECORD*******LIBRARY", "sas transport"),
    (b"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xc2\xea\x81\x60", "sas"),
    (b"\x1f\x8b", "gzip"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"PK\x03\x04", "zip"),
)
# What is not read: what it is, and what to do.
AS_CSV = "save it as CSV (UTF-8)"
FOREIGN = (
    (b"\xd0\xcf\x11\xe0", "an Excel workbook (.xls)", f"{AS_CSV} in Excel or LibreOffice"),
    (
        b"\x89HDF",
        "an HDF5 file",
        "save the table as Parquet, pandas.read_hdf(FILE).to_parquet(..), or the arrays as .npz",
    ),
    (b"\x93NUMPY", "a NumPy array", "use `reader: arrays`"),
    (
        b"SQLite format 3",
        "an SQLite database",
        "save the table as CSV: sqlite3 -header -csv FILE 'select * from TABLE'",
    ),
    (b"MATLAB", "a MATLAB file", "save the table as CSV, writetable(T, 'table.csv'), or the arrays as .npz"),
    (b"RDX", "a file of R", "save the table as CSV: write.csv(table, 'table.csv', row.names = FALSE)"),
    (b"X\n\x00\x00", "a file of R", "save the table as CSV: write.csv(table, 'table.csv', row.names = FALSE)"),
    (b"$FL", "an SPSS file", f"{AS_CSV} in SPSS, or with R's haven"),
    (b"Obj\x01", "an Avro file", "save it as Parquet"),
    (b"%PDF", "a PDF document", "save the table as CSV"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it and name the table in it"),
    (b"Rar!", "a RAR archive", "unpack it and name the table in it"),
    (b"\x89PNG", "an image", "name the table that lists the images"),
    (b"\xff\xd8\xff", "an image", "name the table that lists the images"),
    (b"II*\x00", "an image", "name the table that lists the images"),
    (b"version https://git-lfs", "a pointer of Git LFS, not the file itself", "fetch the file: git lfs pull"),
)
MARKUP = ((b"<!doctype html", "a web page"), (b"<html", "a web page"), (b"<?xml", "XML"), (b"{\\rtf", "a document"))
PICKLES = tuple(b"\x80" + bytes([protocol]) for protocol in (2, 3, 4, 5))


def kind_of(start, where):
    """The kind of a file that begins with `start`: one of MAGIC's names, "json", "sdf" or "text".

    Raises
    ------
    UserError
        If graft does not read such files: names the kind, and what to save it as.
    """
    for magic, what, hint in FOREIGN:
        if start.startswith(magic):
            raise _refused(what, where, hint)
    for magic, kind in MAGIC:
        if start.startswith(magic):
            return kind
    if start.startswith(PICKLES):
        raise _refused("a Python pickle, which may run code", where, "save it as Parquet: DataFrame.to_parquet(..)")
    if start[257:262] == b"ustar":
        raise _refused("a tar archive", where, "unpack it and name the table in it")
    text = start[2:] if start[:2] in (b"\xff\xfe", b"\xfe\xff") else start.removeprefix(b"\xef\xbb\xbf")
    text = text.replace(b"\0", b"").lstrip().lower()  # of UTF-16, too
    for mark, what in MARKUP:
        if text.startswith(mark):
            raise _refused(what, where, "save the table as CSV; a download may have brought a page instead of the file")
    if text.startswith(b"@relation"):
        raise _refused("a file of Weka (ARFF)", where, "save the table as CSV")
    if re.match(rb'\[\s*[\[{\]]|\{\s*["}]', text):
        return "json"
    if start[:1] in (b"\x71", b"\x72", b"\x73") and start[1:2] in (b"\x01", b"\x02") and start[2:4] == b"\x01\x00":
        return "stata"
    _refuse_binary(start, where)
    return "sdf" if is_sdf(start) else "text"


def unpacked(data, kind, where):
    """The bytes inside a compressed file, and what they are inside of; a file of another kind as it is."""
    try:
        if kind == "gzip":
            return gzip.decompress(data)
        if kind == "bzip2":
            return bz2.decompress(data)
        if kind == "xz":
            return lzma.decompress(data)
        if kind in ("zstd", "lz4"):
            return pa.CompressedInputStream(pa.BufferReader(data), kind).read()
        if kind == "zip":
            return _only_member(data, where)
    except (
        OSError,
        EOFError,
        ValueError,
        lzma.LZMAError,
        zipfile.BadZipFile,
        RuntimeError,
        pa.ArrowException,
    ) as error:
        what = f"a damaged {kind} file ({first_line(error)})"
        raise UserError(what, where, hint="it may be cut short; write or copy it again") from None
    return None


def read_typed(data, kind, where):
    """The table in a file that knows its types.

    Parameters
    ----------
    data : bytes; of JSON the text
    kind : "parquet", "feather", "arrow stream", "orc", "json", "stata", "sas" or "sas transport"

    Returns
    -------
    pyarrow.Table
    """
    try:
        if kind == "json":
            table = _json(data, where)
        elif kind == "parquet":
            table = pa.parquet.read_table(pa.BufferReader(data))
        elif kind == "feather":
            table = pyarrow.feather.read_table(pa.BufferReader(data))
        elif kind == "arrow stream":
            table = pa.ipc.open_stream(data).read_all()
        elif kind == "orc":
            table = pyarrow.orc.read_table(pa.BufferReader(data))
        elif kind == "stata":
            table = pa.Table.from_pandas(pd.read_stata(io.BytesIO(data)), preserve_index=False)
        else:
            form = {"sas": "sas7bdat", "sas transport": "xport"}[kind]
            frame = pd.read_sas(io.BytesIO(data), format=form, encoding="infer" if kind == "sas" else "utf-8")
            table = pa.Table.from_pandas(frame, preserve_index=False)
    except UserError:
        raise
    except Exception as error:  # every library has its own kinds
        what = f"not a readable {kind} file ({first_line(error)})"
        raise UserError(what, where, hint="it may be cut short; write or copy it again") from None
    return _plain(table)


def _refused(what, where, hint):
    return UserError(f"this is {what}, not a table that graft reads", where, READ, hint)


def _refuse_binary(start, where):
    """Bytes that no text has: more than one control character in ten, and not those of UTF-16 or UTF-32."""
    control = bytes([*range(9), *range(14, 27), *range(28, 32)])
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or start[:4] == b"\x00\x00\xfe\xff" or not start:
        return
    text = start
    even, odd = start[0::2].count(0), start[1::2].count(0)
    if min(even, odd) * 8 < max(even, odd):  # UTF-16 of mostly ASCII has a NUL in every second byte
        text = start[0::2] if odd > even else start[1::2]
    share = sum(text.count(byte) for byte in control) / len(text)
    if share > 0.1:
        raise _refused(
            f"binary data of an unknown kind (it begins with {start[:8].hex(' ')})", where, "save it as CSV or Parquet"
        )


def _only_member(data, where):
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        for member, what in (
            ("[Content_Types].xml", "an Excel workbook (.xlsx)"),
            ("mimetype", "an OpenDocument file"),
        ):
            if member in names:
                raise _refused(what, where, f"{AS_CSV} in Excel or LibreOffice")
        if names and all(name.endswith(".npy") for name in names):
            raise _refused("NumPy arrays (.npz)", where, "use `reader: arrays`")
        files = [name for name in names if not name.endswith("/") and not name.startswith("__MACOSX")]
        if len(files) != 1:
            shown = ", ".join(files[:10]) or "nothing"
            raise _refused(
                f"a zip archive of {len(files)} files ({shown})", where, "unpack it and name the table in it"
            )
        return archive.read(files[0])


def _json(text, where):
    """A table of JSON lines, of a list of objects, or of what pandas writes: columns, or {"columns", "data"}."""
    try:
        content = json.loads(text)
    except ValueError:
        content = _json_lines(text, where)
    columns = _columns_of(content) if isinstance(content, dict) else None
    if columns is not None:
        return pa.table([_column(values) for values in columns.values()], list(columns))
    while isinstance(content, dict) and len(content) == 1 and isinstance(next(iter(content.values())), list):
        content = next(iter(content.values()))  # {"data": [..]}
    rows = [content] if isinstance(content, dict) else content
    if not rows or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UserError("this JSON is no table", where, "one object per line, or a list of objects", "save it as CSV")
    names = dict.fromkeys(name for row in rows for name in row)
    return pa.table([_column([row.get(name) for row in rows]) for name in names], list(names))


def _columns_of(content):
    """{column: values} of an object that holds columns; None if it holds something else."""
    values = list(content.values())
    if {"columns", "data"} <= set(content):
        return dict(zip(content["columns"], map(list, zip(*content["data"], strict=True)), strict=True))
    if values and all(isinstance(column, dict) for column in values):  # {column: {row: value}}
        rows = dict.fromkeys(row for column in values for row in column)
        return {name: [column.get(row) for row in rows] for name, column in content.items()}
    if len(values) > 1 and all(isinstance(column, list) for column in values) and len(set(map(len, values))) == 1:
        return content
    return None


def _json_lines(text, where):
    rows = []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                rows.append(json.loads(line))
            except ValueError as error:
                raise UserError(
                    f"line {number} is no JSON ({error})", where, "one object per line, or a list of objects"
                ) from None
    return rows


def _column(values):
    """A column of one type; values of several types become text, as they are written."""
    try:
        return pa.array(values)
    except (pa.ArrowException, OverflowError):
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values], pa.large_string())


def _plain(table):
    """The table without Arrow's views, which the rest does not know."""
    kinds = {pa.string_view(): pa.large_string(), pa.binary_view(): pa.large_binary()}
    fields = [field.with_type(kinds.get(field.type, field.type)) for field in table.schema]
    return table.cast(pa.schema(fields, table.schema.metadata))
