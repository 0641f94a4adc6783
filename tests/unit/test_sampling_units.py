"""What intervals draw together: rows of a group, of one content, and near copies, in each split by itself."""

import numpy as np
import pandas as pd
import pytest

from graft.data.splitting import alike
from tiny_data import prepared, write_lines


def frame_of(rows):
    """A frame of (split, group, content)."""
    splits, groups, contents = zip(*rows, strict=True)
    ids = [f"s{i}" for i in range(len(rows))]
    frame = pd.DataFrame({"sample_id": ids, "split": splits, "group": pd.Series(groups, dtype="str")})
    return frame.assign(same_sha256=contents, alike=contents)


def partition(frame, pairs=None):
    """The samples that are drawn together, as a set of sets; those that are alone are left out."""
    units = alike.sampling_units(frame, pairs)
    return {frozenset(frame["sample_id"][part]) for _, part in units.groupby(units).groups.items()}


def test_rows_that_stand_alone_have_no_unit():
    assert alike.sampling_units(frame_of([("test", None, "a"), ("test", " ", "b")]), None).isna().all()


def test_groups_contents_and_near_copies_are_joined_one_to_the_next_within_a_split_alone():
    frame = frame_of(
        [
            ("test", "p1", "a"),  # s0 and s1: one patient
            ("test", "p1", "b"),
            ("test", None, "b"),  # s2 has the content of s1
            ("test", None, "c"),  # s3 is nearly s2
            ("test", None, "d"),
            ("train", None, "c"),  # s5 has the content of s3, in another split
            ("train", None, "e"),  # s6 is nearly s5
            ("pool", "p9", "f"),
        ]
    )
    pairs = np.array([["b", "c"], ["c", "e"], ["d", "x"]], dtype=object)
    assert partition(frame, pairs) == {frozenset({"s0", "s1", "s2", "s3"}), frozenset({"s5", "s6"}), frozenset({"s7"})}


def test_a_group_that_is_called_like_a_sample_is_another_unit():
    frame = frame_of([("test", "s1", "a"), ("test", None, "b"), ("test", None, "b")])
    assert partition(frame) == {frozenset({"s0"}), frozenset({"s1", "s2"})}


@pytest.mark.parametrize("near", ["together", "ignore"])
def test_near_copies_in_a_given_test_split_are_one_unit_where_they_are_looked_for(tmp_path, near):
    text = "the very same words about the clipper chip are in each of these replies number {}"
    lines = [f"s{i},{text.format('word' + chr(97 + i))},{'ab'[i % 2]},test" for i in range(6)]
    words = np.random.default_rng(0).permutation([f"w{i}" for i in range(400)])
    lines += [f"t{i},{' '.join(words[10 * i : 10 * i + 10])},{'ab'[i % 2]},train" for i in range(24)]
    write_lines(tmp_path, "id,text,label,split", *lines)
    made = prepared(
        tmp_path,
        table="t.csv",
        columns={"id": "id", "text": "text", "split": "split"},
        split={"validation": 0.2, "near_duplicates": near},
    )
    units = made.frame.set_index("sample_id")["sampling_unit"]
    assert units[units.index.str.startswith("s")].nunique() == (near == "together")
    assert units[units.index.str.startswith("t")].isna().all()


def test_a_blank_of_every_plate_that_may_stand_in_several_splits_joins_no_plates_in_an_interval(tmp_path):
    part = ["train"] * 60 + ["validation"] * 24 + ["test"] * 36
    lines = [f"s{i},{i if i % 6 else 0},{i % 7 if i % 6 else 0},{'ab'[i % 2]},p{i // 6},{part[i]}" for i in range(120)]
    write_lines(tmp_path, "id,f0,f1,label,plate,split", *lines)
    columns = {"id": "id", "features": "f*", "group": "plate", "split": "split"}
    made = prepared(tmp_path, table="t.csv", columns=columns, duplicates="allow")
    test = made.frame[made.frame["split"] == "test"]
    assert test["sampling_unit"].nunique() == test["group"].nunique() == 6
