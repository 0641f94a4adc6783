"""Readers find the same samples whatever the files' encoding, separator or container, and give their contents back."""

import hashlib
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.data.contents import digest_of_content
from graft.data.readers import complete, list_samples, opener, reader_of, root_of
from graft.data.tables.delimited import decode, read_delimited
from tiny_data import encoded, image_folder, pixels, prepared, text_table, write_lines

words = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0\ufeff"), min_size=1, max_size=12)
TEXT = {"columns": {"text": "text", "id": "id"}}


def contents(root, entry, frame):
    load = opener(entry, root)
    return [load(row.path, row.row, row.content_sha256) for row in frame.itertuples()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize(("name", "mark"), [("comma", ","), ("tab", "\t"), ("semicolon", ";"), ("pipe", "|")])
@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_encoding_separator_and_line_ends_are_found(encoding, name, mark, ending):
    rows = [["id", "text", "label"], ["001", "größe, weiß; ja", "a"], ["002", "x | y\tz", "b"], ["3", 'say "hi"', "a"]]
    lines = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in rows]
    table, facts = read_delimited((ending.join(lines) + ending).encode(encoding), "t.csv", wanted=("text", "label"))
    assert facts["separator"] == name
    assert [list(row.values()) for row in table.to_pylist()] == rows[1:]
    assert table.column_names == rows[0]


def test_columns_between_blanks_are_found_and_quotes_keep_their_blanks():
    data = b'img/a.png   1.0     mono\n"img/b c.png"\t0.33    poly\n'
    table, facts = read_delimited(data, "labels.csv", header=["path", "probability", "type"])
    assert facts["separator"] == "whitespace"
    assert table["path"].to_pylist() == ["img/a.png", "img/b c.png"]
    assert table["probability"].to_pylist() == ["1.0", "0.33"]


def test_sentences_do_not_make_blanks_the_separator():
    data = b"text,label\nthe cat sat,a\nno dogs here,b\n"
    assert read_delimited(data, "t.csv")[1]["separator"] == "comma"


def test_quoted_cells_may_hold_line_ends_and_quotes_inside_words_are_letters():
    table, _ = read_delimited(b'text,label\n"two\nlines",a\na 5" pipe,b\n', "t.csv")
    assert table["text"].to_pylist() == ["two\nlines", 'a 5" pipe']


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words, words), min_size=1, max_size=8), st.sampled_from([",", "\t", ";"]))
def test_any_quoted_text_survives(rows, mark):
    quoted = [mark.join('"' + cell.replace('"', '""') + '"' for cell in row) for row in [("one", "two"), *rows]]
    separator = {",": "comma", "\t": "tab", ";": "semicolon"}[mark]
    table, _ = read_delimited("\n".join(quoted).encode(), "t.csv", separator=separator, encoding="utf-8")
    assert list(zip(table["one"].to_pylist(), table["two"].to_pylist(), strict=True)) == rows


def test_lone_surrogates_in_utf8_are_replaced_and_the_rest_kept():
    assert decode(b"gr\xc3\xb6\xc3\x9fe \xed\xa0\x80!") == ("größe \ufffd!", "utf-8")


def test_ids_and_labels_keep_their_exact_text(tmp_path):
    write_lines(tmp_path, "id,text,label", "001,one,01", "1,two,1", "1e3,three,01", "9223372036854775808000,four,1")
    found = list_samples({"table": "t.csv", **TEXT}, tmp_path).frame
    assert found["sample_id"].tolist() == ["001", "1", "1e3", "9223372036854775808000"]
    assert found["label:label"].tolist() == ["01", "1", "01", "1"]


def test_without_an_id_column_the_path_or_the_row_is_the_name(tmp_path):
    write_lines(tmp_path, "text,label", "one,a", "two,b")
    assert list_samples({"table": "t.csv"}, tmp_path).frame["sample_id"].tolist() == ["t.csv#0", "t.csv#1"]
    write_lines(tmp_path, "path,label", "./a//1.png,a", "b/2.png,b", name="p.csv")
    assert list_samples({"table": "p.csv"}, tmp_path).frame["sample_id"].tolist() == ["a/1.png", "b/2.png"]


