"""`split: {pool: SHARE}`: hidden labels reach no training, rows that belong together are hidden together, metrics see them."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

from graft.common.errors import UserError
from graft.data.prepare import digests_of, write
from graft.data.samples import read_manifest
from running import graft
from tiny_data import prepared

ENTRY = {
    "columns": {"id": "id", "features": ["x", "y"], "group": "plate"},
    "targets": {"kind": {}},
    "folds": 2,
}


def table(rows=240, rare=0):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"id": [f"s{i:03d}" for i in range(rows)], "plate": [f"p{i // 3}" for i in range(rows)]})
    frame["kind"] = np.where(draw.random(rows) < 0.75, "a", "b")
    frame["x"], frame["y"] = draw.normal(size=rows) + 2 * (frame["kind"] == "a"), draw.normal(size=rows)
    frame.loc[frame.index[:rare], "kind"] = "c"
    return frame


def of(folder, frame, share, stratify=True):
    folder.mkdir(parents=True)
    frame.to_csv(folder / "t.csv", index=False)
    split = {"validation": 0.2, "test": 0.2, "pool": share, "stratify": stratify}
    return prepared(folder, **{**ENTRY, "split": split})


def test_a_share_of_the_train_rows_is_hidden_and_the_other_splits_stay(tmp_path):
    frame = table()
    whole, part = of(tmp_path / "whole", frame, None), of(tmp_path / "part", frame, 0.5)
    before, after = (one.frame.set_index("sample_id") for one in (whole, part))
    for split in ("validation", "test"):
        assert set(before.index[before["split"] == split]) == set(after.index[after["split"] == split])
    train, pool = (after["split"] == "train").sum(), (after["split"] == "pool").sum()
    assert train + pool == (before["split"] == "train").sum() and 0.4 < pool / (train + pool) < 0.6
    assert (
        after.loc[after["split"] == "pool", "kind"].isna().all()
        and (after.loc[after["split"] == "pool", "fold"] == -1).all()
    )
    hidden = part.hidden.set_index("sample_id")["kind"]
    assert hidden.to_dict() == frame.set_index("id").loc[after.index[after["split"] == "pool"], "kind"].to_dict()
    assert abs((hidden == "a").mean() - (after.loc[after["split"] == "train", "kind"] == "a").mean()) < 0.1
    plates = after.groupby("group")["split"].nunique()
    assert (plates == 1).all()
    assert any("labels of" in note and "hidden" in note for note in part.card["notes"]) and not len(whole.hidden)


def test_a_hidden_label_changes_what_metrics_depend_on_and_nothing_that_trains(tmp_path):
    frame = table()
    first = of(tmp_path / "first", frame, 0.5, stratify=False)  # else one label may move others
    place = frame.index[frame["id"] == first.hidden["sample_id"][0]][0]
    frame.loc[place, "kind"] = {"a": "b", "b": "a"}[frame.loc[place, "kind"]]
    second = of(tmp_path / "second", frame, 0.5, stratify=False)
    assert set(first.hidden["sample_id"]) == set(second.hidden["sample_id"])
    changed = {name: digest != digests_of(second)[name] for name, digest in digests_of(first).items()}
    kept = dict.fromkeys(("training", "contents", "pool", "unlabelled", "subgroups"), False)
    assert changed == {"labelled": True, **kept}


def test_a_share_that_hides_a_class_is_refused(tmp_path):
    with pytest.raises(UserError, match="hides all train rows of class 'c'") as error:
        of(tmp_path / "rare", table(rare=24), 0.95, stratify=False)
    assert error.value.where == "split.pool"


def test_the_hidden_labels_judge_the_pool_and_are_in_no_table(tmp_path):
    (tmp_path / "data").mkdir()
    table().to_csv(tmp_path / "data/t.csv", index=False)
    entry = {**ENTRY, "source": {"path": "data"}, "split": {"validation": 0.2, "test": 0.2, "pool": 0.5}}
    config = {"datasets": {"plates": entry}, "finetune": {"e": {"dataset": "plates", "backbone": "vectors"}}}
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    run = "results/finetune/e.vectors.linear/seed0/kind"
    graft(tmp_path, tmp_path / "config.yaml", f"{run}/metrics.json")
    predictions = pd.read_parquet(tmp_path / run / "predictions.parquet").set_index("sample_id")
    pool = predictions[predictions["split"] == "pool"]
    hidden = pd.read_parquet(tmp_path / "results/data/plates/hidden.parquet").set_index("sample_id")["kind"]
    assert pool["label"].isna().all() and len(pool) == len(hidden) > 40
    metrics = json.loads((tmp_path / run / "metrics.json").read_text())
    expected = accuracy_score(hidden, pool.loc[hidden.index, "predicted"])
    assert metrics["pool"]["accuracy"]["value"] == pytest.approx(expected)
    assert metrics["pool"]["threshold"] == metrics["test"]["threshold"]  # it is chosen on validation rows
    manifest = read_manifest(tmp_path / "results/data/plates/samples.parquet")
    assert manifest.frame.loc[manifest.frame["split"] == "pool", "kind"].isna().all()


def test_the_file_of_hidden_labels_is_there_and_empty_without_a_share(tmp_path):
    found = of(tmp_path / "whole", table(), None)
    write(found, {"hidden": tmp_path / "hidden.parquet"})
    assert list(pd.read_parquet(tmp_path / "hidden.parquet").columns) == ["sample_id", "kind"]
