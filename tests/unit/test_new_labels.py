"""New labels for rows of the pool: these are train rows then, validation and test stay, and what does not fit is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.common.fingerprint import fingerprint
from tiny_data import prepared, write_lines

VECTORS = {"table": "t.csv", "columns": {"features": "f*", "id": "id"}, "duplicates": "allow"}


def table(root, labels, head="label", rows=None):
    """A table of len(labels) vectors; an empty label is a row of the pool. Two rows of `rows` with one number have one content."""
    values = np.random.default_rng(0).normal(size=(len(labels), 2)).round(4)
    values = values[list(rows or range(len(labels)))]
    lines = [f"s{i},{a},{b},{label}" for i, ((a, b), label) in enumerate(zip(values, labels, strict=True))]
    write_lines(root, f"id,f0,f1,{head}", *lines)


def labels_file(root, *lines, name="new.csv"):
    write_lines(root, *lines, name=name)
    return str(root / name)


@pytest.fixture
def lab(tmp_path):
    """60 rows of two classes, of which every fifth has no label."""
    (tmp_path / "data").mkdir()
    table(tmp_path / "data", ["" if i % 5 == 0 else "ab"[i % 2] for i in range(60)])
    return tmp_path


def splits(found):
    return found.frame.set_index("sample_id")["split"]


def test_rows_of_the_pool_become_train_rows_and_all_others_stay_where_they_were(lab):
    before = prepared(lab / "data", **VECTORS)
    file = labels_file(lab, "sample_id,label,remark", "s0,a,sure", "s5, b ,", "s10,,no idea")
    after = prepared(lab / "data", **VECTORS, labels=file)
    changed = splits(before) != splits(after)
    assert changed.index[changed].tolist() == ["s0", "s5"] and set(splits(after)[changed]) == {"train"}
    found = after.frame.set_index("sample_id")
    assert found.loc[["s0", "s5"], "label"].tolist() == ["a", "b"] and (found.loc[["s0", "s5"], "fold"] >= 0).all()
    assert "labels: 2 rows have a new label, and are train rows" in after.card["notes"]
    assert after.card["counts"]["pool"] == before.card["counts"]["pool"] - 2


def test_several_files_are_taken_one_after_the_other(lab):
    files = [labels_file(lab, "sample_id,label", f"s{i},a", name=f"{i}.csv") for i in (0, 5)]
    assert splits(prepared(lab / "data", **VECTORS, labels=files))[["s0", "s5"]].tolist() == ["train", "train"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["sample_id,label", "s1,a"], "have one already"),
        (["sample_id,label", "x9,a"], "samples that are not in the data"),
        (["sample_id,label", "s0,c"], "not among the classes"),
        (["sample_id,label", "s0,a", "s0,b"], "have two new labels"),
        (["id,label", "s0,a"], "has the columns id, label"),
        (["sample_id,class", "s0,a"], "has the columns sample_id, class"),
        ([], "is not a CSV file"),
        (None, "there is no such file"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(lab, lines, said):
    file = labels_file(lab, *lines) if lines else str(lab / "new.csv")
    if lines == []:
        (lab / "new.csv").write_text("")
    with pytest.raises(UserError, match=said):
        prepared(lab / "data", **VECTORS, labels=[file])


def test_a_sample_of_test_keeps_its_place_whatever_a_file_says(lab):
    tested = splits(prepared(lab / "data", **VECTORS)).loc[lambda split: split == "test"].index[0]
    with pytest.raises(UserError, match=rf"'{tested}' \(test, label\)"):
        prepared(lab / "data", **VECTORS, labels=labels_file(lab, "sample_id,label", f"{tested},a"))


def test_labels_that_the_pool_hides_may_be_asked_for_and_only_those_are_learned_from(lab):
    entry = {**VECTORS, "split": {"validation": 0.2, "test": 0.2, "pool": 0.5}}
    before = prepared(lab / "data", **entry)
    one, other = before.hidden["sample_id"].iloc[:2]
    after = prepared(lab / "data", **entry, labels=labels_file(lab, "sample_id,label", f"{one},b"))
    found = after.frame.set_index("sample_id")
    assert (found.loc[one, "split"], found.loc[one, "label"]) == ("train", "b") and found.loc[other, "split"] == "pool"
    assert set(before.hidden["sample_id"]) - set(after.hidden["sample_id"]) == {one}


def test_what_belongs_to_a_group_or_content_of_test_stays_in_the_pool(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [f"{'ab'[i % 2] if i < 40 else ''},g{i % 20}" for i in range(44)]
    table(tmp_path / "data", rows, "label,patient", rows=[*range(43), 42])
    entry = {**VECTORS, "columns": {**VECTORS["columns"], "group": "patient"}}
    before = prepared(tmp_path / "data", **entry).frame.set_index("sample_id")
    file = labels_file(tmp_path, "sample_id,label", *(f"s{i},a" for i in range(40, 44)))
    after = prepared(tmp_path / "data", **entry, labels=file)
    found = after.frame.set_index("sample_id")
    for i in range(40, 43):
        own = before.loc[f"s{i - 40}", "split"]  # of the same group
        assert found.loc[f"s{i}", "split"] == ("train" if own == "train" else "pool"), i
    both = {before.loc[name, "split"] for name in ("s2", "s3")}  # s42 and s43 share a content
    assert (found.loc["s43", "split"] == "train") == (both == {"train"})
    assert not set(found.loc[found["split"] == "train", "group"]) & set(found.loc[found["split"] == "test", "group"])


def test_a_content_that_is_labelled_otherwise_contradicts(tmp_path):
    (tmp_path / "data").mkdir()
    labels = ["ab"[i % 2] for i in range(40)] + ["", ""]
    table(tmp_path / "data", labels, rows=[*range(40), 40, 40])
    entry = {**VECTORS, "duplicates": "error"}
    file = labels_file(tmp_path, "sample_id,label", "s40,a", "s41,b")
    with pytest.raises(UserError, match="contradicts that of a row with the same content"):
        prepared(tmp_path / "data", **entry, labels=file)
    same = labels_file(tmp_path, "sample_id,label", "s40,a", "s41,a")
    assert set(splits(prepared(tmp_path / "data", **entry, labels=same))[["s40", "s41"]]) == {"train"}


def test_several_labels_numbers_and_thresholds_are_read_as_the_page_writes_them(tmp_path):
    (tmp_path / "data").mkdir()
    rows = [f"{'x;y' if i % 2 else 'z'},{i / 8},{i}" if i % 5 else ",," for i in range(60)]
    table(tmp_path / "data", rows, "tags,size,age")
    targets = {
        "tags": {"kind": "multilabel", "separator": ";"},
        "size": {"kind": "regression"},
        "age": {"threshold": 30},
    }
    tags = json.dumps(["z", "x"]).replace('"', '""')
    file = labels_file(tmp_path, "sample_id,tags,size,age", f's0,"{tags}",2.5,high', "s5,[],,", "s10,,0.25,")
    found = prepared(tmp_path / "data", **VECTORS, targets=targets, labels=file).frame.set_index("sample_id")
    assert found.loc[["s0", "s5", "s10"], "split"].tolist() == ["train"] * 3
    assert found.loc[["s0", "s5"], "tags"].tolist() == ['["x", "z"]', "[]"] and pd.isna(found.loc["s10", "tags"])
    assert found.loc[["s0", "s10"], "size"].tolist() == [2.5, 0.25] and np.isnan(found.loc["s5", "size"])
    assert found.loc["s0", "age"] == "high" and pd.isna(found.loc["s5", "age"])
    with pytest.raises(UserError, match="no number"):
        wrong = labels_file(tmp_path, "sample_id,size", "s0,much")
        prepared(tmp_path / "data", **VECTORS, targets=targets, labels=wrong)


def test_near_copies_of_test_texts_stay_in_the_pool(tmp_path):
    (tmp_path / "data").mkdir()
    words = np.array([f"w{i}" for i in range(400)])
    texts = [" ".join(np.random.default_rng(i).permutation(words)[:30]) for i in range(40)]
    rows = [f"s{i},{text},{'ab'[i % 2]}" for i, text in enumerate(texts)]
    rows += [f"p{i},{text} and more," for i, text in enumerate(texts)]
    write_lines(tmp_path / "data", "id,text,label", *rows)
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}
    entry["split"] = {"validation": 0.2, "test": 0.3, "near_duplicates": "together"}
    before = prepared(tmp_path / "data", **entry).frame.set_index("sample_id")
    file = labels_file(tmp_path, "sample_id,label", *(f"p{i},{'ab'[i % 2]}" for i in range(40)))
    after = prepared(tmp_path / "data", **entry, labels=file).frame.set_index("sample_id")
    own = before.loc[[f"s{i}" for i in range(40)], "split"]
    assert (after.loc[own.index, "split"] == own).all()
    assert after.loc[[f"p{i}" for i in range(40)], "split"].tolist() == [
        "train" if s == "train" else "pool" for s in own
    ]


def test_another_content_of_a_file_is_other_data(tmp_path):
    (tmp_path / "data").mkdir()
    entry = {"source": {"path": str(tmp_path / "data")}, "labels": [str(tmp_path / "a.csv"), str(tmp_path / "b.csv")]}
    (tmp_path / "a.csv").write_text("1")
    seen = [fingerprint(entry)]
    (tmp_path / "b.csv").write_text("1")
    seen.append(fingerprint(entry))
    (tmp_path / "b.csv").write_text("2")
    seen += [
        fingerprint(entry),
        fingerprint({**entry, "labels": str(tmp_path / "a.csv")}),
        fingerprint({**entry, "labels": None}),
    ]
    assert len(set(seen)) == len(seen)
    (tmp_path / "b.csv").touch()
    assert fingerprint(entry) == seen[2]