def test_rows_after_the_header_are_skipped_and_kept_rows_chosen_by_pattern(tmp_path):
    write_lines(
        tmp_path, "Category\tText", "d\tstring", "class\t", "", "sci.med\tone", "rec.autos\ttwo", "sci.space\tthree"
    )
    entry = {
        "table": "t.csv",
        "separator": "tab",
        "skip_rows": 2,
        "keep": {"Category": "sci.*"},
        "columns": {"text": "Text"},
        "targets": {"topic": {"column": "Category"}},
    }
    frame = list_samples(entry, tmp_path).frame
    assert frame["label:topic"].tolist() == ["sci.med", "sci.space"]
    assert frame["row"].tolist() == [0, 2]
    assert [opener(entry, tmp_path)(row.path, row.row) for row in frame.itertuples()] == ["one", "three"]


def test_several_targets_and_one_table_per_split(tmp_path):
    write_lines(tmp_path, "text,coarse,value", *(f"train {i},{'ab'[i % 2]},{i}" for i in range(8)), name="train.csv")
    write_lines(tmp_path, "text,coarse,value", *(f"test {i},{'ab'[i % 2]},{i}" for i in range(4)), name="test.csv")
    targets = {"coarse": {}, "value": {"kind": "regression"}, "high": {"column": "value", "threshold": 3.5}}
    for table in ({"train": "train.csv", "test": "test.csv"}, None):
        found = prepared(tmp_path, table=table, reader="table", targets=targets)
        assert found.card["counts"]["test"] == 4
        assert found.frame.loc[found.frame["split"] == "test", "path"].eq("test.csv").all()
        assert found.targets["high"]["classes"] == ["low", "high"]
        assert found.frame["value"].dtype == np.float64


def test_a_whole_number_is_one_group_and_one_class_in_every_table_with_and_without_a_point(tmp_path):
    rows = [(f"text {i}", i % 2, i // 4) for i in range(120)]
    write_lines(tmp_path, "text,label,who", *(f"{t},{y},{who}" for t, y, who in rows[:82]), name="train.csv")
    write_lines(tmp_path, "text,label,who", *(f"{t},{y}.0,{who}.0" for t, y, who in rows[82:]), "x,,", name="test.csv")
    entry = {"table": {"train": "train.csv", "test": "test.csv"}, "columns": {"text": "text", "group": "who"}}
    with pytest.raises(UserError, match="1 groups are in several splits:\\s+'20': test, train"):
        prepared(tmp_path, **entry)
    del entry["columns"]["group"]
    assert prepared(tmp_path, **entry).targets["label"]["classes"] == ["0", "1"]
    targets = {"label": {"classes": ["1.0", "0"]}}
    assert set(prepared(tmp_path, targets=targets, **entry).frame["label"].dropna()) == {"1.0", "0"}


def test_words_and_fractions_among_groups_and_classes_keep_their_spelling(tmp_path):
    who = ["1", "1.0", *"abcdefgh"]
    lines = [f"text {i},{['1.0', '2.0', '2.5'][i % 3]},{who[i % 10]}" for i in range(60)]
    write_lines(tmp_path, "text,label,who", *lines)
    found = prepared(tmp_path, table="t.csv", columns={"text": "text", "group": "who"})
    assert found.targets["label"]["classes"] == ["1.0", "2.0", "2.5"] and set(found.frame["group"]) == {*who}


def test_a_given_split_column_is_followed(tmp_path):
    lines = [f"{i},text {i},{'ab'[i % 2]},{['train', 'val', 'test', 'pool'][i // 2 % 4]}" for i in range(24)]
    write_lines(tmp_path, "id,text,label,part", *lines)
    found = prepared(tmp_path, table="t.csv", columns={"id": "id", "text": "text", "split": "part"})
    assert found.card["counts"] == {"train": 6, "validation": 6, "test": 6, "pool": 6}
    assert found.frame.loc[found.frame["split"] == "pool", "label"].isna().all()


def parquet_images(path, rows=12):
    images = [{"bytes": encoded(pixels(i)), "path": f"{i}.png"} for i in range(rows)]
    labels = pa.array([i % 3 for i in range(rows)], pa.int64())
    table = pa.table({"image": images, "label": labels})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["zebra", "ant", "cow"]}}
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=5)


