"""What `make new` says of the data is true, and doing what a hint or note says works."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from graft.common.errors import UserError
from graft.config import load
from graft.data.prepare import prepare
from new_config import main
from new_configs import SENTENCE, WAVES, images, new, table, vectors

RANDOM = np.random.default_rng(0)


def test_classes_too_small_for_three_splits_are_left_out(tmp_path, monkeypatch):
    labels = ["a"] * 30 + ["b"] * 30 + ["c", "d", "d"]
    rows = [[*row, label] for row, label in zip(vectors(63), labels, strict=True)]
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows)
    entry, seen, said, _ = new(path, monkeypatch, tmp_path)
    assert entry["targets"]["label"]["min_per_class"] == 3 and seen.targets["label"]["classes"] == ["a", "b"]
    assert "2 classes: a 30, b 30" in said and "3 classes" not in said


def test_a_refused_class_is_left_out_as_the_hint_says(tmp_path, monkeypatch):
    rows = [[*row, "abc"[i % 2 if i < 59 else 2], "train" if i < 40 else "test"] for i, row in enumerate(vectors(60))]
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "label", "split"], rows)
    entry, seen, _, _ = new(path, monkeypatch, tmp_path)
    assert entry["targets"]["label"]["min_per_class"] >= 1 and seen.targets["label"]["classes"] == ["a", "b"]


@pytest.mark.parametrize("value", ["-999", "9999"])
def test_sentinels_in_features_and_targets_are_noted(tmp_path, monkeypatch, value):
    rows = [[*row, f"{i % 7 + i / 100:.2f}"] for i, row in enumerate(vectors(100))]
    for row in rows[::10]:
        row[2] = row[-1] = value
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "yield"], rows)
    _, _, said, _ = new(path, monkeypatch, tmp_path)
    assert f"10 of 100 vectors hold {value}" in said and f"missing: ['{value}']" in said
    for row in rows[::10]:  # what the note says to do
        row[2], row[-1] = "", ""
    (tmp_path / "written.yaml").unlink()
    entry, seen, said, _ = new(table(path, [*WAVES, "yield"], rows), monkeypatch, tmp_path)
    assert entry["on_bad"] == "skip" and len(seen.frame) == 90 and "not measured" not in said


def test_long_texts_are_counted_and_the_hint_is_a_config_that_loads(tmp_path, monkeypatch):
    rows = [[" ".join(["protein"] * (300 if i % 4 else 20)) + f" nr{i}", "ab"[i % 2]] for i in range(40)]
    path = table(tmp_path / "a" / "t.csv", ["text", "label"], rows)
    _, _, said, text = new(path, monkeypatch, tmp_path)
    assert "30 of 40 texts are longer than the 128 tokens" in said
    entry = said.split("with `")[1].split("`")[0]
    name = said.split("`backbone: ")[1].split("`")[0]
    config = yaml.safe_load(text) | yaml.safe_load(entry)
    config["finetune"]["t"]["backbone"] = name
    assert load(config)["backbones"][name]["max_length"] >= 400


def test_a_look_at_a_part_says_so_and_names_no_limit(tmp_path, monkeypatch):
    rows = [[*row, "ab"[i % 2]] for i, row in enumerate(vectors(3300))]
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows)
    entry, _, said, text = new(path, monkeypatch, tmp_path)
    assert "looked at 3000 of 3300 labelled rows" in said and "limit" not in said + text and "limit" not in entry


@pytest.mark.parametrize("data", ["", " ", str(Path(__file__).resolve().parents[2])])
def test_data_must_be_named_and_is_not_the_checkout(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="make new DATA="):
        main(data)
    assert not list(tmp_path.iterdir())


def follow(tmp_path, monkeypatch, data, mend):
    """`make new` refuses `data`; once `mend` did what the hint says it works; what was said first."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as error:
        main(data, "first.yaml")
    _, seen, _, _ = new(mend() or tmp_path / data, monkeypatch, tmp_path)
    assert len(seen.frame)
    return str(error.value)


def test_a_table_without_a_header_gets_one_as_the_hint_says(tmp_path, monkeypatch):
    path = table(tmp_path / "a.csv", [*vectors(1)[0], "1"], [[*row, i % 2] for i, row in enumerate(vectors(40))])

    def mend():
        path.write_text(",".join([*WAVES, "label"]) + "\n" + path.read_text())

    assert "first line with the columns' names" in follow(tmp_path, monkeypatch, "a.csv", mend)


def test_files_in_one_folder_get_a_table_beside_them_as_the_hint_says(tmp_path, monkeypatch):
    images(tmp_path / "loose", [f"{i}.png" for i in range(24)])

    def mend():
        table(tmp_path / "loose" / "labels.csv", ["file", "label"], [[f"{i}.png", "ab"[i % 2]] for i in range(24)])

    assert "names file and label" in follow(tmp_path, monkeypatch, "loose", mend)


def test_one_of_several_array_files_is_named_as_the_hint_says(tmp_path, monkeypatch):
    (tmp_path / "many").mkdir()
    for name in ("a", "b"):
        np.savez(tmp_path / "many" / f"{name}.npz", X=RANDOM.normal(size=(30, 5)), y=np.arange(30) % 2)
    said = follow(tmp_path, monkeypatch, "many", lambda: tmp_path / "many" / "a.npz")
    assert "DATA=folder/file.npz" in said


@pytest.mark.parametrize("levels", [["label"]])
def test_folders_that_may_be_splits_or_classes_are_said_as_the_hint_says(tmp_path, monkeypatch, levels):
    images(tmp_path / "set", [f"{kind}/{i}.png" for kind in ("train", "test", "car") for i in range(9)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="folders: .label."):
        main("set", "first.yaml")
    assert len(prepare("set", {"source": {}, "folders": levels}, tmp_path / "set").targets["label"]["classes"]) == 3


def test_the_least_class_size_that_is_offered_works(tmp_path, monkeypatch):
    labels = ["a"] * 30 + ["b"] * 30 + ["c"] * 5
    rows = [[*row, label] for row, label in zip(vectors(65), labels, strict=True)]
    entry, _, said, _ = new(table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows), monkeypatch, tmp_path)
    assert "targets: {label: {min_per_class: 10}}" in said
    entry = entry | {"targets": {"label": {"column": "label", "min_per_class": 10}}}
    assert prepare("t", entry, tmp_path / "a").targets["label"]["classes"] == ["a", "b"]


def test_tables_in_folders_are_named_and_the_hint_works(tmp_path, monkeypatch):
    for name in ("ulm", "bern"):
        rows = [[SENTENCE.format(f"{name} {i}"), "qr"[i % 2]] for i in range(30)]
        table(tmp_path / "sites" / name / "t.csv", ["text", "label"], rows)
    with pytest.raises(UserError, match=r"name one, DATA=\S+") as error:
        new(tmp_path / "sites", monkeypatch, tmp_path)
    one = Path(error.value.hint.split("DATA=")[1].split(";")[0])
    assert len(new(one, monkeypatch, tmp_path)[1].frame) == 30
