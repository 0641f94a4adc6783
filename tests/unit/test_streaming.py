"""Sets larger than the memory: blocks and mapped pages that are there at once are counted."""

import re
import weakref
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

import hand_off_embeddings
from graft import store
from graft.common import outputs
from graft.common.outputs import sha256_of, write_json
from graft.data import readers
from graft.data.readers import arrays, table
from graft.data.samples import Manifest
from graft.embedding import features, input_batches
from graft.embedding.input_batches import open_source
from graft.store import Store, feature_files
from graft.store.feature_files import blocks_of, features_of, write_features
from graft.targets import predictions

ROWS, WIDTH = 50, 4
PAGE = 1 << 21  # the kernel may map as much around one value that is read
maps_are_listed = pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux alone says what is mapped")


@pytest.fixture
def small_blocks(monkeypatch):
    """Seven embeddings per block and row group."""
    monkeypatch.setattr(feature_files, "GROUP", 7 * WIDTH * 4)
    monkeypatch.setattr(outputs, "GROUP", 7 * WIDTH * 4)


def rows_of(count=ROWS):
    ids = [f"s{number}" for number in range(count)]
    return pd.DataFrame({"sample_id": ids, "content_sha256": [sha256_of(name) for name in ids]})


def embeddings(count=ROWS, width=WIDTH):
    return np.arange(count * width, dtype=np.float32).reshape(count, width)


def resident(path):
    """Bytes of a file that this process holds mapped."""
    parts = Path("/proc/self/smaps").read_text().split(f"{path}\n")[1:]
    return 1024 * sum(int(re.search(r"^Rss:\s+(\d+)", part, re.MULTILINE)[1]) for part in parts)


def test_a_features_file_is_written_holding_one_block_and_read_in_blocks(tmp_path, small_blocks):
    alive, most = weakref.WeakSet(), []

    class Block(np.ndarray):
        """An array that a WeakSet can hold."""

        __hash__ = object.__hash__

    def blocks():
        for part in np.split(embeddings(), range(7, ROWS, 7)):
            block = part.copy().view(Block)
            alive.add(block)
            most.append(len(alive))
            yield block

    write_features(tmp_path / "f.parquet", rows_of(), blocks())
    assert max(most) <= 3  # one that is written, and two names for the one that is made
    assert pq.ParquetFile(tmp_path / "f.parquet").num_row_groups == 8
    sizes = [len(block) for _, block in blocks_of(rows_of(), tmp_path / "f.parquet")]
    assert sizes == [7] * 7 + [1]
    assert np.array_equal(features_of(rows_of(), tmp_path / "f.parquet"), embeddings())


def test_fewer_or_more_embeddings_than_rows_are_no_features_file(tmp_path):
    with pytest.raises(ValueError, match="49 embeddings for 50 rows"):
        write_features(tmp_path / "f.parquet", rows_of(), iter([embeddings()[:49]]))
    assert not list(tmp_path.iterdir())


def test_embeddings_are_handed_over_block_by_block(tmp_path, small_blocks):
    for part, rows in (("labelled", rows_of()), ("pool", rows_of(9))):
        write_features(tmp_path / f"{part}.parquet", rows, iter(np.array_split(embeddings(len(rows)), 3)))
    hand_off_embeddings.main([tmp_path / "labelled.parquet", tmp_path / "pool.parquet"], tmp_path / "out.parquet")
    found = pq.ParquetFile(tmp_path / "out.parquet")
    assert max(found.metadata.row_group(i).num_rows for i in range(found.num_row_groups)) < ROWS / 2
    assert found.read(["part"])["part"].to_pylist() == ["labelled"] * ROWS + ["pool"] * 9


