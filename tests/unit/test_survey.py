"""`make new` on what labs send: whatever it writes loads and prepares, and its guesses are right or said to be guesses."""

import gzip
import logging
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from graft.common.errors import UserError
from graft.config import load
from graft.data.prepare import prepare
from graft.data.survey.words import is_aside, is_replicate, says_group, says_id, says_target, split_of_name, words_of
from new_config import main
from tiny_data import encoded, pixels

logging.getLogger("tifffile").setLevel(logging.ERROR)
RANDOM = np.random.default_rng(0)


def new(data, monkeypatch, tmp_path):
    """(entry as written, prepared whole, what was said, config's text) of `make new` for a path."""
    monkeypatch.chdir(data.parent)
    config = tmp_path / "written.yaml"
    said = main(data.name, str(config))
    raw = yaml.safe_load(config.read_text())
    ((name, entry),) = load(raw)["datasets"].items()
    seen = prepare(name, entry, (data.parent / entry["source"]["path"]).resolve())
    return raw["datasets"][name], seen, said, config.read_text()


def table(path, head, rows, mark=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([mark.join(head), *(mark.join(map(str, row)) for row in rows)]) + "\n")
    return path


def vectors(rows, width=6, decimals=4):
    return [[f"{v:.{decimals}f}" for v in row] for row in np.random.default_rng(1).normal(size=(rows, width))]


WAVES = [str(900 + 5 * i) for i in range(6)]


@pytest.mark.parametrize(
    "name", ["rating", "concentration", "operation", "labels", "caseload", "runtime", "welling", "fielded"]
)
@pytest.mark.parametrize("spell", [str, str.title, lambda name: f"mean_{name}", lambda name: f"{name}2"])
def test_words_within_words_are_no_groups(name, spell):
    assert not says_group(spell(name))


@pytest.mark.parametrize(
    "name",
    [
        "patient",
        "Patient ID",
        "patientId",
        "patient_id",
        "plate.no",
        "Batch 3",
        "subjectID",
        "DonorName",
        "animal-nr",
        "pid",
    ],
)
def test_names_of_groups(name):
    assert says_group(name) and not says_target(name)


@pytest.mark.parametrize(
    "name", ["patient_age", "day_length", "fieldStrength", "batch size", "site_score", "well depth"]
)
def test_a_measure_of_a_group_is_none(name):
    assert not says_group(name)


@pytest.mark.parametrize(
    "name", ["centroid_y", "y_um", "posY", "subclassing", "typewriter", "statuses_n", "response_time", "graded"]
)
def test_these_names_say_no_target(name):
    assert not says_target(name)


@pytest.mark.parametrize(
    "name", ["y", "Y", "class", "cellType", "tumour_grade", "label2", "labels", "Diagnosis Code", "species_name"]
)
def test_names_of_targets(name):
    assert says_target(name)


def test_ids_and_replicates_are_known_by_whole_words():
    assert says_id("sampleid") and says_id("sampleID") and not says_id("grid") and not says_id("fluid")
    assert says_id("Probe Nr") and not says_id("NO2") and not is_replicate("no2")
    assert is_replicate("replicate") and is_replicate("tech_rep") and is_replicate("row")
    assert not is_replicate("report") and not is_replicate("refractive_index")
    assert is_aside("centroid_x") and not is_aside("y") and not is_aside("retention_time")
    assert words_of("PatientID_7 größe") == ["patient", "id", "grosse"]


@pytest.mark.parametrize(
    ("stem", "split"),
    [
        ("studyTrain", ("train", "study")),
        ("study_test", ("test", "study")),
        ("train-study", ("train", "study")),
        ("sciDev", ("validation", "sci")),
        ("Testing", ("test", "")),
        ("constrain", (None, "constrain")),
        ("latest", (None, "latest")),
        ("Contest", (None, "Contest")),
        ("trainer_a", (None, "trainer_a")),
    ],
)
def test_splits_in_the_names_of_files(stem, split):
    assert split_of_name(stem) == split


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("concentration", [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]),
        ("glucose conc.", [1, 10, 100, 1000]),
        ("Rating", [0.1, 0.2, 0.5]),
    ],
)
def test_the_value_to_learn_is_no_group(tmp_path, monkeypatch, levels, name):
    rows = [[levels[i % len(levels)], ["ethanol", "water"][i % 2], *row] for i, row in enumerate(vectors(120))]
    entry, _, said, _ = new(table(tmp_path / "a" / "c.csv", [name, "solvent", *WAVES], rows), monkeypatch, tmp_path)
    assert "group" not in entry["columns"] and entry["columns"]["features"] == "[0-9]*"
    kinds = {target["column"]: target.get("kind") for target in entry["targets"].values()}
    assert kinds == {name: "regression", "solvent": None}
    assert "not measured" not in said  # a scale of concentrations is no row of sentinels