def test_images_inside_a_parquet_file_are_read(tmp_path):
    parquet_images(tmp_path / "t.parquet")
    entry = {"table": "t.parquet", "columns": {"path": "image"}}
    found = prepared(tmp_path, **entry)
    assert found.card["modality"] == "image"
    for image, row in zip(contents(tmp_path, entry, found.frame), found.frame["row"], strict=True):
        assert (image == pixels(row)).all()


def test_hub_snapshots_give_splits_by_file_and_classes_by_name(tmp_path):
    (tmp_path / "data").mkdir()
    parquet_images(tmp_path / "data" / "train-00000-of-00001.parquet")
    table = pq.read_table(tmp_path / "data" / "train-00000-of-00001.parquet")
    images = [{"bytes": encoded(pixels(100 + i)), "path": None} for i in range(6)]
    pq.write_table(
        table.slice(0, 6).set_column(0, "image", pa.array(images)),
        tmp_path / "data" / "test-00000-of-00001-0a1b2c3d.parquet",
    )
    found = prepared(tmp_path, source={"huggingface": "a/b"})
    assert found.card["reader"] == "hub"
    assert found.targets["label"]["classes"] == ["ant", "cow", "zebra"]
    assert found.card["counts"]["test"] == 6
    assert contents(tmp_path, {}, found.frame)[0].shape == (12, 16, 3)


def test_unlabelled_hub_rows_are_the_pool(tmp_path):
    (tmp_path / "data").mkdir()
    parquet_images(tmp_path / "data" / "train.parquet")
    table = pq.read_table(tmp_path / "data" / "train.parquet")
    labels = pa.array([-1 if i < 3 else i % 3 for i in range(12)], pa.int64())
    pq.write_table(table.set_column(1, "label", labels), tmp_path / "data" / "train.parquet")
    assert prepared(tmp_path).card["counts"]["pool"] == 3


def test_folders_of_the_datasets_library_are_read(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["no", "yes"])})

    def made(start, rows):
        columns = {"text": [f"text {start + i}" for i in range(rows)], "label": [i % 2 for i in range(rows)]}
        return datasets.Dataset.from_dict(columns, features=features)

    datasets.DatasetDict({"train": made(0, 20), "test": made(100, 6)}).save_to_disk(tmp_path / "d")
    found = prepared(tmp_path / "d")
    assert found.card["reader"] == "hub"
    assert found.targets["label"]["classes"] == ["no", "yes"]
    assert found.card["counts"]["test"] == 6
    assert sorted(contents(tmp_path / "d", {}, found.frame))[0] == "text 0"


@pytest.mark.parametrize("kind", ["npz", "npy", "csv labels", "parquet list", "parquet columns", "csv"])
def test_vectors_are_read_from_every_container(tmp_path, kind):
    values = pixels(0, 20, 5, 1, np.float32)
    labels = np.array(["a", "b"] * 10)
    entry = {}
    if kind == "npz":
        np.savez(tmp_path / "d.npz", X=values, y=labels, ids=np.arange(20))
    elif kind == "npy":
        np.save(tmp_path / "X.npy", values.astype(np.float64))
        np.save(tmp_path / "y.npy", np.arange(20) % 2)
    elif kind == "csv labels":
        np.save(tmp_path / "emb.npy", values)
        write_lines(tmp_path, "name,kind", *(f"n{i},{labels[i]}" for i in range(20)), name="labels.csv")
        entry = {
            "reader": "arrays",
            "columns": {"features": "emb.npy", "id": "name"},
            "targets": {"kind": {"column": "kind"}},
        }
    elif kind == "parquet list":
        pq.write_table(pa.table({"features": list(values), "label": labels}), tmp_path / "d.parquet")
    else:
        frame = pd.DataFrame({f"f{i}": values[:, i] for i in range(5)}).assign(label=labels)
        frame.to_csv(tmp_path / "d.csv") if kind == "csv" else frame.to_parquet(tmp_path / "d.parquet")
        entry = {"columns": {"features": "f*"}}
    found = prepared(tmp_path, **entry)
    assert found.card["modality"] == "vector"
    assert found.card["vector"] == {"width": 5}
    for vector, row in zip(contents(tmp_path, entry, found.frame), found.frame["row"], strict=True):
        assert vector.dtype == np.float32
        assert np.allclose(vector, values[row], atol=1e-6)


