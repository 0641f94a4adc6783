"""Files that a table names are found as people write them: without a suffix, beside the table, by an absolute path."""

import json

import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.data.readers import complete, opener
from tiny_data import encoded, pixels, prepared, write_lines


def images(root, *places):
    for number, place in enumerate(places):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(encoded(pixels(1000 + number), "JPEG" if place.endswith("jpg") else "PNG"))


def rows(names):
    return ["image,label", *(f"{name},{'ab'[i % 2]}" for i, name in enumerate(names))]


TABLE = {"table": "truth.csv", "columns": {"path": "image"}}
IDS = [f"SK_{i:03}" for i in range(12)]


@pytest.mark.parametrize("folder", ["", "images/", "a/b/c/"])
@pytest.mark.parametrize("suffix", [".jpg", ".PNG", ".tiff"])
def test_names_without_suffix_and_folder_are_found(tmp_path, folder, suffix):
    images(tmp_path, *(f"{folder}{name}{suffix}" for name in IDS))
    write_lines(tmp_path, *rows(IDS), name="truth.csv")
    for entry in (TABLE, {**TABLE, "modality": "image"}):
        found = prepared(tmp_path, **entry)
        assert found.frame["path"].tolist() == [f"{folder}{name}{suffix}" for name in IDS]
        assert found.frame["sample_id"].tolist() == found.frame["path"].tolist()
        assert any("12 of 12 files were found" in note for note in found.card["notes"])
    load = opener(complete(TABLE), tmp_path)
    assert all(load(row.path, -1, row.content_sha256).size for row in found.frame.itertuples())


def test_an_id_column_stays_the_id(tmp_path):
    images(tmp_path, *(f"x/{name}.png" for name in IDS))
    write_lines(tmp_path, *rows(IDS), name="truth.csv")
    assert (
        prepared(tmp_path, table="truth.csv", columns={"path": "image", "id": "image"}).frame["sample_id"].tolist()
        == IDS
    )


def test_dots_in_names_are_no_suffix(tmp_path):
    names = [f"S.{i}.v1" for i in range(12)]
    images(tmp_path, *(f"images/{name}.png" for name in names))
    write_lines(tmp_path, *rows(names), name="truth.csv")
    assert len(prepared(tmp_path, **TABLE).frame) == 12


@pytest.mark.parametrize("other", ["images/{}.png", "masks/{}.png"])
def test_names_of_several_files_are_asked_about_and_the_hint_works(tmp_path, other):
    images(tmp_path, *(f"images/{name}.jpg" for name in IDS), *(other.format(name) for name in IDS))
    write_lines(tmp_path, *rows(IDS), name="truth.csv")
    with pytest.raises(UserError, match="12 paths may mean several files") as error:
        prepared(tmp_path, **TABLE)
    assert f"'SK_000': images/SK_000.jpg or {other.format('SK_000')}" in str(error.value)
    assert "source: {path: .., files: [images/*]}" in str(error.value)
    pattern = "images/*.jpg" if other.startswith("images") else "images/*"
    found = prepared(tmp_path, source={"path": str(tmp_path), "files": [pattern]}, **TABLE)
    assert found.frame["path"].str.fullmatch(r"images/SK_\d+\.jpg").all()


def test_absolute_paths_inside_the_source_are_inside(tmp_path):
    images(tmp_path, *(f"real/images/{name}.jpg" for name in IDS))
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for root, written in (("real", "real"), ("link", "link"), ("link", "real")):
        write_lines(tmp_path / "real", *rows([tmp_path / written / f"images/{n}.jpg" for n in IDS]), name="truth.csv")
        found = prepared(tmp_path / root, **TABLE)
        assert found.frame["sample_id"].tolist() == [f"images/{name}.jpg" for name in IDS]
    images(tmp_path, "real2/x.png")
    write_lines(tmp_path / "real", *rows([tmp_path / "real2" / "x.png"]), name="truth.csv")
    with pytest.raises(UserError, match="1 paths that lead out"):
        prepared(tmp_path / "real", **TABLE)


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("names", ["{}.png", "{}"])
def test_tables_beside_the_images_of_every_split_are_read(tmp_path, suffix, names):
    for number, (split, count) in enumerate((("train", 12), ("validation", 4), ("test", 6))):
        (tmp_path / split).mkdir()
        lines = [{"file_name": names.format(f"{i:03}"), "label": "ab"[i % 2]} for i in range(count)]
        for i in range(count):
            (tmp_path / split / f"{i:03}.png").write_bytes(encoded(pixels(100 * number + i)))
        text = [json.dumps(line) for line in lines]
        if suffix == "csv":
            text = ["file_name,label", *(",".join(line.values()) for line in lines)]
        write_lines(tmp_path / split, *text, name=f"metadata.{suffix}")
        if suffix == "parquet":
            pd.DataFrame(lines).to_parquet(tmp_path / split / "metadata.parquet")
    tables = {split: f"{split}/metadata.{suffix}" for split in ("train", "validation", "test")}
    for entry in ({}, {"reader": "table"}, {"table": tables, "columns": {"path": "file_name"}}):
        found = prepared(tmp_path, **entry)
        assert found.card["counts"] == {"train": 12, "validation": 4, "test": 6}
        assert found.frame["sample_id"].str.match(r"(train|validation|test)/\d+\.png").all()
        assert found.card["split"]["how"] == "given"