@pytest.fixture
def pictures(tmp_path):
    """Fifty pictures in a .npy file; the rows say them backwards."""
    pixels = np.random.default_rng(0).integers(0, 255, (ROWS, 8, 8), dtype=np.uint8)
    np.save(tmp_path / "X.npy", pixels)
    write_json(tmp_path / "dataset.json", {"root": str(tmp_path)})
    _, raw = arrays.rows(ENTRY, tmp_path, "X.npy")
    contents = [readers.digest_of_content(raw(row), "image") for row in range(ROWS)]
    rows = pd.DataFrame({"path": "X.npy", "row": np.arange(ROWS), "content_sha256": contents}).iloc[::-1]
    card = {
        "dataset": "d",
        "reader": "arrays",
        "modality": "image",
        "image": {"dtype": "uint8", "channels": 1, "range": [0, 255]},
    }
    return pixels[::-1], rows.reset_index(drop=True), open_source(tmp_path / "dataset.json", ENTRY, card)


ENTRY = readers.complete({"reader": "arrays", "modality": "image"})
PLAIN = {"size": 8, "fit": "crop", "crop": 1.0, "interpolation": "bicubic", "mean": [0.0] * 3, "std": [1.0] * 3}


class Mean(torch.nn.Module):
    """The picture's mean, and its first pixels."""

    def forward(self, images):
        return torch.cat([images.mean((1, 2, 3))[:, None], images[:, 0, 0, : WIDTH - 1]], dim=1)


BACKBONE = SimpleNamespace(
    spec={"library": "stub", "modality": "image", "width": WIDTH, "preprocessing": PLAIN},
    folder=None,
    weights="mean",
    network=Mean,
)


def test_a_large_set_is_opened_forwarded_and_given_in_blocks(tmp_path, pictures, small_blocks, monkeypatch):
    pixels, rows, source = pictures
    monkeypatch.setattr(features, "SHARD", 8)
    monkeypatch.setattr(features, "OPEN", 16)
    monkeypatch.setattr(input_batches, "DECODE_BLOCK", 4)
    opened, forwarded = [], []
    real_open, real_forward = features.open_inputs, features.forward
    monkeypatch.setattr(features, "open_inputs", lambda rows, *rest: opened.append(len(rows)) or real_open(rows, *rest))
    monkeypatch.setattr(
        features,
        "forward",
        lambda net, part, *rest: forwarded.append(len(part.lengths)) or real_forward(net, part, *rest),
    )
    blocks, counts = features.embed_blocks(rows, source, BACKBONE, Store(tmp_path / "store"), "fp32")
    blocks = list(blocks)
    assert opened == [16, 16, 16, 2] and forwarded == [8] * 6 + [2]
    assert [len(block) for block in blocks] == [7] * 7 + [1]
    assert (counts["decodes"], counts["forwards"]) == (ROWS, ROWS)
    wanted = pixels.reshape(ROWS, -1) / np.float32(255)
    found = np.concatenate(blocks)
    assert np.allclose(found[:, 0], wanted.mean(1), atol=1e-6) and np.allclose(found[:, 1:], wanted[:, : WIDTH - 1])


def test_samples_are_decoded_in_the_order_of_the_file_whatever_their_ids(tmp_path, pictures, monkeypatch):
    _, rows, source = pictures
    read, real = [], readers.opener

    def opener(*arguments):
        load = real(*arguments)
        return lambda path, row, content: read.append(row) or load(path, row, content)

    monkeypatch.setattr(readers, "opener", opener)
    features.embed_blocks(rows.sample(frac=1, random_state=0), source, BACKBONE, Store(tmp_path / "store"), "fp32")
    assert read == list(range(ROWS))


def test_vectors_stand_in_the_order_of_the_rows_block_by_block(tmp_path, small_blocks):
    values = embeddings()
    np.save(tmp_path / "X.npy", values)
    write_json(tmp_path / "dataset.json", {"root": str(tmp_path)})
    contents = [readers.digest_of_content(vector, "vector") for vector in values]
    rows = pd.DataFrame({"path": "X.npy", "row": np.arange(ROWS), "content_sha256": contents})
    rows = rows.sample(frac=1, random_state=0)
    entry = readers.complete({"reader": "arrays"})
    card = {"dataset": "d", "reader": "arrays", "modality": "vector", "vector": {"width": WIDTH}}
    spec = {"library": "vectors", "modality": "vector", "width": WIDTH}
    backbone = SimpleNamespace(spec=spec, folder=None, network=torch.nn.Identity)
    source = open_source(tmp_path / "dataset.json", entry, card)
    blocks, counts = features.embed_blocks(rows, source, backbone, Store(tmp_path / "store"))
    blocks = list(blocks)
    assert [len(block) for block in blocks] == [7] * 7 + [1] and counts["forwards"] == 0
    assert np.array_equal(np.concatenate(blocks), values[rows["row"]])