def test_the_same_vectors_have_the_same_hash_in_every_container(tmp_path):
    values = pixels(0, 20, 5, 1, np.float32)
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        if name == "one":
            np.savez(tmp_path / name / "d.npz", X=values.astype(">f8"), y=np.arange(20) % 2)
        else:
            pq.write_table(
                pa.table({"features": list(values), "label": np.arange(20) % 2}), tmp_path / name / "d.parquet"
            )
        hashes.append(prepared(tmp_path / name).frame["content_sha256"].tolist())
    assert sorted(hashes[0]) == sorted(hashes[1])


def test_zero_and_minus_zero_are_one_content_and_other_vectors_keep_their_hash():
    digests = {digest_of_content(np.array([zero, 1.5], kind), "vector") for zero in (0.0, -0.0) for kind in "fd"}
    assert digests == {hashlib.sha256(np.array([0, 1.5], "<f4").tobytes()).hexdigest()}


def test_images_in_numpy_arrays_are_read(tmp_path):
    images = np.stack([pixels(i, 8, 8, 1) for i in range(20)])
    np.savez(tmp_path / "d.npz", images=images, labels=np.arange(20) % 2)
    found = prepared(tmp_path)
    assert found.card["image"]["dtype"] == "uint8"
    for image, row in zip(contents(tmp_path, {}, found.frame), found.frame["row"], strict=True):
        assert (image.squeeze() == images[row]).all()


def test_arrays_of_groups_and_splits_are_followed(tmp_path):
    splits = np.array(["train"] * 12 + ["validation"] * 4 + ["test"] * 4)
    np.savez(
        tmp_path / "d.npz", X=pixels(0, 20, 3, 1, np.float32), y=np.arange(20) % 2, splits=splits, groups=np.arange(20)
    )
    found = prepared(tmp_path)
    assert found.card["counts"] == {"train": 12, "validation": 4, "test": 4}
    assert set(found.frame["group"]) == {str(i) for i in range(20)}


