"""The train samples beside a mistake are the nearest ones, with their own labels, and what they hold is never markup."""

import re

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

import report_tables
from graft.common.outputs import write_parquet
from graft.data.samples import read_manifest
from graft.report import neighbours
from graft.report.figures import mistakes
from graft.report.sources import read_judged
from graft.store.feature_files import write_features

EVIL = "</p><script>alert(1)</script>"


def blocks(embeddings, size=17):
    """A function that gives the embeddings in blocks, as feature_files does."""
    starts = range(0, len(embeddings), size)
    return lambda: ((np.arange(i, min(i + size, len(embeddings))), embeddings[i : i + size]) for i in starts)


@pytest.mark.parametrize("columns_differ", [False, True])
def test_the_neighbours_are_those_of_scikit_learn(columns_differ, monkeypatch):
    monkeypatch.setattr(neighbours, "CELLS", 40)  # several parts of each block
    draw = np.random.default_rng(0)
    embeddings = (draw.normal(size=(90, 6)) * np.array([1, 1, 1, 5, 20, 100])).astype(np.float32)
    frame = pd.DataFrame({"split": np.array(["train", "train", "test"], object)[np.arange(90) % 3]})
    asked = np.flatnonzero(frame["split"] == "test")[:8]
    train = np.flatnonzero(frame["split"] == "train")
    places, distances = neighbours.nearest_train_rows(blocks(embeddings), frame, asked, columns_differ)
    if columns_differ:
        scaled = StandardScaler().fit(embeddings[train]).transform(embeddings) / np.sqrt(6)
    else:
        scaled = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    expected, theirs = NearestNeighbors(n_neighbors=3).fit(scaled[train]).kneighbors(scaled[asked])
    assert places.tolist() == train[theirs].tolist()
    assert distances == pytest.approx(expected, rel=1e-4)
    assert neighbours.in_words(0.2, False) == "cosine 0.980" and neighbours.in_words(0.2, True) == "distance 0.2"


def test_a_train_row_is_no_neighbour_of_itself_and_few_rows_are_all_there_are():
    embeddings = np.eye(4, dtype=np.float32)
    frame = pd.DataFrame({"split": ["train", "train", "train", "test"]})
    places, _ = neighbours.nearest_train_rows(blocks(embeddings), frame, [0, 1], False)
    assert [sorted(row) for row in places.tolist()] == [[1, 2], [0, 2]]
    frame["split"] = "test"
    places, distances = neighbours.nearest_train_rows(blocks(embeddings), frame, [0], False)
    assert places.shape == distances.shape == (1, 0)


def write_page(folder, frame, target, text=lambda row: f"text of row {row}", **card):
    """The page of mistakes of texts whose embeddings are random; gives it, and the manifest's frame with embeddings."""
    report_tables.manifest(folder, frame, "text", **card)
    samples = pd.read_parquet(folder / "samples.parquet")
    samples[target] = frame["label" if "label" in frame else "value"]
    write_parquet(folder / "samples.parquet", samples)
    labelled = samples[samples["split"] != "pool"].reset_index(drop=True)
    embeddings = np.random.default_rng(0).normal(size=(len(labelled), 8)).astype(np.float32)
    write_features(folder / "f.parquet", labelled, embeddings)
    manifest = read_manifest(folder / "samples.parquet")
    load = lambda path, row, content: text(row)  # noqa: E731
    page = folder / "page.html"
    mistakes.write(read_judged(folder / "p.parquet"), manifest, load, page, [folder / "f.parquet"])
    return page.read_text(encoding="utf-8"), labelled, embeddings


def test_beside_a_mistake_are_its_nearest_train_rows_with_their_labels(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two", "three"], rows=300)
    page, labelled, embeddings = write_page(tmp_path, frame, "kind")
    cards = page.split('<li class="card">')[1:]
    judged = read_judged(tmp_path / "p.parquet")
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    train = np.flatnonzero(labelled["split"] == "train")
    assert len(cards) > 5
    for card, (_, row) in zip(cards, mistakes.mistakes(judged).iterrows(), strict=False):
        own = labelled.index[labelled["sample_id"] == row["sample_id"]][0]
        cosines = unit[train] @ unit[own]
        for place in train[np.argsort(-cosines)[:3]]:
            near = labelled.loc[place]
            look = {row["label"]: "right", row["predicted"]: "wrong"}.get(near["kind"], "")
            shown = re.search(rf'title="{near["sample_id"]}">(.*?)</li>', card, re.DOTALL).group(1)
            assert f"text of row {near['row']}" in shown
            assert f'<span class="{look}">{near["kind"]}</span>' in shown
            assert f"cosine {unit[place] @ unit[own]:.3f}" in shown


def test_what_neighbours_hold_is_text(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", ["one", "two"], rows=120)
    page, *_ = write_page(tmp_path, frame, "kind", text=lambda row: EVIL)
    assert "<script" not in page and "&lt;script&gt;" in page


def test_the_errors_of_a_regression_have_what_was_measured_nearby(tmp_path):
    frame = report_tables.regression(tmp_path / "p.parquet")
    frame["split"] = np.where(np.arange(len(frame)) % 2, "train", "test")
    frame.loc[frame["split"] == "train", "value"] = 12.5
    frame.loc[1, "value"] = np.nan
    write_parquet(tmp_path / "p.parquet", frame, {"target": "logS", "classes": "null"})
    page, *_ = write_page(tmp_path, frame, "logS")
    found = re.findall(r'<span class="">(.*?)</span>', page)
    assert len(found) == 3 * mistakes.MOST and set(found) <= {"12.5", "no label"}
