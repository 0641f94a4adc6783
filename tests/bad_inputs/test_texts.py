"""Odd texts: empty ones are bad samples, broken characters are replaced and counted, everything else is kept."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.common.errors import UserError
from graft.data.readers import opener
from tiny_data import prepared, write_lines

ENTRY = {"table": "t.csv", "columns": {"text": "text", "id": "id"}}


def rows(count=12):
    return [f"s{i},text {i},{'ab'[i % 2]}" for i in range(count)]


def text_of(root, entry, found, name):
    row = found.frame[found.frame["sample_id"] == name].iloc[0]
    return opener(entry, root)(row.path, row.row, row.content_sha256)


def test_empty_texts_are_named_and_can_be_skipped(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(), "e1,,a", 'e2,"  \t ",b', "e3,\u3000,a")
    with pytest.raises(UserError) as error:
        prepared(tmp_path, **ENTRY)
    for row in (13, 14, 15):
        assert f"t.csv, row {row}: the text is empty" in str(error.value)
    assert len(prepared(tmp_path, on_bad="skip", **ENTRY).card["skipped"]) == 3


def test_nul_bytes_and_lone_surrogates_are_replaced_and_counted(tmp_path):
    lines = "\n".join(["id,text,label", *rows(), ""]).encode()
    (tmp_path / "t.csv").write_bytes(lines + b"n1,nul\0byte,a\nn2,half \xed\xa0\x80 pair,b\n")
    found = prepared(tmp_path, **ENTRY)
    assert text_of(tmp_path, ENTRY, found, "n1") == "nul\ufffdbyte"
    assert text_of(tmp_path, ENTRY, found, "n2") == "half \ufffd pair"
    assert found.card["text"]["texts_with_replaced_characters"] == 2


def test_strings_of_parquet_that_are_no_utf8_are_understood(tmp_path):
    raw = pa.array([*(f"text {i}".encode() for i in range(12)), b"gr\xfc\xdfe"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), len(raw), raw.buffers())
    labels = [*"ab" * 6, "a"]
    ids = [f"s{i}" for i in range(13)]
    pq.write_table(pa.table({"id": ids, "text": broken, "label": labels}), tmp_path / "t.parquet")
    entry = {**ENTRY, "table": "t.parquet"}
    assert text_of(tmp_path, entry, prepared(tmp_path, **entry), "s12") == "grüße"


@pytest.mark.parametrize(
    "text",
    ["x" * 1_000_000, "word " * 250_000, "שלום עולם", "[SEP] [CLS] <s> </s>", "a\u200bb\u202e", "🧪" * 10, "  kept  "],
)
def test_long_and_odd_texts_come_back_as_they_are(tmp_path, text):
    write_lines(tmp_path, "id,text,label", *rows(), f'odd,"{text}",a')
    found = prepared(tmp_path, **ENTRY)
    assert text_of(tmp_path, ENTRY, found, "odd") == text
    assert found.card["text"]["characters_longest"] >= len(text)


def test_a_text_file_that_is_empty_is_named(tmp_path):
    for label in "ab":
        (tmp_path / label).mkdir()
        for i in range(6):
            (tmp_path / label / f"{i}.txt").write_text(f"{label} {i}")
    (tmp_path / "a" / "none.txt").write_text(" \n")
    with pytest.raises(UserError, match="a/none.txt: the text is empty"):
        prepared(tmp_path)


def test_a_text_in_two_splits_and_with_two_labels_is_refused(tmp_path):
    for name, lines in {
        "train.csv": ["same words,a", "twice,a", "twice,b", *(f"train {i},{'ab'[i % 2]}" for i in range(12))],
        "test.csv": ["same words,a", *(f"test {i},{'ab'[i % 2]}" for i in range(6))],
    }.items():
        write_lines(tmp_path, "text,label", *lines, name=name)
    entry = {"table": {"train": "train.csv", "test": "test.csv"}}
    with pytest.raises(UserError) as error:
        prepared(tmp_path, **entry)
    assert "2 contents are in several splits or have two labels" in str(error.value)
    assert "two labels: train.csv, row 2 [" in str(error.value)
    assert "several splits: test.csv, row 1 [test], train.csv, row 1 [" in str(error.value)
    kept = set(prepared(tmp_path, duplicates="drop", **entry).frame["sample_id"])
    assert "test.csv#0" in kept
    assert not {"train.csv#0", "train.csv#1", "train.csv#2"} & kept


def test_of_a_text_in_several_splits_the_test_row_stays_then_that_of_validation(tmp_path):
    lines = [f"s{i},text {i},{'ab'[i % 2]},{['train', 'validation', 'test'][i // 2 % 3]}" for i in range(24)]
    copies = ["a1,same,a,train", "a2,same,a,validation", "z1,same,a,test", "b1,other,b,train", "y1,other,b,validation"]
    write_lines(tmp_path, "id,text,label,part", *lines, *copies)
    entry = {"table": "t.csv", "columns": {**ENTRY["columns"], "split": "part"}}
    kept = set(prepared(tmp_path, duplicates="drop", **entry).frame["sample_id"])
    assert kept & {"a1", "a2", "z1", "b1", "y1"} == {"z1", "y1"}


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("word", ["plain", "größe"])
def test_text_files_in_utf_16_are_read_with_and_without_a_mark(tmp_path, encoding, word):
    for i in range(12):
        path = tmp_path / "ab"[i % 2] / f"{i}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(f"{word} text {i}".encode(encoding))
    found = prepared(tmp_path)
    for row in found.frame.itertuples():
        number = row.path.split("/")[1].removesuffix(".txt")
        assert opener({}, tmp_path)(row.path, row.row) == f"{word} text {number}"


@pytest.mark.parametrize("text", ["ab\0c", "a\0b", "\0\0", "one\0two\0three"])
def test_single_nuls_make_no_utf_16(tmp_path, text):
    rows = [text if i == 3 else f"text {i}" for i in range(12)]
    table = pa.table({"text": pa.array([row.encode() for row in rows]).cast(pa.string()), "label": ["a", "b"] * 6})
    pq.write_table(table, tmp_path / "t.parquet")
    assert opener({"reader": "table"}, tmp_path)("t.parquet", 3) == text.replace("\0", "\ufffd")
