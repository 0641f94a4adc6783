"""Arrays: their usual names are known, and splits may be separate in one file or in several."""

import numpy as np
import pytest

from graft.common.errors import UserError
from graft.config import load
from tiny_data import pixels, prepared


def through_config(root, **entry):
    """As a run does it: the config fills in every default."""
    full = load({"datasets": {"d": {"source": {"path": str(root)}, **entry}}})["datasets"]["d"]
    return prepared(root, **{key: value for key, value in full.items() if key not in ("split", "folds")})


VALUES = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
LABELS = np.where(np.arange(40) % 2, "p", "q")


@pytest.mark.parametrize("key", ["label", "y", "labels", "targets"])
@pytest.mark.parametrize("samples", ["X", "x", "features", "data", "embeddings"])
def test_arrays_of_usual_names_are_found(tmp_path, key, samples):
    np.savez(tmp_path / "a.npz", **{samples: VALUES, key: LABELS})
    assert through_config(tmp_path).targets["label"]["classes"] == ["p", "q"]
    assert prepared(tmp_path).targets["label"]["classes"] == ["p", "q"]


def test_a_named_array_comes_before_the_usual_ones(tmp_path):
    np.savez(tmp_path / "a.npz", X=VALUES, y=LABELS, dx=np.arange(40) % 3)
    assert through_config(tmp_path, targets={"dx": {}}).targets["dx"]["classes"] == ["0", "1", "2"]
    assert through_config(tmp_path, targets={"label": {"column": "dx"}}).targets["label"]["classes"] == ["0", "1", "2"]


def test_two_likely_arrays_are_asked_about_and_the_hint_works(tmp_path):
    np.savez(tmp_path / "a.npz", X=VALUES, y=LABELS, targets=np.arange(40))
    with pytest.raises(UserError, match="y and targets may all be the labels") as error:
        through_config(tmp_path)
    assert "targets: {label: {column: NAME}}" in str(error.value)
    assert through_config(tmp_path, targets={"label": {"column": "y"}}).targets["label"]["classes"] == ["p", "q"]


def test_an_array_that_is_not_there_is_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=VALUES, kind=LABELS)
    with pytest.raises(UserError, match=r"no array 'label', nor y, labels, targets \(named by targets.label\)"):
        through_config(tmp_path)
    with pytest.raises(UserError, match=r"did you mean 'kind'"):
        through_config(tmp_path, targets={"kinds": {}})


def test_labels_of_a_table_beside_arrays_have_usual_names_too(tmp_path):
    np.save(tmp_path / "X.npy", VALUES)
    (tmp_path / "l.csv").write_text("y\n" + "\n".join(LABELS) + "\n")
    assert through_config(tmp_path, reader="arrays").targets["label"]["classes"] == ["p", "q"]


@pytest.mark.parametrize(
    "names",
    [
        ("train_images", "train_labels", "val_images", "val_labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_valid", "y_valid", "x_test", "y_test"),
        ("Train_X", "Train_y", "Dev_X", "Dev_y", "Test_X", "Test_y"),
    ],
)
def test_splits_that_stand_apart_in_one_file_are_given_splits(tmp_path, names):
    images = pixels(1, 30, 6, 5).reshape(30, 6, 5)
    labels = np.arange(30) % 3
    parts = [slice(0, 18), slice(18, 24), slice(24, 30)]
    held = [array[part] for part in parts for array in (images, labels[:, None])]
    np.savez(tmp_path / "medical.npz", **dict(zip(names, held, strict=True)))
    found = through_config(tmp_path)
    assert found.card["counts"] == {"train": 18, "validation": 6, "test": 6}
    assert found.card["split"]["how"] == "given"
    rows = found.frame.sort_values("row")
    assert rows["label"].tolist() == [str(n) for n in labels]
    assert rows["split"].tolist() == ["train"] * 18 + ["validation"] * 6 + ["test"] * 6


def test_a_pool_without_labels_may_stand_beside_the_splits(tmp_path):
    np.savez(
        tmp_path / "a.npz",
        train_X=VALUES[:20],
        train_y=LABELS[:20],
        test_X=VALUES[20:30],
        test_y=LABELS[20:30],
        unlabeled_X=VALUES[30:],
    )
    assert through_config(tmp_path).card["counts"]["pool"] == 10


def test_a_split_with_labels_for_other_samples_is_refused(tmp_path):
    np.savez(tmp_path / "a.npz", train_X=VALUES[:20], train_y=LABELS[:19], test_X=VALUES[20:], test_y=LABELS[19:])
    with pytest.raises(UserError, match="'y' have not one value per sample"):
        through_config(tmp_path)


def test_npy_files_of_every_split_are_given_splits(tmp_path):
    for split, part in (("train", slice(0, 24)), ("test", slice(24, 40))):
        np.save(tmp_path / f"X_{split}.npy", VALUES[part])
        np.save(tmp_path / f"y_{split}.npy", LABELS[part])
    found = through_config(tmp_path)
    assert (found.frame["split"] == "test").sum() == 16
    rows = found.frame.sort_values(["path", "row"])
    assert rows["path"].unique().tolist() == ["X_test.npy", "X_train.npy"]
    assert rows["label"].tolist() == [*LABELS[24:], *LABELS[:24]]


def test_rows_of_numbers_are_no_images_and_the_hints_work(tmp_path):
    rows = np.stack([pixels(i, 28, 28, 1).ravel() for i in range(20)])
    labels = np.arange(20) % 2
    np.savez(tmp_path / "d.npz", X=rows, y=labels)
    with pytest.raises(UserError, match="784 numbers, not an image") as error:
        prepared(tmp_path, modality="image")
    assert "`modality: vector`" in error.value.hint and "X.reshape(-1, height, width)" in error.value.hint
    assert prepared(tmp_path, modality="vector").card["vector"]["width"] == 784
    (tmp_path / "shaped").mkdir()
    np.savez(tmp_path / "shaped" / "d.npz", X=rows.reshape(-1, 28, 28), y=labels)
    assert prepared(tmp_path / "shaped", modality="image").card["image"]["sizes"]["width"] == [28, 28]


def test_one_hot_labels_are_refused_and_the_hint_works(tmp_path):
    codes = np.arange(40) % 3
    np.savez(tmp_path / "d.npz", X=VALUES, y=np.eye(3)[codes])
    with pytest.raises(UserError, match="array 'y' is float64 of shape .40, 3.") as error:
        prepared(tmp_path)
    assert "numpy.argmax(y, axis=1)" in str(error.value)
    (tmp_path / "numbers").mkdir()
    np.savez(tmp_path / "numbers" / "d.npz", X=VALUES, y=np.argmax(np.eye(3)[codes], axis=1))
    assert prepared(tmp_path / "numbers").targets["label"]["classes"] == ["0", "1", "2"]
