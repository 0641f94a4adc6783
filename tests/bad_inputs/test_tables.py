"""Bad tables: each ends in one message that says what is wrong, where, what is allowed, for all rows at once."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.common.errors import UserError
from graft.data.listing.rows import inside
from graft.data.readers import list_samples
from tiny_data import encoded, image_folder, pixels, prepared, text_table, write_lines

TEXT = {"table": "t.csv", "columns": {"text": "text", "id": "id"}}


def refusal(root, **entry):
    with pytest.raises(UserError) as error:
        prepared(root, **entry)
    return str(error.value)


def rows(count=12, classes="ab"):
    return [f"s{i},text {i},{classes[i % len(classes)]}" for i in range(count)]


def test_missing_columns_are_all_named_with_the_closest_ones(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows())
    message = refusal(
        tmp_path,
        table="t.csv",
        columns={"text": "txt", "group": "patient"},
        targets={"labels": {}},
        keep={"site": "a"},
    )
    for name in ("'txt'", "'patient'", "'labels'", "'site'"):
        assert f"no column {name}" in message
    assert "did you mean 'label'" in message
    assert "id, text, label" in message


def test_missing_feature_columns_are_named(tmp_path):
    write_lines(tmp_path, "wave_1,label", "1,a", "2,b")
    assert "no column fits features 'wav_*'" in refusal(tmp_path, table="t.csv", columns={"features": "wav_*"})


def test_a_missing_table_is_named_with_the_closest_one(tmp_path):
    text_table(tmp_path, name="labels.csv")
    message = refusal(tmp_path, table="label.csv")
    assert "table label.csv: no such file" in message
    assert "did you mean 'labels.csv'" in message


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"id,text,label\n", b"id,text,label"])
def test_an_empty_table_is_refused(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    message = refusal(tmp_path, **TEXT)
    assert "t.csv: the table " in message
    assert "a header row and at least one row of data" in message


def test_an_empty_parquet_file_is_refused(tmp_path):
    (tmp_path / "t.parquet").touch()
    assert "t.parquet: the table is empty" in refusal(tmp_path, table="t.parquet")


def test_a_path_with_a_nul_is_refused(tmp_path):
    with pytest.raises(UserError, match="a path with a NUL"):
        inside(tmp_path, "a\0b")


def test_ragged_rows_are_named_by_their_lines(tmp_path):
    write_lines(tmp_path, "id,text,label", "s0,one,a", "s1,two", "s2,three,b", "s3,fo,ur,a")
    message = refusal(tmp_path, **TEXT)
    assert "2 rows do not have the 3 fields" in message
    assert "line 3: 2 fields; line 5: 4 fields" in message


def test_a_quote_that_is_not_closed_is_refused(tmp_path):
    write_lines(tmp_path, "id,text,label", 's0,"one,a', *rows())
    assert "t.csv: " in refusal(tmp_path, **TEXT)


def test_repeated_column_names_are_refused(tmp_path):
    write_lines(tmp_path, "id,text,label,label", "s0,one,a,b")
    assert "columns with the same name: label" in refusal(tmp_path, **TEXT)


def test_a_wrong_encoding_is_told_by_its_line(tmp_path):
    write_lines(tmp_path, "id,text,label", "s0,größe,a", encoding="latin-1")
    message = refusal(tmp_path, encoding="utf-8", **TEXT)
    assert "line 2" in message
    assert "encoding: latin-1" in message
    assert "no encoding is called 'utf-88'" in refusal(tmp_path, encoding="utf-88", **TEXT)


def test_a_separator_that_cannot_be_told_is_asked_for(tmp_path):
    write_lines(tmp_path, "one;two,three", "a;b", "c,d;e;f")
    assert "it is unclear what separates the columns" in refusal(tmp_path, table="t.csv")


def test_missing_files_are_named_with_their_rows(tmp_path):
    image_folder(tmp_path)
    lines = [f"{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(6)]
    write_lines(tmp_path, "path,label", *lines, "cat/77.png,cat", "cat\\1.png,cat", ",dog")
    message = refusal(tmp_path, table="t.csv")
    assert "t.csv, row 13 (cat/77.png): no such file" in message
    assert "folders are separated by /" in message
    assert "t.csv, row 15: no file is named" in message
    skipped = prepared(tmp_path, table="t.csv", on_bad="skip").card["skipped"]
    assert {row["path"] for row in skipped} == {"cat/77.png", "cat\\1.png", None}


def test_repeated_rows_are_named_with_their_labels(tmp_path):
    image_folder(tmp_path)
    lines = [f"{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(6)]
    write_lines(tmp_path, "path,label", *lines, "./cat/1.png,dog")
    message = refusal(tmp_path, table="t.csv")
    assert "the same file is in several rows (2 rows)" in message
    assert "t.csv, row 2 (cat/1.png), label = cat" in message
    assert "t.csv, row 13 (cat/1.png), label = dog" in message


def test_repeated_and_empty_ids_are_named(tmp_path):
    write_lines(tmp_path, "id,text,label", "7,one,a", "7,two,b", ",three,a", "07,four,b")
    message = refusal(tmp_path, **TEXT)
    assert "the same id is in several rows (2 rows)" in message
    assert "'7': t.csv, row 1" in message
    assert "1 rows without an id" in message
    assert "'07'" not in message


def test_ids_that_repeat_between_tables_are_named(tmp_path):
    for name in ("train.csv", "test.csv"):
        write_lines(tmp_path, "id,text,label", *rows(), name=name)
    message = refusal(tmp_path, table={"train": "train.csv", "test": "test.csv"}, columns=TEXT["columns"])
    assert "'s0': train.csv, row 1" in message
    assert "'s0': test.csv, row 1" in message


def test_words_for_missing_labels_make_pool_rows_and_others_are_labels(tmp_path):
    words = ["NA", "NaN", "null", "None", "", "  ", " NA "]
    lines = [f"p{i},pool {i},{word}" for i, word in enumerate(words)]
    lines += [f"s{i},text {i},{word}" for i, word in enumerate(["001", "1", "True", " x ", "x", "nothing"] * 6)]
    write_lines(tmp_path, "id,text,label", *lines)
    found = prepared(tmp_path, **TEXT)
    assert set(found.frame.loc[found.frame["split"] == "pool", "sample_id"]) == {f"p{i}" for i in range(7)}
    assert found.targets["label"]["classes"] == ["001", "1", "True", "nothing", "x"]
    assert any("white space" in note for note in found.card["notes"])


def test_labels_of_pool_rows_are_hidden_and_unlabelled_rows_of_splits_are_pool(tmp_path):
    lines = [f"s{i},text {i},{'ab'[i % 2]},{['train', 'validation', 'test'][i // 2 % 3]}" for i in range(24)]
    write_lines(tmp_path, "id,text,label,part", *lines, "p1,pool,a,pool", "p2,lost,,test")
    found = prepared(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"})
    pool = found.frame[found.frame["split"] == "pool"]
    assert pool["sample_id"].tolist() == ["p1", "p2"]
    assert pool["label"].isna().all()
    assert len(found.card["notes"]) == 3
    assert "1 of 26 labels are missing: 1 empty" in found.card["notes"][0]


def test_a_labelled_row_without_a_split_is_named(tmp_path):
    write_lines(tmp_path, "id,text,label,part", "s1,one,a,train", "s2,two,b,", "s3,three,b,test")
    message = refusal(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"})
    assert "1 labelled rows have no split" in message
    assert "t.csv, row 2" in message


def test_one_class_only_and_no_label_at_all_are_refused(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(classes="a"))
    assert "all 12 labels are 'a'" in refusal(tmp_path, **TEXT)
    write_lines(tmp_path, "id,text,label", "s0,one,", "s1,two,NA")
    assert "no row is labelled" in refusal(tmp_path, **TEXT)


def test_a_class_that_only_the_test_rows_have_is_refused(tmp_path):
    lines = [f"s{i},text {i},{'ab'[i % 2]},{['train', 'validation', 'test'][i // 2 % 3]}" for i in range(24)]
    write_lines(tmp_path, "id,text,label,part", *lines, "s99,other,c,test")
    message = refusal(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"})
    assert "the train split has no row of class 'c' (1 rows in all)" in message


def test_a_given_class_that_no_row_has_is_refused(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows())
    targets = {"label": {"classes": ["a", "b", "c"]}}
    assert "no row of class 'c' (0 rows in all)" in refusal(tmp_path, targets=targets, **TEXT)


def test_labels_beyond_the_given_classes_are_named(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(classes="abc"))
    message = refusal(tmp_path, targets={"label": {"classes": ["a", "b"]}}, **TEXT)
    assert "4 labels are not among the classes" in message
    assert "'c' (4 rows, such as t.csv, row" in message


def test_a_class_with_one_row_goes_to_train_and_is_noted(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(40), "s99,rare,c")
    found = prepared(tmp_path, **TEXT)
    assert found.frame.loc[found.frame["label"] == "c", "split"].tolist() == ["train"]
    assert sum("no row of class 'c'" in note for note in found.card["notes"]) == 2


def test_a_growth_stable_split_without_a_class_says_so(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(200), "s99999,rare,c")
    message = refusal(tmp_path, split={"growth_stable": True, "validation": 0.2, "test": 0.2}, **TEXT)
    assert "split has no row of class 'c'" in message
    assert "another split_seed" in message


def test_too_few_rows_for_three_splits_are_refused(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(2))
    message = refusal(tmp_path, split={"validation": 0.1, "test": 0.1}, **TEXT)
    assert "the validation split is empty" in message
    assert "the test split is empty" in message


def test_a_group_in_two_given_splits_is_refused(tmp_path):
    lines = [f"s{i},text {i},{'ab'[i % 2]},{['train', 'validation', 'test'][i // 2 % 3]},g{i}" for i in range(24)]
    write_lines(tmp_path, "id,text,label,part,who", *lines, "s98,x,a,train,g0", "s99,y,b,test,g0")
    message = refusal(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part", "group": "who"})
    assert "'g0': test, train" in message


def test_values_that_are_no_numbers_are_all_named(tmp_path):
    write_lines(tmp_path, "id,text,y", "s0,a,1.5", "s1,b,high", 's2,c,"0,5"', "s3,d,inf", "s4,e,nan", "s5,f,")
    for target in ({"kind": "regression"}, {"threshold": 1.0}):
        message = refusal(tmp_path, targets={"y": target}, **TEXT)
        assert "2 values are no number" in message
        assert "t.csv, row 2: 'high'" in message
        assert "t.csv, row 3: '0,5'" in message
        assert "1 values are infinite" in message
        assert "decimals take a point" in message


def test_values_that_are_nan_are_missing(tmp_path):
    write_lines(tmp_path, "id,text,y", *(f"s{i},text {i},{i}" for i in range(20)), "p0,x,nan", "p1,y,NaN")
    found = prepared(tmp_path, targets={"y": {"kind": "regression"}}, **TEXT)
    assert found.card["counts"]["pool"] == 2


def test_missing_values_of_parquet_are_no_labels_with_white_space(tmp_path):
    values = [float(i) if i % 5 else None for i in range(20)]
    frame = pd.DataFrame({"id": range(20), "text": [f"text {i}" for i in range(20)], "y": values})
    frame.to_parquet(tmp_path / "t.parquet")
    found = prepared(tmp_path, targets={"y": {"kind": "regression"}}, **TEXT | {"table": "t.parquet"})
    assert found.card["counts"]["pool"] == 4 and not any("white space" in note for note in found.card["notes"])


def test_features_that_are_not_finite_are_named_by_row(tmp_path):
    lines = [f"{i},{i * 2},{'ab'[i % 2]}" for i in range(12)]
    write_lines(tmp_path, "f1,f2,label", *lines, "nan,1,a", "1,inf,a", "x,1,b", "1,,b", "1,1e39,a")
    message = refusal(tmp_path, table="t.csv", columns={"features": "f*"})
    assert "5 of 17 samples cannot be used" in message
    for row, feature in ((13, 1), (14, 2), (15, 1), (16, 2), (17, 2)):
        assert f"t.csv, row {row}: feature {feature} is missing, NaN, infinite" in message


def test_vectors_of_another_width_are_named(tmp_path):
    vectors = [[float(i), 1.0, 2.0] for i in range(12)] + [[1.0, 2.0], [], None]
    labels = [*("ab"[i % 2] for i in range(12)), "a", "b", "a"]
    pq.write_table(pa.table({"features": vectors, "label": labels}), tmp_path / "t.parquet")
    message = refusal(tmp_path, table="t.parquet")
    assert "t.parquet, row 13: 2 features, where most samples have 3" in message
    assert "t.parquet, row 14: a vector of width 0" in message
    assert "t.parquet, row 15: an empty cell" in message


def test_widths_that_differ_between_files_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=pixels(0, 20, 4, 1, np.float32), y=np.arange(20) % 2)
    np.savez(tmp_path / "b.npz", X=pixels(1, 8, 5, 1, np.float32), y=np.arange(8) % 2)
    message = refusal(tmp_path, table={"train": "a.npz", "test": "b.npz"})
    assert "b.npz, row 1: 5 features, where most samples have 4" in message


def test_arrays_of_objects_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.array([[1], [2, 3]], dtype=object), y=np.arange(2))
    message = refusal(tmp_path)
    assert "not a readable NumPy file" in message
    assert "not of Python objects" in message


def test_arrays_of_unequal_length_and_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=pixels(0, 20, 4, 1, np.float32), y=np.arange(19) % 2)
    assert "20 samples, but 19 values for targets.label" in refusal(tmp_path)
    message = refusal(tmp_path, columns={"group": "patients"}, targets={"kind": {"column": "kinds"}})
    assert "no array 'patients'" in message
    assert "no array 'kinds'" in message


@pytest.mark.parametrize("name", ["a.npz", "X.npy"])
def test_damaged_arrays_are_named(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK\x03\x04 nonsense")
    assert f"{name}: not a readable NumPy file" in refusal(tmp_path, table=name)


@pytest.mark.parametrize("path", ["../outside.png", "/etc/passwd", "cat/../../outside.png", "~/x.png", "C:\\x.png"])
@pytest.mark.parametrize("on_bad", ["error", "skip"])
def test_paths_that_lead_out_of_the_root_are_refused(tmp_path, path, on_bad):
    root = image_folder(tmp_path / "d")
    (tmp_path / "outside.png").write_bytes(encoded(pixels(0)))
    lines = [f"{label}/{i}.png,{label}" for label in ("cat", "dog") for i in range(6)]
    write_lines(root, "path,label", *lines, f"{path},cat")
    message = refusal(root, table="t.csv", on_bad=on_bad)
    assert "1 paths that lead out" in message
    assert "t.csv, row 13" in message


@pytest.mark.parametrize("table", ["../t.csv", "/etc/passwd", "out.csv"])
def test_tables_that_lead_out_of_the_root_are_refused(tmp_path, table):
    (tmp_path / "d").mkdir()
    write_lines(tmp_path, "id,text,label", *rows())
    (tmp_path / "d" / "out.csv").symlink_to(tmp_path / "t.csv")
    assert "leads out" in refusal(tmp_path / "d", table=table)


def good_parquet(path):
    pq.write_table(pa.table({"text": [f"text {i}" for i in range(12)], "label": ["a", "b"] * 6}), path)


def test_a_truncated_parquet_file_is_refused(tmp_path):
    good_parquet(tmp_path / "t.parquet")
    data = (tmp_path / "t.parquet").read_bytes()
    for damaged in (data[:-20], data[: len(data) // 2], b"no parquet at all", data[:8] + b"\xff" * 60 + data[68:]):
        (tmp_path / "t.parquet").write_bytes(damaged)
        message = refusal(tmp_path, table="t.parquet")
        assert message.startswith("t.parquet: ")


def test_nested_columns_are_refused_where_labels_or_ids_are_wanted(tmp_path):
    nested = pa.table({"text": ["a", "b"], "label": [["x"], ["y"]], "id": [{"k": 1}, {"k": 2}]})
    pq.write_table(nested, tmp_path / "t.parquet")
    assert "column 'label' holds list<" in refusal(tmp_path, table="t.parquet")
    message = refusal(
        tmp_path, table="t.parquet", columns={"id": "id", "text": "text"}, targets={"label": {"column": "text"}}
    )
    assert "column 'id' holds struct<" in message


def test_encoded_labels_and_huge_ids_of_parquet_keep_their_text(tmp_path):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(12)]})
    table = pa.Table.from_pandas(frame)
    table = table.append_column("label", pa.array(["x", "y"] * 6).dictionary_encode())
    table = table.append_column("u", pa.array([2**64 - 1 - i for i in range(12)], pa.uint64()))
    table = table.append_column("f", pa.array([1.0, 0.0] * 5 + [None, 1.0]))
    table = table.append_column("n", pa.array([1e10, 2.0] * 6).dictionary_encode())
    table = table.append_column("b", pa.array([True, False] * 6))
    pq.write_table(table, tmp_path / "t.parquet")
    targets = {"label": {}, "f": {}, "n": {}, "b": {}}
    frame = list_samples({"table": "t.parquet", "columns": {"id": "u"}, "targets": targets}, tmp_path).frame
    assert frame["sample_id"].tolist()[:2] == ["18446744073709551615", "18446744073709551614"]
    assert frame["label:label"].tolist()[:2] == ["x", "y"]
    assert frame["label:f"].tolist()[:2] == ["1", "0"]
    assert frame["label:n"].tolist()[:2] == ["10000000000", "2"]
    assert frame["label:b"].tolist()[:2] == ["true", "false"]


def test_nothing_left_by_keep_is_said(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows())
    assert "no row is left after `keep`" in refusal(tmp_path, keep={"label": "z*"}, **TEXT)


def test_a_hundred_thousand_rows_are_read(tmp_path):
    write_lines(tmp_path, "id,text,label", *rows(100_000, "abcde"))
    assert len(prepared(tmp_path, **TEXT).frame) == 100_000


def test_a_text_column_of_records_is_refused(tmp_path):
    rows = [{"id": i, "meta": {"text": f"text {i}"}, "label": "ab"[i % 2]} for i in range(12)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    said = refusal(tmp_path, table="t.json", columns={"text": "meta"})
    assert "the text column holds struct" in said


def test_ids_that_repeat_between_tables_can_be_left_out_as_the_hint_says(tmp_path):
    tables = {"train": "train.csv", "test": "test.csv"}
    for name, start in (("train.csv", 0), ("test.csv", 12)):
        write_lines(tmp_path, "id,text,label", *(f"{i},text {start + i},{'ab'[i % 2]}" for i in range(12)), name=name)
    assert "or leave `columns.id` out" in refusal(tmp_path, table=tables, columns=TEXT["columns"])
    found = prepared(tmp_path, table=tables, columns={"text": "text"})
    assert set(found.frame["sample_id"]) == {f"{name}#{i}" for name in tables.values() for i in range(12)}


@pytest.mark.parametrize("blank", [" ", "\t", "\u00a0"])
def test_blanks_around_ids_are_no_part_of_them(tmp_path, blank):
    table = {"text": [f"text {i}" for i in range(12)], "label": ["a", "b"] * 6}
    pq.write_table(pa.table({"id": [f"s{i}{blank * (i % 3)}" for i in range(12)], **table}), tmp_path / "t.parquet")
    entry = {"table": "t.parquet", "columns": TEXT["columns"]}
    assert set(prepared(tmp_path, **entry).frame["sample_id"]) == {f"s{i}" for i in range(12)}
    pq.write_table(
        pa.table({"id": [f"s{i // 2}{blank * (i % 2)}" for i in range(12)], **table}), tmp_path / "t.parquet"
    )
    assert "the same id is in several rows (12 rows)" in refusal(tmp_path, **entry)


@pytest.mark.parametrize("pattern", ["2020", "2020.0", "202[0]", ["2020", "2031"]])
def test_keep_takes_whole_numbers_however_they_are_written(tmp_path, pattern):
    years = ["2019", "2020", "2020.0", "", "2021.0"]
    lines = [f"{line},{years[i % 5]}" for i, line in enumerate(rows(40))]
    write_lines(tmp_path, "id,text,label,year", *lines)
    kept = set(prepared(tmp_path, keep={"year": pattern}, **TEXT).frame["sample_id"])
    wanted = {"2020.0"} if pattern == "2020.0" else {"2020", "2020.0"}
    assert kept == {f"s{i}" for i in range(40) if years[i % 5] in wanted}


def test_splits_without_train_are_named_as_such_and_the_hint_works(tmp_path):
    entry = {"table": "t.csv", "columns": {**TEXT["columns"], "split": "part"}}
    lines = [f"{line},{['test', 'val'][i // 2 % 2]}" for i, line in enumerate(rows(24))]
    write_lines(tmp_path, "id,text,label,part", *lines)
    assert "call the split of some labelled rows train" in refusal(tmp_path, **entry)
    write_lines(tmp_path, "id,text,label,part", *(line.replace("val", "train") for line in lines))
    assert prepared(tmp_path, **entry).card["counts"]["train"]


@pytest.mark.parametrize("word", ["pool", "unlabeled", "Unlabelled", "unsupervised"])
def test_rows_may_be_given_to_the_pool_alone(tmp_path, word):
    lines = [f"{line},{word if i % 4 == 0 else ''}" for i, line in enumerate(rows(40))]
    write_lines(tmp_path, "id,text,label,part", *lines)
    found = prepared(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"})
    assert found.card["counts"]["pool"] == 10 and found.card["split"]["how"] == "stratified"


def test_classes_in_another_case_get_a_hint_that_works(tmp_path):
    table = {"id": range(12), "text": [f"text {i}" for i in range(12)], "label": [i % 2 == 0 for i in range(12)]}
    pd.DataFrame(table).to_parquet(tmp_path / "t.parquet")
    entry = {"table": "t.parquet", "columns": TEXT["columns"]}
    message = refusal(tmp_path, targets={"label": {"classes": ["True", "False"]}}, **entry)
    assert "write them as the data do: classes: ['true', 'false']" in message
    found = prepared(tmp_path, targets={"label": {"classes": ["true", "false"]}}, **entry)
    assert found.targets["label"]["classes"] == ["true", "false"]
