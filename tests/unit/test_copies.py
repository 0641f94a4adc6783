"""Rows of one content: copies and replicates are in one split and one fold, or are refused, or are dropped."""

import unicodedata

import numpy as np
import pandas as pd
import pytest

from graft.common.errors import UserError
from tiny_data import prepared, write_lines

TEXT = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}


def parts_of(made, key="content_sha256"):
    """The different (split, fold) of each content."""
    return made.frame.groupby(key)[["split", "fold"]].agg(lambda values: len(set(values)))


def test_copies_stand_in_one_split_and_one_fold_so_that_out_of_fold_is_honest(tmp_path):
    lines = [f"s{i},text {i % 200},{'ab'[i % 2]}" for i in range(400)] + [
        f"t{i},own {i},{'ab'[i % 2]}" for i in range(100)
    ]
    write_lines(tmp_path, "id,text,label", *lines)
    for seed in range(3):
        made = prepared(tmp_path, split_seed=seed, folds=5, **TEXT)
        assert len(made.frame) == 500 and (parts_of(made) == 1).all(axis=None)
        assert sum("200 contents are in 400 labelled rows" in note for note in made.card["notes"]) == 1
        assert abs(made.card["counts"]["test"] - 100) <= 2


@pytest.mark.parametrize(
    "other", [lambda t: f" {t}\n", lambda t: t.replace("\n", "\r\n"), lambda t: unicodedata.normalize("NFD", t)]
)
def test_texts_that_only_differ_in_outer_blanks_line_ends_or_composition_are_copies(tmp_path, other):
    texts = [f"Gewebe {i}\naus Z\u00fcrich" for i in range(60)]
    table = {"id": range(120), "text": texts + [other(text) for text in texts], "label": ["a", "b"] * 60}
    pd.DataFrame(table).to_parquet(tmp_path / "t.parquet")
    entry = {**TEXT, "table": "t.parquet", "folds": 5}
    made = prepared(tmp_path, **entry)
    assert made.frame["content_sha256"].is_unique  # what is embedded is each text as it is
    number = made.frame["sample_id"].astype(int) % 60
    assert (made.frame.groupby(number)[["split", "fold"]].nunique() == 1).all(axis=None)
    assert any("60 contents are in 120 labelled rows" in note for note in made.card["notes"])
    assert len(prepared(tmp_path, duplicates="drop", **entry).frame) == 60
    pd.DataFrame(table).assign(label=["a"] * 60 + ["b"] * 60).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="60 contents are in several splits or have two labels"):
        prepared(tmp_path, **entry)


def test_copies_of_one_text_join_the_groups_that_they_stand_in(tmp_path):
    lines = [f"s{i},{'shared' if i in (3, 41, 77) else f'text {i}'},{'ab'[i % 2]},g{i // 5}" for i in range(100)]
    write_lines(tmp_path, "id,text,label,who", *lines)
    columns = {**TEXT["columns"], "group": "who"}
    notes = prepared(tmp_path, table="t.csv", columns=columns).card["notes"]
    assert any(note.startswith("20 groups: train ") and "3 of them share a content" in note for note in notes)
    for seed in range(4):
        frame = prepared(tmp_path, table="t.csv", columns=columns, split_seed=seed).frame
        joined = frame[frame["group"].isin(["g0", "g8", "g15"])]
        assert joined["split"].nunique() == joined["fold"].nunique() == 1
        assert (frame.groupby("group")["split"].nunique() == 1).all()


def replicates(folder, **more):
    """100 molecules, each measured three times, and two molecules measured three times with one value."""
    rows = [(f"m{m}-{r}", f"molecule {m}", m + (0 if m < 2 else r / 10)) for m in range(100) for r in range(3)]
    write_lines(folder, "id,text,value", *(",".join(map(str, row)) for row in rows))
    return prepared(folder, **TEXT, targets={"value": {"kind": "regression"}}, **more)


def test_replicate_values_of_a_measurement_are_no_two_labels_and_stay_together(tmp_path):
    made = replicates(tmp_path)
    assert len(made.frame) == 300 and (parts_of(made) == 1).all(axis=None)
    assert not any(fact["two_labels"] for fact in made.card["duplicates"])
    assert made.frame.groupby("content_sha256")["value"].count().eq(3).all()


def test_dropping_duplicates_keeps_replicates_and_drops_what_says_nothing_new(tmp_path):
    made = replicates(tmp_path, duplicates="drop")
    assert len(made.frame) == 98 * 3 + 2 and {"m0-0", "m1-0"} <= set(made.frame["sample_id"])
    assert sorted(sum((fact["dropped"] for fact in made.card["duplicates"]), [])) == ["m0-1", "m0-2", "m1-1", "m1-2"]