def test_a_coordinate_is_no_target(tmp_path, monkeypatch):
    head = ["cell", "area", "mean", "centroid_x", "centroid_y", "round", "phenotype"]
    rows = [[f"c{i}", *row[:5], "AB"[i % 2]] for i, row in enumerate(vectors(120))]
    entry, _, _, _ = new(table(tmp_path / "a" / "cells.csv", head, rows), monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["phenotype"] and entry["columns"]["id"] == "cell"


@pytest.mark.parametrize(("sample", "times"), [("sample_id", 3), ("specimenNo", 2), ("spot", 2), ("spot", 6)])
def test_ids_that_stand_in_a_few_rows_each_are_the_group(tmp_path, monkeypatch, sample, times):
    rows = [
        [f"S{i // times:03}", i % times + 1, "AB"[i // times % 3 % 2], *row]
        for i, row in enumerate(vectors(40 * times))
    ]
    path = table(tmp_path / "a" / "r.csv", [sample, "replicate", "class", *WAVES], rows)
    entry, seen, said, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["group"] == sample and list(entry["targets"]) == ["class"]
    assert seen.frame.groupby("group")["split"].nunique().max() == 1
    assert "without them" in said and "40 groups" in said


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


@pytest.mark.parametrize("name", ["run", "instrument"])
def test_a_run_that_crosses_the_samples_does_not_hide_their_replicates(tmp_path, monkeypatch, name):
    rows = [[f"S{i // 3:03}", i % 3 + 1, "AB"[i // 3 % 2], *row] for i, row in enumerate(vectors(120))]
    path = table(tmp_path / "a" / "r.csv", ["sample_id", name, "class", *WAVES], rows)
    entry, _, said, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["group"] == "sample_id" and name not in entry["targets"] and f"'{name}'" in said


def test_molecules_of_several_values_are_texts_and_one_split_holds_all_of_one(tmp_path, monkeypatch):
    rows = [["C" * (i // 3 + 1) + "O", round(i * 0.37 % 5, 2)] for i in range(90)]
    entry, seen, _, _ = new(table(tmp_path / "a" / "m.csv", ["smiles", "activity"], rows), monkeypatch, tmp_path)
    assert entry["columns"] == {"text": "smiles"} and entry["targets"]["activity"]["kind"] == "regression"
    assert seen.frame.groupby("content_sha256")["split"].nunique().max() == 1


@pytest.mark.parametrize("names", [WAVES, ["ash", "fat", "fibre", "sugar", "salt", "starch"]])
def test_the_last_number_is_learnt_where_the_only_words_are_ids(tmp_path, monkeypatch, names):
    rows = [[f"P{i // 2}", *row, f"{float(row[0]) + 2:.3f}"] for i, row in enumerate(vectors(120))]
    entry, _, _, _ = new(table(tmp_path / "a" / "t.csv", ["Probe", *names, "Feuchte"], rows), monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["Feuchte"] and entry["columns"]["group"] == "Probe"


def test_patients_in_two_of_the_folders_splits_are_said_and_no_groups(tmp_path, monkeypatch):
    names = [f"{s}/patient{p}/{c}/{i}.png" for s in ("train", "test") for p in range(3) for c in "ab" for i in range(4)]
    images(tmp_path / "set", names)
    entry, _, said, _ = new(tmp_path / "set", monkeypatch, tmp_path)
    assert entry["folders"] == ["split", "skip", "label"] and "'patient1': test, train" in said
    assert "3 groups (" not in said


def test_the_only_column_beside_the_features_is_learnt_whatever_its_name(tmp_path, monkeypatch):
    rows = [["ab"[i % 2], *row] for i, row in enumerate(vectors(60))]
    entry, _, _, _ = new(table(tmp_path / "a" / "t.csv", ["lab", *WAVES], rows), monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["lab"] and "group" not in entry["columns"]


def test_patients_who_hold_the_samples_together_are_the_group(tmp_path, monkeypatch):
    rows = [[f"S{i // 3:03}", f"P{i // 12}", "AB"[i // 12 % 2], *row] for i, row in enumerate(vectors(240))]
    path = table(tmp_path / "a" / "r.csv", ["sample_id", "patient", "class", *WAVES], rows)
    assert new(path, monkeypatch, tmp_path)[0]["columns"]["group"] == "patient"


@pytest.mark.parametrize("instruments", [("one",), ("one", "two")])
def test_a_group_that_cannot_be_kept_is_left_out_with_a_word(tmp_path, monkeypatch, instruments):
    def split(i):
        return "train" if i < 80 else "test"

    rows = [
        [f"s{i}", instruments[-1] if i >= 80 else instruments[0], "AB"[i % 2], split(i), *row]
        for i, row in enumerate(vectors(120))
    ]
    path = table(tmp_path / "a" / "t.csv", ["name", "instrument", "class", "split", *WAVES], rows)
    entry, seen, said, _ = new(path, monkeypatch, tmp_path)
    assert "group" not in entry["columns"] and list(entry["targets"]) == ["class"] and "instrument" in said
    assert seen.card["counts"]["test"] == 40


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


@pytest.mark.parametrize("bands", [2, 7])
def test_many_bands_get_the_key_that_the_refusal_names(tmp_path, monkeypatch, bands):
    for label in ("bare", "crop"):
        (tmp_path / "tiles" / label).mkdir(parents=True)
        for i in range(8):
            image = RANDOM.integers(0, 4000, (16, 16, bands)).astype(np.uint16)
            tifffile.imwrite(
                tmp_path / "tiles" / label / f"{i}.tif", image, photometric="minisblack", planarconfig="contig"
            )
    entry, seen, _, _ = new(tmp_path / "tiles", monkeypatch, tmp_path)
    assert len(entry["bands"]) == (3 if bands > 2 else 1) and not seen.card["skipped"]


def images(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(pixels(number)))


@pytest.mark.parametrize("layout", ["beside", "top", "deeper"])
def test_metadata_beside_images_in_folders_of_splits(tmp_path, monkeypatch, layout):
    sizes, folder = {"train": 30, "test": 10}, tmp_path / "set"
    at = "pictures/" if layout == "deeper" else ""
    images(folder, [f"{at}{split}/{i}.png" for split, n in sizes.items() for i in range(n)])
    if layout == "beside":
        for split, n in sizes.items():
            table(
                folder / split / "metadata.csv", ["file_name", "label"], [[f"{i}.png", "ab"[i % 2]] for i in range(n)]
            )
    else:
        rows = [[f"{at}{split}/{i}.png", "ab"[i % 2]] for split, n in sizes.items() for i in range(n)]
        table(folder / "metadata.csv", ["file_name", "label"], rows)
    _, seen, _, _ = new(folder, monkeypatch, tmp_path)
    assert seen.card["counts"]["test"] == 10


def test_names_without_suffix_are_files_where_such_stand(tmp_path, monkeypatch):
    images(tmp_path / "isic", [f"pictures/SK_{i:04}.jpg" for i in range(40)])
    rows = [[f"SK_{i:04}", ("nevus", "melanoma")[i % 2]] for i in range(40)]
    path = table(tmp_path / "isic" / "truth.csv", ["image", "dx"], rows)
    entry, _, _, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["path"] == "image" and list(entry["targets"]) == ["dx"]


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


def test_links_out_of_the_folder_are_followed_and_said(tmp_path, monkeypatch):
    images(tmp_path / "store", [f"{i}.png" for i in range(24)])
    for i in range(24):
        link = tmp_path / "links" / "ab"[i % 2] / f"{i}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "store" / f"{i}.png")
    entry, _, said, _ = new(tmp_path / "links", monkeypatch, tmp_path)
    assert entry["source"]["links"] == "follow" and "lead out" in said


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


@pytest.mark.parametrize("before", [1, 3])
def test_lines_before_the_header_are_skipped(tmp_path, monkeypatch, before):
    path = table(
        tmp_path / "a" / "t.csv", [*WAVES, "label"], [[*row, "ab"[i % 2]] for i, row in enumerate(vectors(40))]
    )
    path.write_text("Instrument,Spectro 9\n" * before + path.read_text())
    assert new(path, monkeypatch, tmp_path)[0]["skip_lines"] == before


@pytest.mark.parametrize(("decimals", "mark"), [(4, ";"), (3, ";"), (3, "\t")])
def test_decimal_commas(tmp_path, monkeypatch, decimals, mark):
    rows = [
        [*(v.replace("-", "").replace(".", ",") for v in row), "ab"[i % 2]]
        for i, row in enumerate(vectors(40, 6, decimals))
    ]
    for row in rows:
        row[:6] = ["1" + v[1:] for v in row[:6]]
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows, mark)
    entry, seen, _, _ = new(path, monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == 6 and entry.get("decimal") == (None if decimals == 4 else "comma")


def test_many_columns_are_a_pattern_and_what_never_changes_is_one_line(tmp_path, monkeypatch):
    head = [f"pix_{i}" for i in range(60)] + ["label"]
    rows = [[*(0 if i % 3 else v for i, v in enumerate(row)), "ab"[k % 2]] for k, row in enumerate(vectors(40, 60))]
    entry, _, said, _ = new(table(tmp_path / "a" / "t.csv", head, rows), monkeypatch, tmp_path)
    assert entry["columns"]["features"] == "pix_*"
    assert "40 columns have one value" in said and said.count("pix_1 ") == 1 and "pix_59" not in said


def test_many_names_without_a_pattern_stand_on_several_lines(tmp_path, monkeypatch):
    letters = "bdfghkm"
    head = [a + e + b for a in letters for e in "aeiou" for b in "rst"] + ["label"]
    rows = [[*row, "xy"[i % 2]] for i, row in enumerate(vectors(30, len(head) - 1))]
    entry, seen, _, text = new(table(tmp_path / "a" / "genes.csv", head, rows), monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == len(head) - 1 and max(map(len, text.splitlines())) < 140


def test_a_pattern_takes_in_no_other_column(tmp_path, monkeypatch):
    head = ["patient", *(f"p{i}" for i in range(8)), "label"]
    rows = [[f"Q{i // 4}", *row, "ab"[i // 4 % 2]] for i, row in enumerate(vectors(80, 8))]
    entry, seen, _, _ = new(table(tmp_path / "a" / "t.csv", head, rows), monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == 8 and entry["columns"]["group"] == "patient"


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


def test_class_folders_beside_a_table_of_something_else_are_read(tmp_path, monkeypatch):
    images(tmp_path / "set", [f"{kind}/{i}.png" for kind in "ab" for i in range(12)])
    table(tmp_path / "set" / "notes.csv", ["day", "who"], [["mon", "x"], ["tue", "y"]])
    entry, seen, said, _ = new(tmp_path / "set", monkeypatch, tmp_path)
    assert entry["reader"] == "folder" and seen.card["counts"]["train"] > 10 and "notes.csv" in said


def test_the_least_class_size_that_is_offered_works(tmp_path, monkeypatch):
    labels = ["a"] * 30 + ["b"] * 30 + ["c"] * 5
    rows = [[*row, label] for row, label in zip(vectors(65), labels, strict=True)]
    entry, _, said, _ = new(table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows), monkeypatch, tmp_path)
    assert "targets: {label: {min_per_class: 10}}" in said
    entry = entry | {"targets": {"label": {"column": "label", "min_per_class": 10}}}
    assert prepare("t", entry, tmp_path / "a").targets["label"]["classes"] == ["a", "b"]


def test_plates_that_hold_one_class_each_are_no_groups_and_that_is_said(tmp_path, monkeypatch):
    rows = [[f"s{i}", f"plate{i // 30}", "ABCD"[i // 30], *row] for i, row in enumerate(vectors(120))]
    path = table(tmp_path / "a" / "t.csv", ["name", "plate", "class", *WAVES], rows)
    entry, seen, said, _ = new(path, monkeypatch, tmp_path)
    assert "group" not in entry["columns"] and seen.card["counts"]["test"] > 10
    assert "column 'plate' looks like groups, but is not taken as such" in said and "are in one group" in said


def test_plates_that_share_a_blank_stay_groups_and_the_blank_is_dropped(tmp_path, monkeypatch):
    blank = ["0.0"] * len(WAVES)
    rows = [[f"s{i}", f"plate{i // 6}", "AB"[i % 6 and i % 2], *row] for i, row in enumerate(vectors(120))]
    rows = [row[:3] + blank if i % 6 == 0 else row for i, row in enumerate(rows)]
    path = table(tmp_path / "a" / "t.csv", ["name", "plate", "class", *WAVES], rows)
    entry, seen, said, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["group"] == "plate" and entry["duplicates"] == "drop" and len(seen.frame) == 101
    assert "1 contents hold groups together" in said


SENTENCE = "the cell number {} was seen in the left part of the dish"


@pytest.mark.parametrize(
    "words",
    [("train", "eval", "test"), ("TRN", "VAL", "TST"), ("Train", "Val1", "Val2"), ("train set", "dev set", "Hold-out")],
)
def test_words_of_other_fields_for_splits_are_no_target_and_said(tmp_path, monkeypatch, words):
    rows = [[*row, words[i % 3]] for i, row in enumerate(vectors(60))]
    data = table(tmp_path / "d.csv", [*WAVES, "part", "dose"], [[*row, f"{i / 7:.2f}"] for i, row in enumerate(rows)])
    entry, _, said, _ = new(data, monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["dose"]
    assert "column 'part' looks like a split and is not used" in said


@pytest.mark.parametrize("words", [("test positive", "test negative", "void"), ("1", "2", "3"), ("out", "in", "on")])
def test_classes_that_only_have_such_a_word_in_them_are_learnt(tmp_path, monkeypatch, words):
    data = table(tmp_path / "d.csv", [*WAVES, "part"], [[*row, words[i % 3]] for i, row in enumerate(vectors(60))])
    assert list(new(data, monkeypatch, tmp_path)[0]["targets"]) == ["part"]


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


def test_ids_that_start_anew_in_every_table_are_left_out(tmp_path, monkeypatch):
    for start, name in ((0, "train"), (100, "test")):
        rows = [[i, SENTENCE.format(start + i), "qr"[i % 2]] for i in range(30)]
        table(tmp_path / "study" / f"{name}.csv", ["id", "text", "label"], rows)
    entry, seen, said, _ = new(tmp_path / "study", monkeypatch, tmp_path)
    assert "id" not in entry["columns"] and len(seen.frame) == 60
    assert "column 'id' is not taken as the id" in said


def test_a_second_text_is_no_id(tmp_path, monkeypatch):
    rows = [[SENTENCE.format(100 + i), SENTENCE.format(900 - i), f"{i / 7:.2f}"] for i in range(40)]
    data = table(tmp_path / "d.csv", ["sentence1", "sentence2", "score"], rows)
    entry, _, said, _ = new(data, monkeypatch, tmp_path)
    assert "id" not in entry["columns"]
    assert "columns that are not used: sentence2" in said


def test_what_one_text_has_several_of_is_a_condition_and_no_target(tmp_path, monkeypatch):
    rows = [["CC(=O)N" + "C" * (i // 3), f"{i / 7:.2f}", f"assay {i % 3}"] for i in range(90)]
    entry, seen, said, _ = new(table(tmp_path / "d.csv", ["smiles", "value", "assay"], rows), monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["value"] and "duplicates" not in entry and len(seen.frame) == 90
    assert "nothing to learn: column 'assay', of which one text has several values" in said


def test_tables_in_folders_are_named_and_the_hint_works(tmp_path, monkeypatch):
    for name in ("ulm", "bern"):
        rows = [[SENTENCE.format(f"{name} {i}"), "qr"[i % 2]] for i in range(30)]
        table(tmp_path / "sites" / name / "t.csv", ["text", "label"], rows)
    with pytest.raises(UserError, match=r"name one, DATA=\S+") as error:
        new(tmp_path / "sites", monkeypatch, tmp_path)
    one = Path(error.value.hint.split("DATA=")[1].split(";")[0])
    assert len(new(one, monkeypatch, tmp_path)[1].frame) == 30


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=;\n# made by a program"])
def test_the_line_for_excel_before_a_table_is_passed_over(tmp_path, monkeypatch, first):
    rows = [[SENTENCE.format(i), "qr"[i % 2]] for i in range(30)]
    data = table(tmp_path / "d.csv", ["text", "label"], rows, mark=";")
    data.write_text(first + "\n" + data.read_text())
    entry, seen, _, _ = new(data, monkeypatch, tmp_path)
    assert entry["separator"] == "semicolon" and len(seen.frame) == 30


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE")])
@pytest.mark.parametrize("last", ["label", "c_f"])
def test_columns_of_true_and_false_are_features_where_there_are_no_others(tmp_path, monkeypatch, words, last):
    flags = np.unpackbits(np.arange(32, dtype=np.uint8)[:, None], axis=1)[:, 3:]
    flags = np.column_stack([flags, flags[:, 0] ^ flags[:, 1]])
    rows = [
        [i, *(words[flag] for flag in row), *(["qr"[i % 2]] if last == "label" else [])] for i, row in enumerate(flags)
    ]
    head = ["id", "c_a", "c_b", "c_c", "c_d", "c_e", "c_f", *(["label"] if last == "label" else [])]
    entry, seen, _, _ = new(table(tmp_path / "d.csv", head, rows), monkeypatch, tmp_path)
    names = [name for name in head if name not in ("id", last)]
    assert entry["columns"]["features"] == names or entry["columns"]["features"] == "c_*"
    assert [target["column"] for target in entry["targets"].values()] == [last]
    assert seen.card["vector"]["width"] == len(names)
