"""Columns' roles: id, group, features and targets are those that a reader of the table would name."""

import numpy as np
import pytest

from new_configs import SENTENCE, WAVES, new, table, vectors


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


@pytest.mark.parametrize("name", ["run", "instrument"])
def test_a_run_that_crosses_the_samples_does_not_hide_their_replicates(tmp_path, monkeypatch, name):
    rows = [[f"S{i // 3:03}", i % 3 + 1, "AB"[i // 3 % 2], *row] for i, row in enumerate(vectors(120))]
    path = table(tmp_path / "a" / "r.csv", ["sample_id", name, "class", *WAVES], rows)
    entry, _, said, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["group"] == "sample_id" and name not in entry["targets"] and f"'{name}'" in said


@pytest.mark.parametrize("names", [WAVES, ["ash", "fat", "fibre", "sugar", "salt", "starch"]])
def test_the_last_number_is_learnt_where_the_only_words_are_ids(tmp_path, monkeypatch, names):
    rows = [[f"P{i // 2}", *row, f"{float(row[0]) + 2:.3f}"] for i, row in enumerate(vectors(120))]
    entry, _, _, _ = new(table(tmp_path / "a" / "t.csv", ["Probe", *names, "Feuchte"], rows), monkeypatch, tmp_path)
    assert list(entry["targets"]) == ["Feuchte"] and entry["columns"]["group"] == "Probe"


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


@pytest.mark.parametrize("unit", [" nm", "_cm", "eV"])
def test_columns_with_a_number_before_a_unit_are_one_pattern_and_a_number_beside_them_is_learnt(
    tmp_path, monkeypatch, unit
):
    head = [*(f"{900 + 10 * i}{unit}" for i in range(8)), "moisture", "material"]
    rows = [[*row[:8], f"{i * 0.37 % 5:.2f}", "ab"[i % 2]] for i, row in enumerate(vectors(80, 8))]
    entry, _, _, _ = new(table(tmp_path / "a" / "t.csv", head, rows), monkeypatch, tmp_path)
    assert entry["columns"]["features"] == f"*{unit}"
    kinds = {target["column"]: target.get("kind") for target in entry["targets"].values()}
    assert kinds == {"moisture": "regression", "material": None}


def test_a_pattern_takes_in_no_other_column(tmp_path, monkeypatch):
    head = ["patient", *(f"p{i}" for i in range(8)), "label"]
    rows = [[f"Q{i // 4}", *row, "ab"[i // 4 % 2]] for i, row in enumerate(vectors(80, 8))]
    entry, seen, _, _ = new(table(tmp_path / "a" / "t.csv", head, rows), monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == 8 and entry["columns"]["group"] == "patient"


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


def test_ids_that_start_anew_in_every_table_are_left_out(tmp_path, monkeypatch):
    for start, name in ((0, "train"), (100, "test")):
        rows = [[i, SENTENCE.format(start + i), "qr"[i % 2]] for i in range(30)]
        table(tmp_path / "study" / f"{name}.csv", ["id", "text", "label"], rows)
    entry, seen, said, _ = new(tmp_path / "study", monkeypatch, tmp_path)
    assert "id" not in entry["columns"] and len(seen.frame) == 60
    assert "column 'id' is not taken as the id" in said


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
