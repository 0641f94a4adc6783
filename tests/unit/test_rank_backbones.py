"""The table that ranks backbones: by train and validation rows, target by target."""

import json

import numpy as np
import pandas as pd
import pytest

import rank_backbones as script
from graft.common.outputs import write_json
from graft.data.samples import some_of, write_manifest
from graft.store.feature_files import write_features

TARGETS = {
    "kind": {"kind": "classification", "classes": ["a", "b"]},
    "size": {"kind": "regression"},
    "same": {"kind": "classification", "classes": ["only"]},
}


@pytest.fixture
def data(tmp_path):
    """A manifest of 100 rows, 20 of test; embeddings that say all, a little and nothing of the labels."""
    draw, count = np.random.default_rng(0), 100
    split = np.array(["train"] * 3 + ["validation", "test"], object)[np.arange(count) % 5]
    size = draw.normal(size=count)
    kind = np.where(size + draw.normal(size=count) / 9 > 0, "b", "a").astype(object)
    kind[::10] = None
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(count)],
            "path": "t",
            "row": range(count),
            "content_sha256": [f"{i:04}" for i in range(count)],
            "split": split,
            "fold": np.where(split == "train", np.arange(count) % 3, -1),
            "group": None,
            "sampling_unit": None,
            "labelled_copy": False,
            "weight": None,
            "kind": kind,
            "size": size,
            "same": "only",
        }
    )
    write_manifest(tmp_path / "samples.parquet", frame, TARGETS)
    write_json(tmp_path / "labels.json", {"targets": TARGETS})
    write_json(tmp_path / "data_card.json", {"dataset": "d"})
    files = []
    for name, noise in {"good": 0.1, "poor": 3.0, "none": 1e6}.items():
        embeddings = np.stack([size] * 8, 1) + draw.normal(size=(count, 8)) * noise
        write_features(tmp_path / f"{name}.parquet", frame, embeddings)
        write_json(tmp_path / f"{name}.json", {"name": name, "parameters": 10 if name == "none" else 1000})
        files.append(name)
    return tmp_path


def rank(folder, names=("good", "poor", "none")):
    output = folder / "ranking.csv"
    features, facts = ([folder / f"{name}{end}" for name in names] for end in (".parquet", ".json"))
    script.main(folder / "samples.parquet", features, facts, list(TARGETS), output)
    return pd.read_csv(output)


def test_each_score_ranks_the_backbones_of_each_target(data):
    table = rank(data)
    assert list(table.columns) == ["target", "backbone", "method", "score", "rank"]
    best = table[table["rank"] == 1]
    telling = best[best["method"].isin(["logme", "knn", "linear", "h_score"])]
    assert set(telling["backbone"]) == {"good"} and len(telling) == 7  # h_score says nothing of numbers
    assert set(table["target"]) == {"kind", "size"}  # one class alone ranks nothing
    sizes = table[table["method"] == "size"].set_index(["target", "backbone"])["rank"]
    assert (sizes[:, "good"] == 1).all() and (sizes[:, "poor"] == 1).all() and (sizes[:, "none"] == 3).all()


def test_no_test_row_and_no_order_of_the_backbones_changes_it(data):
    before = rank(data)
    frame = pd.read_parquet(data / "samples.parquet")
    frame.loc[frame["split"] == "test", "kind"] = "a"
    write_manifest(data / "samples.parquet", frame, TARGETS)
    pd.testing.assert_frame_equal(rank(data), before)
    other = rank(data, ("none", "good", "poor"))
    keys = ["target", "method", "backbone"]
    pd.testing.assert_frame_equal(
        other.sort_values(keys, ignore_index=True), before.sort_values(keys, ignore_index=True)
    )


def test_of_many_rows_some_are_enough(data, monkeypatch):
    monkeypatch.setattr(script, "MOST", 40)
    rows = pd.read_parquet(data / "samples.parquet")
    some = some_of(rows, 40)
    assert len(some) == 40 and some["sample_id"].is_unique
    assert rank(data).query("method == 'knn' and rank == 1")["backbone"].eq("good").all()


def test_the_scores_are_written_with_six_digits(data):
    rank(data)
    text = (data / "ranking.csv").read_text()
    assert all(
        len(line.split(",")[3].lstrip("-").replace(".", "").lstrip("0")) <= 6 for line in text.splitlines()[1:]
    ), json.dumps(text)
