"""Folders: which of them are splits, which are classes, and which are neither."""

from pathlib import Path

import pytest

from graft.common.errors import UserError
from tiny_data import encoded, pixels, prepared


def tree(root, **files):
    """Folders (`__` means /) with that many different images each."""
    for place, count in files.items():
        folder = Path(root, place.replace("__", "/"))
        folder.mkdir(parents=True, exist_ok=True)
        for i in range(count):
            (folder / f"{i}.png").write_bytes(encoded(pixels(int.from_bytes(f"{place}{i}".encode(), "little"))))
    return root


SPLITS = {f"{split}__{label}": 4 for split in ("train", "valid", "test") for label in ("x", "y")}


def test_folders_beside_those_of_the_splits_are_the_pool(tmp_path):
    tree(tmp_path, **SPLITS, masks__x=2, **{"images to predict": 5})
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
    with pytest.raises(UserError, match="it is unclear whether train beside bus, car are splits or classes") as error:
        prepared(tmp_path)
    assert "`folders: [label]`" in str(error.value)
    assert prepared(tmp_path, folders=["label"]).targets["label"]["classes"] == ["bus", "car", "train"]
    for name in ("bus", "car"):
        (tmp_path / name).rename(tmp_path / {"bus": "test", "car": "pool"}[name])
    with pytest.raises(UserError, match="no row of class 'city'"):  # they are splits now, with what is in them
        prepared(tmp_path)


def test_images_right_below_split_folders_beside_others_are_asked_about(tmp_path):
    tree(tmp_path, train=6, test=6, extra=6)
    with pytest.raises(UserError, match="it is unclear whether test, train beside extra"):
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


@pytest.mark.parametrize(
    "names",
    ["1_train 3_test 2_val", "01_train 02_test", "train1 test1", "data_train data_test", "train-2023 test-2024"]
    + ["my_train my_test my_val", "trainA testA", "TrainSplit1 TestSplit1", "train test1"],
)
def test_folders_with_the_word_of_a_split_in_every_name_are_splits_and_said(tmp_path, names):
    words = names.split()
    tree(tmp_path, **{f"{name}__{label}": 8 for name in words for label in ("x", "y")})
    found = prepared(tmp_path)
    assert found.targets["label"]["classes"] == ["x", "y"]
    own = {"train": words[0], "test": words[1], "validation": words[-1] if len(words) > 2 else words[0]}
    assert {
        (path.split("/")[0], split) for path, split in zip(found.frame["path"], found.frame["split"], strict=True)
    } == {(name, split) for split, name in own.items()}
    (note,) = [note for note in found.card["notes"] if "are read as splits" in note]
    assert all(name in note for name in words) and "`folders: [label]`" in note
    assert prepared(tmp_path, folders=["label"]).targets["label"]["classes"] == sorted(words)
    levels = prepared(tmp_path, folders=["split", "label"])
    assert levels.frame["split"].tolist() == found.frame["split"].tolist()


@pytest.mark.parametrize("names", ["train_cat test_cat", "1_train 2_test"])
def test_images_right_below_folders_with_the_words_of_splits_are_asked_about(tmp_path, names):
    words = names.split()
    tree(tmp_path, **dict.fromkeys(words, 8))
    with pytest.raises(UserError, match="it is unclear whether .* are splits or classes") as error:
        prepared(tmp_path)
    assert "`folders: [label]`" in error.value.hint
    assert prepared(tmp_path, folders=["label"]).targets["label"]["classes"] == sorted(words)


def test_folders_with_the_words_of_splits_beside_others_are_asked_about_and_both_hints_work(tmp_path):
    tree(tmp_path, **{f"{name}__{label}": 8 for name in ("my_train", "my_test", "masks") for label in ("x", "y")})
    with pytest.raises(UserError, match="it is unclear whether my_test, my_train beside masks") as error:
        prepared(tmp_path)
    assert "`folders: [label]`" in error.value.hint
    assert len(prepared(tmp_path, folders=["label"]).targets["label"]["classes"]) == 3
    for name, split in (("my_train", "train"), ("my_test", "test"), ("masks", "pool")):
        (tmp_path / name).rename(tmp_path / split)
    assert prepared(tmp_path).card["counts"]["pool"] == 16


@pytest.mark.parametrize("names", ["invalid valid", "contest protest", "fold1 fold2", "train1 bus1", "trainer tester"])
def test_words_within_words_and_one_split_alone_are_classes(tmp_path, names):
    words = names.split()
    tree(tmp_path, **{f"{name}__{label}": 8 for name in words for label in ("x", "y")})
    if "valid" in words:  # a split's own name, as ever
        with pytest.raises(UserError, match="it is unclear whether"):
            prepared(tmp_path)
    else:
        assert prepared(tmp_path).targets["label"]["classes"] == sorted(words)