@maps_are_listed
def test_pages_of_the_store_that_were_read_are_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "RESIDENT", PAGE)
    contents, values = rows_of()["content_sha256"].tolist(), np.random.default_rng(0).random((ROWS, 1 << 16))
    table = Store(tmp_path).table("embeddings", values.shape[1:], np.float64)
    table.append(contents, values)
    (shard,) = table.folder.glob("*.arrow")
    most = 0
    for row in range(ROWS):
        assert np.array_equal(table.read(contents[row : row + 1])[0], values[row])
        most = max(most, resident(shard))
    assert 0 < most <= 4 * PAGE < values.nbytes / 3


@maps_are_listed
def test_pages_of_an_array_file_that_were_read_are_given_back(tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "RESIDENT", PAGE)
    values = np.random.default_rng(0).random((ROWS, 1 << 17), dtype=np.float32)
    np.save(tmp_path / "X.npy", values)
    _, row_of = arrays.rows(readers.complete({"reader": "arrays"}), tmp_path, "X.npy")
    most = 0
    for row in range(ROWS):
        assert np.array_equal(row_of(row), values[row])
        most = max(most, resident(tmp_path / "X.npy"))
    assert 0 < most <= 4 * PAGE < values.nbytes / 3


def test_predictions_from_blocks_are_those_from_all_embeddings_at_once():
    draw = np.random.default_rng(0)
    folds = np.repeat([-1, 0, 1, 2, -1], ROWS // 5)  # no block has them all
    frame = rows_of().assign(split="train", fold=folds, label="a")
    target = {"kind": "classification", "classes": ["a", "b"], "temperature": 2.0}
    content = {
        "name": "d.b.linear",
        "seed": 0,
        "targets": {"label": target},
        "state_dict": {
            "heads.label.weight": torch.from_numpy(draw.normal(size=(2, WIDTH))),
            "heads.label.bias": torch.zeros(2),
        },
        "fold_heads": {
            "label": {
                "folds": torch.arange(3),
                "weight": torch.from_numpy(draw.normal(size=(3, 2, WIDTH))),
                "bias": torch.ones(3, 2),
            }
        },
    }
    values, manifest = draw.normal(size=(ROWS, WIDTH)).astype(np.float32), Manifest(frame, {"label": target}, {})
    whole = predictions.predict(content, "label", manifest, frame, values)
    order = draw.permutation(ROWS)
    blocks = [(part, values[part]) for part in np.array_split(order, 6)]
    pd.testing.assert_frame_equal(predictions.predict(content, "label", manifest, frame, iter(blocks)), whole)
    heads = content["fold_heads"]["label"]["weight"].numpy()
    assert np.allclose(whole["logit_a"][folds == 2], values[folds == 2] @ heads[2, 0] + 1)


@pytest.mark.parametrize("features", ["x", ["a", "b"]])
def test_vectors_in_parquet_are_read_a_row_group_at_a_time_and_each_once(tmp_path, monkeypatch, features):
    values = embeddings(width=2)
    pd.DataFrame({"x": list(values), "a": values[:, 0], "b": values[:, 1]}).to_parquet(tmp_path / "t.parquet")
    pq.write_table(pq.read_table(tmp_path / "t.parquet"), tmp_path / "t.parquet", row_group_size=15)
    groups, real = [], pq.ParquetFile.read_row_group
    monkeypatch.setattr(
        pq.ParquetFile,
        "read_row_group",
        lambda file, number, **more: groups.append(number) or real(file, number, **more),
    )
    entry = readers.complete({"reader": "table", "table": "t.parquet", "columns": {"features": features}})
    _, row_of = table.rows(entry, tmp_path, "t.parquet")
    assert np.array_equal([row_of(row) for row in range(ROWS)], values)
    assert groups == [0, 1, 2, 3]