def test_folders_below_split_folders_are_classes_and_loose_files_the_pool(tmp_path):
    for split in ("Train", "val", "test"):
        for label in ("x", "y"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(4):
                data = encoded(pixels(int.from_bytes(f"{split}{label}{i}".encode(), "little")))
                (tmp_path / split / label / f"{i}.PNG").write_bytes(data)
    (tmp_path / "loose.png").write_bytes(encoded(pixels(3)))
    (tmp_path / "pool" / "deep").mkdir(parents=True)
    (tmp_path / "pool" / "deep" / "p.png").write_bytes(encoded(pixels(4)))
    found = prepared(tmp_path)
    assert found.card["counts"] == {"train": 8, "validation": 8, "test": 8, "pool": 2}
    assert found.targets["label"]["classes"] == ["x", "y"]


def test_a_class_may_be_called_like_a_split(tmp_path):
    image_folder(tmp_path, classes=("train", "bus", "car"))
    assert prepared(tmp_path).targets["label"]["classes"] == ["bus", "car", "train"]


def test_nested_folders_belong_to_the_first_one(tmp_path):
    image_folder(tmp_path)
    (tmp_path / "cat" / "indoor" / "day").mkdir(parents=True)
    (tmp_path / "cat" / "indoor" / "day" / "n.png").write_bytes(encoded(pixels(50)))
    frame = prepared(tmp_path).frame
    assert frame.loc[frame["path"] == "cat/indoor/day/n.png", "label"].tolist() == ["cat"]


def test_folders_say_which_level_is_group_label_and_split(tmp_path):
    for number, place in enumerate(
        ("site-1/cat", "site-1/dog", "site-2/cat", "site-2/dog", "site-3/cat", "site-3/dog")
    ):
        for i in range(3):
            (tmp_path / place).mkdir(parents=True, exist_ok=True)
            (tmp_path / place / f"{i}.png").write_bytes(encoded(pixels(10 * number + i)))
    (tmp_path / "site-2" / "loose.png").write_bytes(encoded(pixels(99)))
    frame = prepared(tmp_path, folders=["group", "label"]).frame.set_index("path")
    assert frame.loc["site-2/dog/0.png", ["group", "label"]].tolist() == ["site-2", "dog"]
    assert frame.loc["site-2/loose.png", "split"] == "pool"
    assert (frame[frame["split"] != "pool"].groupby("group")["split"].nunique() == 1).all()
    splits = {"site-1": "train", "site-2": "val", "site-3": "Test"}
    for site, split in splits.items():
        (tmp_path / site).rename(tmp_path / split)
    frame = prepared(tmp_path, folders=["split", "label"]).frame.set_index("path")
    assert frame.loc["val/dog/0.png", "split"] == "validation" and frame.loc["Test/cat/1.png", "split"] == "test"
    with pytest.raises(UserError, match="name no split"):
        prepared(tmp_path, folders=["label", "split"])


def test_text_files_and_vector_files_in_folders_are_read(tmp_path):
    for label in ("a", "b"):
        (tmp_path / "t" / label).mkdir(parents=True)
        (tmp_path / "v" / label).mkdir(parents=True)
        for i in range(6):
            (tmp_path / "t" / label / f"{i}.txt").write_bytes(f"naïve {label} {i}".encode("cp1252"))
            np.save(tmp_path / "v" / label / f"{i}.npy", np.array([i, ord(label)], np.float64))
    texts = prepared(tmp_path / "t")
    assert "naïve a 0" in contents(tmp_path / "t", {}, texts.frame)
    vectors = prepared(tmp_path / "v", modality="vector")
    assert contents(tmp_path / "v", {"modality": "vector"}, vectors.frame)[0].tolist() == [0, 97]


def test_what_cannot_be_told_is_asked(tmp_path):
    image_folder(tmp_path)
    (tmp_path / "cat" / "a.txt").write_text("x")
    with pytest.raises(UserError, match="it is unclear what a sample is"):
        prepared(tmp_path)
    assert len(prepared(tmp_path, modality="image").frame) == 12
    (tmp_path / "two.csv").write_text("text,label\n")
    with pytest.raises(UserError, match="folder and table would all fit"):
        reader_of(complete({}), tmp_path)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UserError, match="nothing here looks like samples"):
        reader_of(complete({}), tmp_path / "nothing")


def test_a_table_with_two_contents_is_asked_about(tmp_path):
    write_lines(tmp_path, "path,text,label", "a.png,one,a", "b.png,two,b")
    with pytest.raises(UserError, match="it is unclear which column holds the samples"):
        prepared(tmp_path, table="t.csv")
    assert list_samples({"table": "t.csv", "modality": "text"}, tmp_path).facts["modality"] == "text"


def test_the_root_stands_in_dataset_json(tmp_path):
    (tmp_path / "dataset.json").write_text('{"root": "root"}')
    assert root_of(tmp_path / "dataset.json") == tmp_path / "root"
    (tmp_path / "dataset.json").write_text('{"root": "/data/mine"}')
    assert str(root_of(tmp_path / "dataset.json")) == "/data/mine"


def test_the_readers_defaults_are_those_of_the_configs_schema():
    from graft.config import load

    full = load({"datasets": {"d": {"source": {"path": "x"}}}})["datasets"]["d"]
    for key, value in complete({}).items():
        if key not in ("source", "columns", "split", "targets"):  # these have defaults inside
            assert full[key] == value, key
    assert (full["split"]["validation"], full["split"]["test"]) == (0.15, 0.2)
    assert list(full["targets"]) == ["label"]


def test_contents_can_be_read_from_many_threads(tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    parquet_images(tmp_path / "t.parquet", rows=40)
    load = opener({"table": "t.parquet", "columns": {"path": "image"}}, tmp_path)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: load("t.parquet", row), list(range(40)) * 5))
    assert all((image == pixels(i % 40)).all() for i, image in enumerate(found))


def test_a_changed_table_is_noticed_row_by_row(tmp_path):
    entry = text_table(tmp_path)
    frame = prepared(tmp_path, **entry).frame
    contents(tmp_path, entry, frame)
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text().replace("number 3", "number three"))
    with pytest.raises(UserError, match="t.csv, row 4: changed since prepare_data"):
        contents(tmp_path, entry, frame)