def test_splits_below_folders_that_may_be_sites_or_classes_are_asked_about_and_the_hints_work(tmp_path):
    tree(
        tmp_path, **{f"{place}__{c}": 6 for place in ("site1__train", "site1__val", "site2__test") for c in ("a", "b")}
    )
    with pytest.raises(UserError, match="it is unclear whether site1, site2 are classes") as error:
        prepared(tmp_path)
    assert "`folders: [skip, split, label]`" in error.value.hint and "`folders: [label, split]`" in error.value.hint
    found = prepared(tmp_path, folders=["skip", "split", "label"])
    assert found.targets["label"]["classes"] == ["a", "b"]
    assert found.card["counts"] == {"train": 12, "validation": 12, "test": 12}
    (tmp_path / "site2" / "train").mkdir()
    (tmp_path / "site2" / "test" / "a").rename(tmp_path / "site2" / "train" / "a")
    (tmp_path / "site1" / "test").mkdir()
    (tmp_path / "site1" / "val").rename(tmp_path / "site1" / "test" / "b")
    assert prepared(tmp_path, folders=["label", "split"]).targets["label"]["classes"] == ["site1", "site2"]


@pytest.mark.parametrize(
    ("sample", "companion", "pattern"),
    [
        ("{}/{}.png", "{}/{}_mask.png", "*[0123456789].*"),
        ("{}/x ({}).png", "{}/x ({})_mask.png", "*[)].*"),
        ("{}/{}.png", "{}/{}.tif", "*.png"),
        ("{}/{}.jpg", "{}/{}.png", "*.jpg"),
        ("{}/images/{}.png", "{}/masks/{}.png", "*images/*"),
        ("train/{}/{}.png", "train/{}/ground truth/{}.png", None),
        ("{}/{}a.png", "{}/{}a flipped.png", "*[a].*"),
    ],
)
def test_masks_and_copies_of_samples_are_noted_and_the_hint_leaves_them_out(tmp_path, sample, companion, pattern):
    for label in ("x", "y"):
        for i in range(12):
            for name in (sample, companion):
                place = tmp_path / name.format(label, i)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(encoded(pixels(int.from_bytes(f"{place.name}{label}{name}".encode()[:20], "little"))))
    (note,) = [note for note in prepared(tmp_path, modality="image").card["notes"] if "masks or copies" in note]
    assert "24 of 48 files" in note
    if pattern:
        assert f"`files: ['{pattern}']` under `source`" in note
        found = prepared(tmp_path, source={"path": str(tmp_path), "files": [pattern]})
        assert len(found.frame) == 24
        assert not [note for note in found.card["notes"] if "masks or copies" in note]


def test_files_numbered_anew_in_every_folder_are_no_copies(tmp_path):
    tree(tmp_path, x__patient1=6, x__patient2=6, y__patient3=6, mask=6)
    assert prepared(tmp_path).card["notes"] == []


@pytest.mark.parametrize("suffix", [".dcm", ".nii.gz", ".czi", ".npz"])
def test_files_that_are_not_read_are_named_and_the_hint_works(tmp_path, suffix):
    tree(tmp_path, x=8, y=8)
    for path in list(tmp_path.rglob("*.png")):
        path.rename(path.with_suffix(suffix))
    for modality in ({}, {"modality": "image"}):
        with pytest.raises(UserError, match=f"below the source .16 x .{suffix.split('.')[-1]}.") as error:
            prepared(tmp_path, **modality)
        assert "save each image as PNG" in error.value.hint
    tree(tmp_path, x=8, y=8)
    assert len(prepared(tmp_path).frame) == 16


@pytest.mark.parametrize(
    ("above", "levels"), [("train test", ["split", "skip", "label"]), ("", ["skip", "label"])], ids=["splits", "none"]
)
def test_classes_below_one_more_folder_are_found_as_the_hint_says(tmp_path, above, levels):
    for top in above.split() or ["pets"]:
        tree(tmp_path, **{f"{top}__images__{label}" if above else f"{top}__{label}": 10 for label in "xy"})
    with pytest.raises(UserError, match="labels are '(images|pets)'") as error:
        prepared(tmp_path)
    assert f"`folders: [{', '.join(levels)}]`" in str(error.value)
    assert prepared(tmp_path, folders=levels).targets["label"]["classes"] == ["x", "y"]


@pytest.mark.parametrize("word", ["unknown", "test"])
def test_a_test_folder_without_labels_is_refused_and_the_hint_makes_it_the_pool(tmp_path, word):
    tree(tmp_path, train__x=10, train__y=10, **{f"test__{word}": 6})
    with pytest.raises(UserError, match=f"no row of class '{word}'") as error:
        prepared(tmp_path)
    assert "call their split pool" in str(error.value)
    (tmp_path / "test").rename(tmp_path / "pool")
    assert prepared(tmp_path).card["counts"]["pool"] == 6


def test_files_above_the_classes_folders_are_the_pool_and_said(tmp_path):
    tree(tmp_path / "sites", a__x=6, a__y=6, b__x=6, b__y=6, c__x=6, c__y=6, a=3)
    found = prepared(tmp_path / "sites", folders=["group", "label"])
    assert found.card["counts"]["pool"] == 3
    assert any(
        note.startswith("3 files are above the classes' folders, such as a/0.png") for note in found.card["notes"]
    )
    tree(tmp_path / "splits", **SPLITS, train=2)
    assert any(note.startswith("2 files are above") for note in prepared(tmp_path / "splits").card["notes"])
