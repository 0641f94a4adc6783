"""Tables are known by their first bytes: what pyarrow or pandas read is read alike, the rest is refused by name."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import zipfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from graft.common.errors import UserError
from graft.data.readers import complete, list_samples, opener
from graft.data.tables.kinds import kind_of
from tiny_data import prepared

ROWS = [{"text": f"größe {i} was, so", "label": "ab"[i % 2], "n": i} for i in range(24)]
ASCII = [row | {"text": row["text"].replace("ö", "o").replace("ß", "s")} for row in ROWS]
TABLE = pa.Table.from_pylist(ROWS)
CSV = ("text,label,n\n" + "".join(f'"{r["text"]}",{r["label"]},{r["n"]}\n' for r in ROWS)).encode()
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()


def written(write):
    out = io.BytesIO()
    write(out)
    return out.getvalue()


def zipped(**files):
    def write(out):
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name.replace("__", "/"), data)

    return written(write)


def zstandard(data, codec="zstd"):
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, codec) as stream:
        stream.write(data)
    return out.getvalue().to_pybytes()


def arrow_stream(out):
    with pa.ipc.new_stream(out, TABLE.schema) as stream:
        stream.write_table(TABLE)


READ = {
    "csv": CSV,
    "csv.gz": gzip.compress(CSV),
    "csv.bz2": bz2.compress(CSV),
    "csv.xz": lzma.compress(CSV),
    "csv.zst": zstandard(CSV),
    "csv.lz4": zstandard(CSV, "lz4"),
    "csv.zip": zipped(**{"t.csv": CSV}),
    "jsonl": LINES,
    "jsonl.gz": gzip.compress(LINES),
    "json": json.dumps(ROWS, indent=1).encode(),
    "records.json": json.dumps({"data": ROWS}).encode(),
    "columns.json": json.dumps({name: [row[name] for row in ROWS] for name in ROWS[0]}).encode(),
    "pandas.json": pd.DataFrame(ROWS).to_json().encode(),
    "split.json": pd.DataFrame(ROWS).to_json(orient="split").encode(),
    "feather": written(lambda out: pyarrow.feather.write_feather(TABLE, out)),
    "feather, plain": written(lambda out: pyarrow.feather.write_feather(TABLE, out, compression="uncompressed")),
    "arrow": written(arrow_stream),
    "orc": written(lambda out: pyarrow.orc.write_table(TABLE, out)),
    "parquet": written(lambda out: pq.write_table(TABLE, out)),
    "parquet.gz": gzip.compress(written(lambda out: pq.write_table(TABLE, out))),
    "dta": written(lambda out: pd.DataFrame(ROWS).to_stata(out, write_index=False, version=118)),
    "old.dta": written(lambda out: pd.DataFrame(ASCII).to_stata(out, write_index=False)),
}


@pytest.mark.parametrize("name", ["t", "t.csv", "t.xlsx"])
@pytest.mark.parametrize("kind", READ)
def test_a_table_is_read_by_its_first_bytes_whatever_it_is_called(tmp_path, kind, name):
    (tmp_path / name).write_bytes(READ[kind])
    entry = complete({"table": name, "columns": {"text": "text", "id": "n"}})
    found = list_samples(entry, tmp_path)
    assert found.frame["sample_id"].tolist() == [str(i) for i in range(24)]
    assert found.frame["label:label"].tolist() == [row["label"] for row in ROWS]
    load = opener(entry, tmp_path)
    texts = [load(row.path, row.row) for row in found.frame.itertuples()]
    assert texts == [row["text"] for row in (ASCII if kind == "old.dta" else ROWS)]


@pytest.mark.parametrize("suffix", [".csv.gz", ".jsonl", ".feather", ".tsv.xz", ".orc", ".dta"])
def test_such_tables_are_found_by_their_names(tmp_path, suffix):
    (tmp_path / f"table{suffix}").write_bytes(READ["csv.gz"])
    assert list_samples({"columns": {"text": "text"}}, tmp_path).facts["reader"] == "table"


FOREIGN = {
    "an Excel workbook (.xlsx)": zipped(**{"[Content_Types].xml": "<x/>", "xl__workbook.xml": "<x/>"}),
    "an Excel workbook (.xls)": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
    "an OpenDocument file": zipped(
        mimetype="application/vnd.oasis.opendocument.spreadsheet", **{"content.xml": "<x/>"}
    ),
    "an HDF5 file": b"\x89HDF\r\n\x1a\n" + bytes(500),
    "a MATLAB file": b"MATLAB 5.0 MAT-file, Platform: GLNXA64" + bytes(500),
    "an SQLite database": b"SQLite format 3\0" + bytes(500),
    "a file of R": gzip.compress(b"RDX3\nX\n\0\0\0\3" + bytes(100)),
    "a Python pickle": pickle.dumps(ROWS),
    "a NumPy array": written(lambda out: np.save(out, np.zeros(3))),
    "NumPy arrays (.npz)": written(lambda out: np.savez(out, X=np.zeros(3))),
    "a zip archive of 2 files (a.csv, b.csv)": zipped(**{"a.csv": CSV, "b.csv": CSV}),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + bytes(100),
    "a web page": b"\n<!DOCTYPE html><html><body>Log in</body></html>",
    "a pointer of Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
    "an SPSS file": b"$FL2@(#) SPSS DATA FILE" + bytes(100),
    "a file of Weka (ARFF)": b"@RELATION iris\n@ATTRIBUTE a NUMERIC\n@DATA\n1\n",
    "binary data of an unknown kind": np.random.default_rng(0).integers(0, 256, 4000, dtype=np.uint8).tobytes(),
    "binary data of an unknown kind (it begins with 01 00 00 00": np.arange(1, 500, dtype=np.int32).tobytes(),
}


@pytest.mark.parametrize("name", ["t.csv", "t"])
@pytest.mark.parametrize("what", FOREIGN)
def test_other_kinds_are_refused_by_name_with_what_to_save_them_as(tmp_path, what, name):
    (tmp_path / name).write_bytes(FOREIGN[what])
    with pytest.raises(UserError) as error:
        prepared(tmp_path, reader="table", table=name)
    message = str(error.value)
    assert message.startswith(f"{name}: this is {what}")
    assert "CSV, TSV, Parquet" in error.value.allowed and error.value.hint


@pytest.mark.parametrize("kind", ["csv.gz", "csv.bz2", "csv.xz", "csv.zst", "feather", "orc", "dta", "csv.zip"])
def test_a_file_that_is_cut_short_is_refused(tmp_path, kind):
    (tmp_path / "t").write_bytes(READ[kind][: len(READ[kind]) * 2 // 3])
    with pytest.raises(UserError, match=r"t: (not a readable|a damaged) \w+ file"):
        prepared(tmp_path, reader="table", table="t")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_text_in_any_encoding_is_text(encoding):
    assert kind_of(CSV.decode().encode(encoding)[:600], "t") == "text"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("lines", [False, True])
@pytest.mark.parametrize("word", ["größe", "grosse"])
def test_json_is_read_in_any_encoding_and_a_doubtful_one_is_noted(tmp_path, encoding, lines, word):
    rows = [row | {"text": f"{word} {i}"} for i, row in enumerate(ROWS)]
    written = [json.dumps(row, ensure_ascii=False) for row in rows]
    text = "\n".join(written) if lines else "[" + ",".join(written) + "]"
    (tmp_path / "t.json").write_bytes(text.encode(encoding))
    for asked in ("auto", encoding):
        entry = complete({"reader": "table", "table": "t.json", "encoding": asked})
        listing = list_samples(entry, tmp_path)
        assert [opener(entry, tmp_path)("t.json", i) for i in range(24)] == [row["text"] for row in rows]
        doubtful = encoding == "cp1252" and asked == "auto" and word == "größe"
        assert ("were read as cp1252" in "".join(listing.facts["notes"])) == doubtful


def test_a_table_that_is_read_as_cp1252_says_so_and_the_hint_reads_it_right(tmp_path):
    text = "text,label\n" + "".join(f"образец номер {i},{'ab'[i % 2]}\n" for i in range(24))
    (tmp_path / "t.csv").write_bytes(text.encode("cp1251"))
    (note,) = list_samples({"reader": "table"}, tmp_path).facts["notes"]
    assert note.startswith("t.csv: its bytes are no UTF-8 and were read as cp1252")
    entry = complete({"reader": "table", "encoding": "cp1251"})
    assert not list_samples(entry, tmp_path).facts["notes"]
    assert opener(entry, tmp_path)("t.csv", 3) == "образец номер 3"


def test_json_that_is_no_table_and_a_broken_line_are_refused(tmp_path):
    for content, message in (
        (b"[]", "this JSON is no table"),
        (b'[[1, "a"]]', "this JSON is no table"),
        (b'{"a": "b"}\n{"a": \n', "line 2 is no JSON"),
    ):
        (tmp_path / "t.jsonl").write_bytes(content)
        with pytest.raises(UserError, match=message):
            prepared(tmp_path)


def test_json_keeps_lists_nulls_and_the_text_of_mixed_values(tmp_path):
    rows = [{"features": [i, i / 3], "label": [1, "1", None, True][i % 4]} for i in range(24)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = prepared(tmp_path)
    assert found.card["vector"]["width"] == 2
    assert found.targets["label"]["classes"] == ["1", "true"]
    assert found.card["counts"]["pool"] == 6


def test_an_excel_workbook_alone_in_a_folder_is_named(tmp_path):
    (tmp_path / "samples.xlsx").write_bytes(FOREIGN["an Excel workbook (.xlsx)"])
    with pytest.raises(UserError, match=r"nothing here looks like samples \(samples.xlsx\)"):
        prepared(tmp_path)