def test_replicates_in_two_given_splits_are_refused_and_those_of_test_stay_when_dropped(tmp_path):
    rows = [
        (f"m{m}-{r}", f"molecule {m}", m + r / 10, ["train", "validation", "test"][m % 3])
        for m in range(30)
        for r in range(2)
    ]
    rows += [("x-1", "both", 1.0, "train"), ("x-2", "both", 2.0, "test"), ("x-3", "both", 3.0, "test")]
    write_lines(tmp_path, "id,text,value,part", *(",".join(map(str, row)) for row in rows))
    entry = {"table": "t.csv", "columns": {**TEXT["columns"], "split": "part"}}
    entry["targets"] = {"value": {"kind": "regression"}}
    with pytest.raises(UserError, match="1 contents are in several splits") as error:
        prepared(tmp_path, **entry)
    assert "x-1" not in str(error.value) and "duplicates: drop" in str(error.value)
    kept = set(prepared(tmp_path, duplicates="drop", **entry).frame["sample_id"])
    assert kept & {"x-1", "x-2", "x-3"} == {"x-2", "x-3"} and len(kept) == 62
    assert len(prepared(tmp_path, duplicates="allow", **entry).frame) == 63


def test_copies_with_two_classes_are_refused_though_they_would_stand_together(tmp_path):
    lines = [f"s{i},text {i % 30},{'ab'[(i + (i == 34)) % 2]}" for i in range(60)]
    write_lines(tmp_path, "id,text,label", *lines)
    with pytest.raises(UserError, match="1 contents are in several splits or have two labels"):
        prepared(tmp_path, **TEXT)
    kept = prepared(tmp_path, duplicates="drop", **TEXT).frame
    assert len(kept) == 29 and not {"s4", "s34"} & set(kept["sample_id"])


def test_a_label_that_only_one_of_two_copies_has_is_not_lost_when_copies_are_dropped(tmp_path):
    lines = [f"s{i},text {i},{'ab'[i % 2]},{'uv'[i // 2 % 2]}" for i in range(60)]
    write_lines(tmp_path, "id,text,label,other", *lines, "x1,same,a,", "x2,same,,u", "x3,same,a,")
    found = prepared(tmp_path, duplicates="drop", targets={"label": {}, "other": {}}, **TEXT).frame
    found = found[found["sample_id"].str.startswith("x")]
    assert found["sample_id"].tolist() == ["x1", "x2"] and found["split"].nunique() == 1


def test_copies_in_two_given_folds_are_refused_and_every_hint_of_that_works(tmp_path):
    lines = [
        f"s{i},text {i % 20 if i < 40 else i},{'ab'[i % 2]},{['train', 'validation', 'test'][i // 40]},{i % 3}"
        for i in range(100)
    ]
    write_lines(tmp_path, "id,text,label,part,fold", *lines)
    entry = {"table": "t.csv", "columns": {**TEXT["columns"], "split": "part", "fold": "fold"}}
    with pytest.raises(UserError, match="20 contents are in several folds") as error:
        prepared(tmp_path, **entry)
    assert "t.csv, row 1 [fold 0]" in str(error.value)
    assert set(prepared(tmp_path, duplicates="allow", **entry).frame["fold"]) == {-1, 0, 1, 2}
    drawn = prepared(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"})
    assert (parts_of(drawn)["fold"] == 1).all()


def test_there_are_no_more_folds_than_contents(tmp_path):
    lines = [f"s{i},text {i % 3},{'ab'[i % 2]},train" for i in range(30) if i % 6 < 3]
    lines += [f"t{i},other {i},{'ab'[i % 2]},{['validation', 'test'][i % 4 // 2]}" for i in range(16)]
    frame = pd.DataFrame([line.split(",") for line in lines], columns=["id", "text", "label", "part"])
    frame.loc[frame["part"] == "train", "label"] = np.where(frame["text"].str.endswith("1"), "b", "a")[
        : (frame["part"] == "train").sum()
    ]
    frame.to_csv(tmp_path / "t.csv", index=False)
    made = prepared(tmp_path, table="t.csv", columns={**TEXT["columns"], "split": "part"}, folds=5)
    assert made.card["folds"] == [0, 1, 2] and any("folds: 3 instead of 5" in note for note in made.card["notes"])


def test_blank_wells_on_every_plate_are_named_and_both_hints_keep_the_plates_whole(tmp_path):
    lines = [
        f"s{i},{'blank' if i % 6 == 0 else f'text {i}'},{'a' if i % 6 == 0 else 'ab'[i % 2]},p{i // 6}"
        for i in range(120)
    ]
    write_lines(tmp_path, "id,text,label,plate", *lines)
    entry = {"table": "t.csv", "columns": {**TEXT["columns"], "group": "plate"}}
    with pytest.raises(UserError, match="20 groups count as 1, too few for 3 splits") as error:
        prepared(tmp_path, **entry)
    assert "1 contents are in several groups" in str(error.value)
    assert "in 20 groups: s0, s6, s12, s18 and 16 more" in str(error.value)
    for way, rows, said in (("drop", 101, "20 groups: train 1"), ("allow", 120, "1 contents are in several splits")):
        assert f"`duplicates: {way}`" in str(error.value)
        made = prepared(tmp_path, duplicates=way, **entry)
        assert len(made.frame) == rows and any(note.startswith(said) for note in made.card["notes"])
        assert (made.frame.groupby("group")[["split", "fold"]].nunique() == 1).all(axis=None)
        assert abs(made.card["counts"]["test"] - rows / 5) <= 6
