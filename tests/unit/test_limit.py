"""A limit is for a quick look: it may take few rows, but no class away."""

import numpy as np
import pytest

from graft.data.splitting.limit import first_of
from tiny_data import prepared, write_lines

VECTORS = {"table": "t.csv", "columns": {"features": "f*"}}


def ids_for(numbers):
    return np.array([f"s{n:04}" for n in numbers], dtype=object)


def table(root, rows, head="f0,f1,label"):
    values = np.random.default_rng(0).normal(size=(len(rows), 2)).round(4)
    write_lines(root, head, *(f"{a},{b},{rest}" for (a, b), rest in zip(values, rows, strict=True)))


def test_a_limit_keeps_the_same_rows_when_rows_are_added():
    ids = ids_for(range(1000))
    few, many = first_of(ids[:900], 100), first_of(ids, 100)
    assert few.sum() == many.sum() == 100
    assert (few & ~many[:900]).sum() == many[900:].sum()


def test_the_order_of_rows_does_not_matter():
    ids, kind, group = (
        ids_for(range(300)),
        np.arange(300) % 7,
        np.array([f"g{n % 11}" for n in range(300)], dtype=object),
    )
    order = np.random.default_rng(0).permutation(300)
    kept = first_of(ids, 30, [kind], group)
    assert (first_of(ids[order], 30, [kind[order]], group[order]) == kept[order]).all()


@pytest.mark.parametrize("limit", [20, 150, 300])
def test_no_class_is_taken_away(tmp_path, limit):
    table(tmp_path, [f"sp{k}" for k in range(80) for _ in range(8)])
    classes = [f"sp{k}" for k in range(80)]
    found = prepared(tmp_path, limit=limit, targets={"label": {"classes": classes}}, **VECTORS)
    counts = found.frame["label"].value_counts()
    assert set(counts.index) == set(classes) and counts.min() >= 3
    assert counts.sum() == max(limit, 240)
    (note,) = [note for note in found.card["notes"] if note.startswith("limit")]
    assert note == f"limit: {max(limit, 240)} of 640 labelled rows were taken" + (
        ", 3 of every class" if limit < 240 else ""
    )


def test_every_target_keeps_its_classes(tmp_path):
    table(tmp_path, [f"{'ab'[i % 2]},{'rare' if i < 3 else 'usual'}" for i in range(300)], "f0,f1,one,two")
    found = prepared(tmp_path, limit=20, targets={"one": {}, "two": {}}, **VECTORS)
    assert (found.frame["two"] == "rare").sum() == 3 and len(found.frame) == 20


def test_every_given_split_keeps_its_classes(tmp_path):
    parts = ["train"] * 30 + ["validation"] * 100 + ["test"] * 170
    table(tmp_path, [f"{'abc'[i % 3]},{part}" for i, part in enumerate(parts)], "f0,f1,label,part")
    found = prepared(tmp_path, limit=15, table="t.csv", columns={"features": "f*", "split": "part"})
    assert found.frame.groupby(["split", "label"]).size().tolist() == [3] * 9


def test_the_rows_of_a_class_come_from_as_many_groups_as_there_are(tmp_path):
    rows = [f"P{p},{'rare' if p in (3, 8) and i < 12 else 'usual'}" for p in range(12) for i in range(60)]
    table(tmp_path, rows, "f0,f1,patient,label")
    columns = {"features": "f*", "group": "patient"}
    found = prepared(tmp_path, limit=150, table="t.csv", columns=columns)
    assert len(found.frame) == 150
    assert set(found.frame.loc[found.frame["label"] == "rare", "group"]) == {"P3", "P8"}
    kept = first_of(ids_for(range(12)), 4, [np.zeros(12, int)], np.array(["a"] * 9 + ["b", "b", "c"], dtype=object))
    assert kept[:9].any() and kept[9:11].any() and kept[11]


def test_labels_of_given_test_rows_do_not_decide_which_rows_are_learnt_from(tmp_path):
    """Three rows each of twenty classes would otherwise leave the other splits less room than those of one class."""
    kept = []
    for tested in (20, 1):
        rows = [f"sp{i % 20},train" for i in range(200)] + [f"sp{i % tested},test" for i in range(400)]
        table(tmp_path, rows, "f0,f1,label,part")
        found = prepared(tmp_path, limit=130, table="t.csv", columns={"features": "f*", "split": "part"})
        kept.append(set(found.frame.loc[found.frame["split"] != "test", "sample_id"]))
    assert kept[0] == kept[1]
