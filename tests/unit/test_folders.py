"""Folders: which of them are splits, which are classes, and which are neither."""

from pathlib import Path

import pytest

from graft.errors import UserError
from tiny_data import encoded, pixels, prepared


def tree(root, **files):
    """Folders (`__` stands for /) with that many different images each."""
    for place, count in files.items():
        folder = Path(root, place.replace("__", "/").replace("_", " "))
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(encoded(pixels(int.from_bytes(f"{place}{i}".encode(), "little"))))
    return root


SPLITS = {f"{split}__{label}": 4 for split in ("train", "valid", "test") for label in ("x", "y")}


def test_folders_beside_those_of_the_splits_are_the_pool(tmp_path):
    tree(tmp_path, **SPLITS, images_to_predict=5, masks__x=2)
    found = prepared(tmp_path)
    assert found.card["counts"] == {"train": 8, "validation": 8, "test": 8, "pool": 7}
    assert found.targets["label"]["classes"] == ["x", "y"]
    assert found.card["split"]["how"] == "given"
    (note,) = found.card["notes"]
    assert "images to predict/ (5 files), masks/ (2 files)" in note


def test_the_sources_files_leave_a_folder_out(tmp_path):
    tree(tmp_path, **SPLITS, masks=5)
    found = prepared(tmp_path, source={"path": str(tmp_path), "files": ["train/*", "valid/*", "test/*"]})
    assert found.card["counts"] == {"train": 8, "validation": 8, "test": 8}
    assert found.card["notes"] == []


def test_one_split_folder_with_classes_beside_loose_images_is_the_train_split(tmp_path):
    tree(tmp_path, train__cat=10, train__dog=10, test1=6)
    found = prepared(tmp_path)
    assert found.targets["label"]["classes"] == ["cat", "dog"]
    assert found.card["counts"]["pool"] == 6
    assert found.card["split"]["taken_from_train"] == ["validation", "test"]


@pytest.mark.parametrize("names", ["train_set test_set dev_set", "training testing validation", "TRAIN TEST VAL"])
def test_split_folders_have_many_spellings(tmp_path, names):
    train, test, validation = names.split()
    tree(tmp_path, **{f"{split}__{label}": 4 for split in (train, test, validation) for label in ("x", "y")})
    assert prepared(tmp_path).card["counts"] == {"train": 8, "validation": 8, "test": 8}


def test_a_class_called_train_among_classes_with_folders_in_them_is_asked_about(tmp_path):
    tree(tmp_path, train__steam=6, train__metro=6, bus__city=6, car__small=6)
    with pytest.raises(UserError, match="cannot tell whether train beside bus, car are splits or classes") as error:
        prepared(tmp_path)
    assert "`folders: [label]`" in str(error.value)
    assert prepared(tmp_path, folders=["label"]).targets["label"]["classes"] == ["bus", "car", "train"]
    for name in ("bus", "car"):
        (tmp_path / name).rename(tmp_path / {"bus": "test", "car": "pool"}[name])
    with pytest.raises(UserError, match="no row of class 'city'"):  # they are splits now, with what stands in them
        prepared(tmp_path)


def test_images_right_below_split_folders_beside_others_are_asked_about(tmp_path):
    tree(tmp_path, train=6, test=6, extra=6)
    with pytest.raises(UserError, match="cannot tell whether test, train beside extra"):
        prepared(tmp_path)
    assert prepared(tmp_path, folders=["label"]).targets["label"]["classes"] == ["extra", "test", "train"]
    with pytest.raises(UserError, match="name no split") as error:
        prepared(tmp_path, folders=["split", "label"])
    assert "the source's `files`: [train/*, test/*]" in str(error.value)


def test_splits_below_every_class_are_followed(tmp_path):
    tree(tmp_path, **{f"{label}__{split}": 4 for split in ("train", "val", "test") for label in ("x", "y")})
    found = prepared(tmp_path)
    assert found.targets["label"]["classes"] == ["x", "y"]
    assert (found.card["split"]["how"], found.card["counts"]["test"]) == ("given", 8)
    assert found.frame.loc[found.frame["path"].str.contains("/val/"), "split"].unique().tolist() == ["validation"]
