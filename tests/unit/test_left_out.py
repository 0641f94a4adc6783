"""Rows that are left out: a split that the user gave is never redrawn for them, and a class that is lost is noted."""

import pytest

from graft.common.errors import UserError
from tiny_data import prepared, write_lines

GIVEN = {"table": "t.csv", "columns": {"features": "f*", "split": "part"}}
DRAWN = {"table": "t.csv", "columns": {"features": "f*"}}
TRAIN = [f"{i},{i * 7 % 11},{'ab'[i % 2]},train" for i in range(60)]
TEST = [f"{i},5,{'ab'[i % 2]},test" for i in range(100, 120)]


def write(folder, rows):
    write_lines(folder, "f0,f1,label,part", *rows)


def refusal(root, **entry):
    with pytest.raises(UserError) as error:
        prepared(root, **entry)
    return str(error.value)


def test_a_given_test_split_without_a_class_of_train_is_not_drawn_anew_and_every_hint_works(tmp_path):
    write(tmp_path, [*TRAIN, *(f"{i},5,{'cd'[i % 2]},test" for i in range(100, 120))])
    said = refusal(tmp_path, targets={"label": {"min_per_class": 1}}, **GIVEN)
    assert "the test split that you gave has no row left of 20" in said
    assert "t.csv, row 61: its class has too few rows to train on (`min_per_class`)" in said
    assert "the same names of classes in all splits" in said and "take the test rows out of the data" in said
    write(tmp_path, [*TRAIN, *TEST])
    assert prepared(tmp_path, targets={"label": {"min_per_class": 1}}, **GIVEN).card["counts"]["test"] == 20
    write(tmp_path, TRAIN)
    found = prepared(tmp_path, targets={"label": {"min_per_class": 1}}, **GIVEN)
    assert found.card["split"]["taken_from_train"] == ["validation", "test"]


def test_a_smaller_class_size_brings_a_given_test_split_back_as_the_hint_says(tmp_path):
    write(tmp_path, [*TRAIN, *(f"{i},9,c,train" for i in range(200, 210)), *(f"{i},5,c,test" for i in range(100, 120))])
    assert "a smaller `min_per_class`" in refusal(tmp_path, targets={"label": {"min_per_class": 11}}, **GIVEN)
    assert prepared(tmp_path, targets={"label": {"min_per_class": 10}}, **GIVEN).card["counts"]["test"] == 20


def test_a_given_test_split_that_cannot_be_read_is_not_drawn_anew_and_the_hint_works(tmp_path):
    write(tmp_path, [*TRAIN, *(f",5,{'ab'[i % 2]},test" for i in range(20))])
    said = refusal(tmp_path, on_bad="skip", **GIVEN)
    assert "t.csv, row 80: cannot be used (`on_bad: skip`)" in said and "fix the rows that cannot be used" in said
    write(tmp_path, [*TRAIN, *TEST])
    assert prepared(tmp_path, on_bad="skip", **GIVEN).card["counts"]["test"] == 20


def test_a_given_test_split_of_copies_with_two_classes_is_not_drawn_anew_and_the_hint_works(tmp_path):
    write(tmp_path, [*TRAIN, *(f"{i},{i * 7 % 11},{'ba'[i % 2]},test" for i in range(20))])
    said = refusal(tmp_path, duplicates="drop", **GIVEN)
    assert "t.csv, row 80: is a copy (`duplicates: drop`)" in said and "`duplicates: allow`" in said
    assert prepared(tmp_path, duplicates="allow", **GIVEN).card["counts"]["test"] == 20


def test_a_test_split_that_never_had_a_label_is_drawn_out_of_train_with_a_note(tmp_path):
    write(tmp_path, [*TRAIN, *(f"{i},5,,test" for i in range(100, 120))])
    found = prepared(tmp_path, **GIVEN)
    assert "test" in found.card["split"]["taken_from_train"]
    assert "20 rows have a split but no label: they are in the pool" in found.card["notes"]


def test_a_class_that_is_lost_with_rows_that_cannot_be_used_is_noted(tmp_path):
    write(tmp_path, [*TRAIN, *(f",{i},rare," for i in range(4))])
    found = prepared(tmp_path, on_bad="skip", **DRAWN)
    assert found.targets["label"]["classes"] == ["a", "b"]
    assert any("class 'rare' is gone: 4 of its 4 rows cannot be used" in note for note in found.card["notes"])


def test_a_class_that_is_lost_with_copies_is_noted(tmp_path):
    write(tmp_path, [*TRAIN, *(f"{i},{i * 7 % 11},rare," for i in range(4)), ",1,rare,"])
    found = prepared(tmp_path, duplicates="drop", on_bad="skip", **DRAWN)
    assert found.targets["label"]["classes"] == ["a", "b"]
    said = "class 'rare' is gone: 1 of its 5 rows cannot be used, 4 are copies"
    assert any(said in note for note in found.card["notes"])


def test_nothing_that_stays_is_said_so_and_the_hint_works(tmp_path):
    write(tmp_path, [f"{i % 20},{i % 20},{'ab'[i // 20]}," for i in range(40)])
    said = refusal(tmp_path, duplicates="drop", **DRAWN)
    assert "none of 40 labelled rows is left" in said and "`duplicates: allow`" in said
    assert len(prepared(tmp_path, duplicates="allow", **DRAWN).frame) == 40