def test_the_way_in_which_most_files_are_found_holds_for_all_rows_of_a_table(tmp_path):
    images(tmp_path, *(f"sub/{name}.png" for name in IDS), "SK_000.png", "other/SK_999.png")
    write_lines(tmp_path / "sub", *rows([f"{name}.png" for name in [*IDS, "SK_999"]]), name="truth.csv")
    found = prepared(tmp_path, table="sub/truth.csv", columns={"path": "image"}, on_bad="skip")
    assert found.frame["path"].tolist() == [f"sub/{name}.png" for name in IDS]
    assert [row["path"] for row in found.card["skipped"]] == ["SK_999.png"]  # no other file takes its place


def test_files_in_folders_called_like_splits_are_noted(tmp_path):
    names = [f"{split}/{i}.png" for split, n in (("train", 14), ("test", 6)) for i in range(n)]
    images(tmp_path, *names)
    write_lines(tmp_path, *rows(names), name="truth.csv")
    assert any("its files are in test, train" in note for note in prepared(tmp_path, **TABLE).card["notes"])


@pytest.mark.parametrize("suffix", ["", ".png"])
def test_files_below_a_tables_own_folder_go_before_those_of_the_same_name_elsewhere(tmp_path, suffix):
    images(tmp_path, *(f"{split}/images/{name}.png" for split in ("train", "test") for name in IDS), "other/SK_999.png")
    for split in ("train", "test"):
        names = [*IDS, "SK_999"] if split == "test" else IDS
        write_lines(tmp_path / split, *rows([name + suffix for name in names]), name="labels.csv")
    tables = {"train": "train/labels.csv", "test": "test/labels.csv"}
    found = prepared(tmp_path, table=tables, columns={"path": "image"}, on_bad="skip", modality="image")
    places = {f"{split}/images/{name}.png" for split in ("train", "test") for name in IDS}
    assert set(found.frame["path"]) == places
    assert (found.frame.loc[found.frame["path"].str.startswith("test/"), "split"] == "test").all()
    assert [row["path"] for row in found.card["skipped"]] == [f"SK_999{suffix}"]  # no other file takes its place


def test_values_that_are_no_file_names_are_said_to_be_and_the_hints_work(tmp_path):
    images(tmp_path, *(f"img/{i:03}.png" for i in range(12)))
    write_lines(tmp_path, *rows(range(12)), name="truth.csv")
    with pytest.raises(UserError, match="are no file names with a suffix, such as '0'") as error:
        prepared(tmp_path, **TABLE)
    assert "write the files' names" in error.value.hint and "`modality: image`" in error.value.hint
    write_lines(tmp_path, *rows([f"{i:03}.png" for i in range(12)]), name="named.csv")
    assert len(prepared(tmp_path, table="named.csv", columns={"path": "image"}).frame) == 12
    for i in range(12):
        (tmp_path / "img" / f"{i:03}.png").rename(tmp_path / f"{i}")
    assert len(prepared(tmp_path, modality="image", **TABLE).frame) == 12


@pytest.mark.parametrize("way", ["suffix", "name", "some"])
def test_files_whose_names_differ_in_capitals_alone_are_found_and_noted(tmp_path, way):
    change = {
        "suffix": lambda i: f"images/sk_{i}.PNG",
        "name": lambda i: f"Images/SK_{i}.png",
        "some": lambda i: f"images/sk_{i}.{'PNG' if i % 2 else 'png'}",
    }[way]
    images(tmp_path, *map(change, range(12)))
    write_lines(tmp_path, *rows([f"images/sk_{i}.png" for i in range(12)]), name="truth.csv")
    found = prepared(tmp_path, **TABLE)
    assert sorted(found.frame["path"]) == sorted(map(change, range(12)))
    (note,) = found.card["notes"]
    assert f"{6 if way == 'some' else 12} of 12 files were found" in note


def test_two_files_that_differ_in_capitals_alone_are_asked_about(tmp_path):
    images(tmp_path, *(f"{name}.{suffix}" for name in IDS for suffix in ("PNG", "Png")))
    write_lines(tmp_path, *rows([f"{name}.png" for name in IDS]), name="truth.csv")
    with pytest.raises(UserError, match="12 paths may mean several files"):
        prepared(tmp_path, **TABLE)


@pytest.mark.parametrize("names", ["train.csv test.csv", "labels_train.csv labels_test.csv", "a.csv b.csv"])
@pytest.mark.parametrize("folders", ["train test", "images/training images/testing"])
def test_tables_of_splits_name_the_files_in_the_folders_of_these_splits(tmp_path, names, folders):
    places = [f"{folder}/{i}.png" for folder in folders.split() for i in range(12)]
    images(tmp_path, *places)
    for table in names.split():
        write_lines(tmp_path, *rows([f"{i}.png" for i in range(12)]), name=table)
    tables = dict(zip(("train", "test"), names.split(), strict=True))
    found = prepared(tmp_path, table=tables, columns={"path": "image"}).frame
    assert sorted(found["path"]) == sorted(places)
    assert (found["split"] == "test").equals(found["path"].str.contains("test"))
