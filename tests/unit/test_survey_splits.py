"""Splits that files, folders and arrays name are kept; parts that name none, and groups that stand in two, are said."""

import gzip

import numpy as np
import pytest
import yaml

from graft.common.errors import UserError
from graft.data.prepare import prepare
from new_configs import SENTENCE, WAVES, images, new, table, vectors

RANDOM = np.random.default_rng(0)


def test_how_many_groups_would_stand_in_two_splits_is_what_a_draw_without_them_gives(tmp_path, monkeypatch):
    rows = [[f"S{i // 3:03}", "AB"[i // 3 % 2], *row] for i, row in enumerate(vectors(240))]
    path = table(tmp_path / "a" / "r.csv", ["sample_id", "class", *WAVES], rows)
    _, seen, said, _ = new(path, monkeypatch, tmp_path)
    entry = {"source": {}, "table": "r.csv", "columns": {"features": "[0-9]*"}, "targets": {"class": {}}}
    alone = prepare("r", entry, tmp_path / "a").frame
    groups = alone["row"].to_numpy() // 3
    split = alone.groupby(groups)["split"].nunique()
    assert f"without them {(split > 1).sum()} would" in said
    assert (split > 1).sum() > 40


def test_patients_in_two_of_the_folders_splits_are_said_and_no_groups(tmp_path, monkeypatch):
    names = [f"{s}/patient{p}/{c}/{i}.png" for s in ("train", "test") for p in range(3) for c in "ab" for i in range(4)]
    images(tmp_path / "set", names)
    entry, _, said, _ = new(tmp_path / "set", monkeypatch, tmp_path)
    assert entry["folders"] == ["split", "skip", "label"] and "'patient1': test, train" in said
    assert "3 groups (" not in said


@pytest.mark.parametrize(
    "names", [("studyTrain.tsv", "studyTest.tsv"), ("x_train.csv", "x_test.csv"), ("Train_x.csv.gz", "Test_x.csv.gz")]
)
def test_files_of_one_study_are_given_splits(tmp_path, monkeypatch, names):
    (tmp_path / "study").mkdir()
    for name, rows in zip(names, (60, 24), strict=True):
        mark = "\t" if ".tsv" in name else ","
        text = "\n".join(
            [mark.join([*WAVES, "label"]), *(mark.join([*row, "ab"[i % 2]]) for i, row in enumerate(vectors(rows)))]
        )
        data = text.encode()
        (tmp_path / "study" / name).write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    table(tmp_path / "study" / "readme.csv", ["what", "who"], [["x", "y"]])
    entry, seen, said, _ = new(tmp_path / "study", monkeypatch, tmp_path)
    assert entry["table"] == {"train": names[0], "test": names[1]} and seen.card["counts"]["test"] == 24
    assert "readme.csv" in said
    _, _, alone, _ = new_alone(tmp_path / "study" / names[0], monkeypatch, tmp_path)
    assert names[1] in alone and "given splits" in alone


def new_alone(path, monkeypatch, tmp_path):
    (tmp_path / "written.yaml").unlink()
    return new(path, monkeypatch, tmp_path)


def test_a_part_without_labels_is_to_be_predicted(tmp_path, monkeypatch):
    table(tmp_path / "k" / "train.csv", [*WAVES, "label"], [[*row, "ab"[i % 2]] for i, row in enumerate(vectors(60))])
    table(tmp_path / "k" / "test.csv", WAVES, vectors(20))
    entry, _, said, _ = new(tmp_path / "k", monkeypatch, tmp_path)
    assert entry["table"] == "train.csv" and "make predict" in said and "test.csv" in said


@pytest.mark.parametrize(
    ("names", "samples", "packed"),
    [
        (("train_{}", "val_{}", "test_{}"), "images", True),
        (("{}_train", "{}_valid", "{}_test"), "spectra", True),
        (("{}_train", "{}_val", "{}_test"), "images", False),
        (("train_{}", "dev_{}", "test_{}"), "X", False),
    ],
)
def test_arrays_of_which_every_split_has_its_own(tmp_path, monkeypatch, names, samples, packed):
    folder = tmp_path / "arrays"
    folder.mkdir()
    shape = (9, 9) if samples == "images" else (6,)
    held = {}
    for name, n in zip(names, (40, 12, 16), strict=True):
        held[name.format(samples)] = RANDOM.integers(0, 255, (n, *shape), dtype=np.uint8)
        held[name.format("labels" if packed else "y")] = np.arange(n) % 2
    if packed:
        np.savez(folder / "data.npz", **held)
    else:
        for name, array in held.items():
            np.save(folder / f"{name}.npy", array)
    _, seen, _, _ = new(folder, monkeypatch, tmp_path)
    assert seen.card["counts"] == {"train": 40, "validation": 12, "test": 16}
    assert seen.card["modality"] == ("image" if samples == "images" else "vector")


@pytest.mark.parametrize("others", ["to predict"])
def test_folders_of_splits_beside_another(tmp_path, monkeypatch, others):
    names = [
        f"{split}/{kind}/{i}.png"
        for split, n in (("train", 12), ("valid", 4), ("test", 6))
        for kind in "ab"
        for i in range(n)
    ]
    images(tmp_path / "set", [*names, *(f"{others}/{i}.png" for i in range(4))])
    entry, seen, _, _ = new(tmp_path / "set", monkeypatch, tmp_path)
    assert seen.card["counts"] == {"train": 24, "validation": 8, "test": 12, "pool": 4} and "folders" not in entry


@pytest.mark.parametrize("other", ["eval", "holdout"])
def test_a_table_in_a_folder_that_names_no_split_is_said_and_the_hint_takes_it(tmp_path, monkeypatch, other):
    data = tmp_path / "study"
    for start, name in ((0, "train"), (100, other)):
        rows = [[SENTENCE.format(start + i), "qr"[i % 2]] for i in range(30)]
        table(data / name / "t.csv", ["text", "label"], rows)
    entry, seen, said, _ = new(data, monkeypatch, tmp_path)
    (hint,) = [line for line in said.splitlines() if "not looked at" in line]
    assert f"{other}/t.csv" in hint and len(seen.frame) == 30
    (note,) = [note for note in prepare("d", {}, data).card["notes"] if "not looked at" in note]
    named = yaml.safe_load(note.split("name all: ")[1])["table"]
    assert prepare("d", {**entry, "table": named}, data).card["counts"]["test"] == 30


def test_of_tables_beside_each_other_that_of_train_is_taken(tmp_path, monkeypatch):
    for start, name, count in ((0, "train", 30), (100, "evaluation", 90)):
        rows = [[SENTENCE.format(start + i), "qr"[i % 2]] for i in range(count)]
        table(tmp_path / "study" / f"{name}.csv", ["text", "label"], rows)
    entry, _, said, _ = new(tmp_path / "study", monkeypatch, tmp_path)
    assert entry["table"] == "train.csv" and "not looked at: evaluation.csv" in said


@pytest.mark.parametrize("packed", [True, False])
def test_arrays_of_a_part_that_names_no_split_are_never_taken_for_the_whole(tmp_path, monkeypatch, packed):
    sizes = {"train": 40, "eval": 60, "test": 20}
    held = {f"X_{name}": RANDOM.random((n, 5)) for name, n in sizes.items()}
    held |= {f"y_{name}": np.arange(n) % 2 for name, n in sizes.items()}

    def save(held, folder):
        folder.mkdir()
        if packed:
            np.savez(folder / "a.npz", **held)
        for key, values in {} if packed else held.items():
            np.save(folder / f"{key}.npy", values)
        return folder

    two = {key: values for key, values in held.items() if "test" not in key}
    with pytest.raises(UserError, match="save X_eval under such names"):
        new(save(two, tmp_path / "two"), monkeypatch, tmp_path)
    _, seen, said, _ = new(save(held, tmp_path / "three"), monkeypatch, tmp_path)
    assert "arrays that are not looked at: X_eval" in said and len(seen.frame) == 60
    named = {key.replace("eval", "validation"): values for key, values in held.items()}
    (tmp_path / "written.yaml").unlink()
    assert new(save(named, tmp_path / "named"), monkeypatch, tmp_path)[1].card["counts"]["validation"] == 60
