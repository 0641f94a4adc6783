"""Words: only whole words say what a column or a file is, and a column of words is what its values make it."""

import pytest

from graft.data.survey.words import is_aside, is_replicate, says_group, says_id, says_target, split_of_name, words_of
from new_configs import SENTENCE, WAVES, new, table, vectors


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


def test_molecules_of_several_values_are_texts_and_one_split_holds_all_of_one(tmp_path, monkeypatch):
    rows = [["C" * (i // 3 + 1) + "O", round(i * 0.37 % 5, 2)] for i in range(90)]
    entry, seen, _, _ = new(table(tmp_path / "a" / "m.csv", ["smiles", "activity"], rows), monkeypatch, tmp_path)
    assert entry["columns"] == {"text": "smiles"} and entry["targets"]["activity"]["kind"] == "regression"
    assert seen.frame.groupby("content_sha256")["split"].nunique().max() == 1


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
    assert "nothing to learn: column 'assay': one text has several values of it" in said
