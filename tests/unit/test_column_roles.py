"""What a table's columns are taken for: by their values as well as their names, whatever the language of the names."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import yaml

from graft.config import load
from graft.data.prepare import prepare
from graft.data.survey.column_facts import describe
from graft.data.survey.columns import guess_roles
from new_config import main

MEASURES = ["area", "perimeter", "excentricity", "solidity", "brightness", "texture"]


def measured(rows=150, names=MEASURES, **others):
    """A table of features without a common stem, a class of two words, and other columns."""
    draw = np.random.default_rng(0)
    features = pd.DataFrame(draw.normal(size=(rows, len(names))).round(4), columns=list(names))
    return features.assign(result=np.where(draw.random(rows) < 0.5, "good", "bad"), **others)


def roles_of(frame):
    return guess_roles(describe(pa.Table.from_pandas(frame.astype(str), preserve_index=False)))


def used(roles):
    """All columns that would be features or targets."""
    features = roles.content[1]
    return {*([features] if isinstance(features, str) else features), *(name for name, _ in roles.targets)}


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["column 1", "spot", "Nummer", "concentration"])
@pytest.mark.parametrize("place", [0, 3, 7])
def test_numbers_that_count_the_rows_are_never_learnt(name, first, place):
    frame = measured()
    frame.insert(place, name, np.arange(150) + first)
    frame["cell"] = [f"c{i}x" for i in range(150)]
    assert used(roles_of(frame)) == {*MEASURES, "result"}


def test_numbers_that_count_the_rows_are_no_target_where_nothing_else_is_left():
    frame = measured().drop(columns="result")
    frame["last"] = np.arange(150)
    assert roles_of(frame).targets == [("texture", "regression")]


@pytest.mark.parametrize("name", ["Unnamed: 0", "Unnamed: 12", "column 1", "序号", "n°", "Nr.", "编号"])
def test_columns_without_a_name_and_numbers_of_rows_are_never_learnt(name):
    frame = measured()
    frame.insert(3, name, np.random.default_rng(1).permutation(150) * 3 + 1)  # the first may be taken for the id
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize("kind", ["day after day", "a few days"])
def test_whole_numbers_that_are_dates_are_never_learnt(kind):
    days = pd.date_range("2024-01-01", periods=150 if kind == "day after day" else 6).strftime("%Y%m%d").astype(int)
    frame = measured(measuredOn=np.resize(days, 150))
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize(
    "name",
    ["acq_time", "AcquisitionTime", "plate_row", "plate_col", "wellColumn", "Messdatum", "datum", "fecha", "heure"]
    + ["Uhrzeit", "日期", "timestamp", "scan date"],
)
def test_names_of_places_on_a_plate_and_of_times_are_never_learnt(name):
    frame = measured()
    frame.insert(2, name, np.random.default_rng(1).integers(0, 10**6, 150) / 7)
    assert used(roles_of(frame)) == {*MEASURES, "result"}


@pytest.mark.parametrize("name", ["retention_time", "row_sum", "colour", "update_rate", "time_constant", "centroid_x"])
def test_measures_that_are_named_after_a_time_or_place_stay_features(name):
    frame = measured()
    frame.insert(2, name, np.random.default_rng(1).normal(size=150))
    assert name in used(roles_of(frame))


@pytest.mark.parametrize(
    "name", ["Patientennummer", "subj", "Charge", "lote", "Proband", "experiment", "CellLine", "Kultur", "Versuchstier"]
)
@pytest.mark.parametrize("order", ["one after the other", "not sorted", "shuffled"])
def test_whole_numbers_of_patients_are_the_group_whatever_their_name(name, order):
    patients = np.repeat(np.arange(1, 31), 5)
    if order == "not sorted":
        patients = np.repeat(np.random.default_rng(2).choice(9000, 30, replace=False) + 1000, 5)
    frame = measured()
    frame.insert(3, name, patients)
    frame["result"] = np.where(frame[name] * 7919 % 13 > 6, "good", "bad")  # one diagnosis per patient
    if order == "shuffled":
        frame = frame.sample(frac=1, random_state=3)
    roles = roles_of(frame)
    assert roles.group == name and used(roles) == {*MEASURES, "result"}
    assert roles.why_group in (None, "each of its 30 values is in about 5 rows")  # None where the name says it


def test_whole_numbers_of_patients_on_several_plates_are_never_learnt():
    frame = measured(plate=np.repeat(["P1", "P2", "P3"], 50))
    frame.insert(3, "Kultur", np.repeat(np.arange(1, 31), 5))
    roles = roles_of(frame)
    assert roles.group == "plate" and used(roles) == {*MEASURES, "result"}


@pytest.mark.parametrize("name", ["n_spots", "Alter", "neighbours", "loops"])
def test_counts_and_ages_in_no_order_stay_features_and_are_said(name):
    frame = measured(400)
    draw = np.random.default_rng(4)
    frame.insert(3, name, draw.integers(20, 80, 400))
    roles = roles_of(frame)
    assert roles.group is None and name in used(roles)
    said = any(f"'{name}'" in note and "belong together" in note for note in roles.notes)
    assert said == (name in ("neighbours", "loops"))  # the other names say what they are


@pytest.mark.parametrize("name", ["age", "Alter", "n_cells", "count", "dose"])
def test_sorted_counts_and_ages_stay_features_where_their_name_says_so(name):
    frame = measured(150)
    frame.insert(3, name, np.repeat(np.arange(20, 50), 5))
    assert roles_of(frame).group is None and name in used(roles_of(frame))


def test_sorted_values_with_holes_stay_a_feature_and_are_said():
    frame = measured(150)
    frame.insert(3, "peaks", np.repeat(np.cumsum(np.random.default_rng(0).integers(1, 9, 30)), 5))
    roles = roles_of(frame)
    assert roles.group is None and "peaks" in used(roles)
    assert any("'peaks'" in note and "belong together" in note for note in roles.notes)


def test_a_family_of_whole_numbers_holds_no_group():
    frame = measured(150, [])
    for i in range(6):
        frame[f"gene{i}"] = np.repeat(np.arange(1, 31), 5) if i == 2 else np.random.default_rng(i).integers(0, 30, 150)
    roles = roles_of(frame)
    assert roles.group is None and roles.content == ("features", "gene*") and not roles.notes


@pytest.mark.parametrize("name", ["患者编号", "病人", "受试者", "paciente", "Spender-Nr", "sujet", "Patientin"])
def test_names_of_groups_in_other_languages(name):
    frame = measured()
    frame.insert(3, name, np.random.default_rng(2).integers(1, 9, 150))
    roles = roles_of(frame)
    assert roles.group == name and used(roles) == {*MEASURES, "result"}


@pytest.mark.parametrize("name", ["Klasse", "类别", "标签", "Diagnose", "clase", "categoría", "espèce"])
def test_names_of_targets_in_other_languages(name):
    frame = measured(level=np.where(np.arange(150) % 2, "low", "high"))
    frame[name] = frame.pop("result")
    assert roles_of(frame).targets[0] == (name, "classification")


def test_the_patient_is_the_group_where_samples_repeat_within_patients():
    frame = measured(180)
    frame["sample_id"] = [f"S{i // 3}" for i in range(180)]
    frame["Kultur"] = np.repeat(np.arange(1, 31), 6)
    assert roles_of(frame).group == "Kultur"


@pytest.mark.parametrize("words", [["#NV"], ["n.n."], ["#WERT!", "k. A."], ["-"], ["未知"]])
@pytest.mark.parametrize("name", ["y", "protein"])
def test_numbers_with_a_few_words_for_missing_are_learnt_as_numbers(tmp_path, monkeypatch, words, name):
    values = np.random.default_rng(1).normal(10, 2, 150).round(3).astype(str).astype(object)
    for number, word in enumerate(words):
        values[number::10] = word
    values[5::50] = "NA"
    measured(**{name: values}).to_csv(tmp_path / "t.csv", index=False)
    monkeypatch.chdir(tmp_path)
    said = main("t.csv", "t.yaml")
    ((_, entry),) = load(yaml.safe_load((tmp_path / "t.yaml").read_text()))["datasets"].items()
    assert entry["targets"][name]["kind"] == "regression" and set(words) <= set(entry["missing"])
    assert all(f"'{word}'" in said for word in words)
    found = prepare("t", entry, tmp_path)
    assert found.frame[name].isna().sum() == np.isin(values, [*words, "NA"]).sum()


def test_a_feature_with_a_word_for_missing_is_no_target_and_is_said():
    frame = measured().astype(object)
    frame.loc[7, "solidity"] = "#NV"
    roles = roles_of(frame)
    assert used(roles) == {*MEASURES, "result"} - {"solidity"}
    assert any("'#NV'" in note and "solidity" in note for note in roles.notes)


def test_numbers_with_many_words_stay_words():
    values = np.where(np.arange(150) % 3, "unknown", np.arange(150).astype(str))
    assert roles_of(measured(y=values)).targets == [("result", "classification")]


@pytest.mark.parametrize("name", ["fold", "CV_Fold", "cvFold"])
def test_folds_are_never_learnt_and_are_proposed(name):
    roles = roles_of(measured(**{name: np.arange(150) % 5}))
    assert used(roles) == {*MEASURES, "result"} and any(f"columns: {{fold: {name}}}" in note for note in roles.notes)


@pytest.mark.parametrize(
    ("name", "values"),
    [("is_test", [0, 1]), ("isTrain", ["True", "False"]), ("set", ["train", "external"])]
    + [("Set", ["Calibration", "Prediction"]), ("use", ["cal", "val", "external"])],
)
def test_columns_that_look_like_a_split_are_never_learnt_and_are_said(name, values):
    roles = roles_of(measured(**{name: np.resize(values, 150)}))
    assert used(roles) == {*MEASURES, "result"} and roles.split is None
    assert any(f"'{name}'" in note and "train, validation, test or pool" in note for note in roles.notes)


@pytest.mark.parametrize(("name", "first", "many"), [("class", 1, 30), ("species", 1001, 40), ("label", 0, 50)])
def test_whole_numbers_that_repeat_under_a_name_of_classes_are_classes(name, first, many):
    frame = measured(400).drop(columns="result").assign(**{name: first + np.arange(400) % many})
    assert roles_of(frame).targets == [(name, "classification")]


def test_many_classes_of_words_are_learnt_where_the_name_says_so():
    frame = measured(900).drop(columns="result").assign(**{"class": [f"kind {i % 300}" for i in range(900)]})
    assert roles_of(frame).targets == [("class", "classification")]


@pytest.mark.parametrize("name", ["activity", "response", "y"])
def test_whole_numbers_of_a_measure_stay_numbers(name):
    frame = measured(400).drop(columns="result").assign(**{name: np.arange(400) % 30})
    assert roles_of(frame).targets == [(name, "regression")]


@pytest.mark.parametrize("name", ["groups", "Groups"])
def test_groups_of_arrays_are_never_learnt(name):
    frame = pd.DataFrame({"y": np.arange(90) % 2, name: np.arange(90) // 3 % 20})
    table = describe(pa.Table.from_pandas(frame.astype(str), preserve_index=False))
    roles = guess_roles(table, content=("features", "X"))
    assert roles.targets == [("y", "classification")] and roles.group == name
