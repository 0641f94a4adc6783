"""Embeddings with real weights: bfloat16 stays close to float32, order and batching change nothing that matters."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from assets import backbone
from graft.common.errors import UserError
from graft.common.outputs import sha256_of_file, write_json
from graft.data.contents import digest_of_content
from graft.data.readers import complete, list_samples
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store
from graft.store.feature_files import features_of, read_features, write_features
from processor import needs_bf16

CARD = {
    "dataset": "d",
    "reader": "folder",
    "modality": "image",
    "image": {"dtype": "uint8", "channels": 1, "range": [0, 255]},
}


@pytest.fixture
def pictures(tmp_path):
    """Twelve smooth grey pictures, their rows, and where they are."""
    (tmp_path / "root").mkdir()
    rows = []
    for i in range(12):
        coarse = np.random.default_rng(i).integers(0, 255, (6, 6), dtype=np.uint8)
        path = tmp_path / "root" / f"{i}.png"
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(path)
        rows.append({"sample_id": path.name, "path": path.name, "row": -1, "content_sha256": sha256_of_file(path)})
    write_json(tmp_path / "dataset.json", {"root": "root"})
    return pd.DataFrame(rows), open_source(tmp_path / "dataset.json", {}, CARD)


def lite0():
    """The real EfficientNet-Lite0, at a small input size so that the test is fast."""
    one = features.pretrained(backbone("effnet-lite0"), CARD)
    one.spec["preprocessing"] |= {"size": 64}
    return one


def embed(pictures, store, precision="fp32", rows=None):
    rows_, source = pictures
    return features.embed(rows_ if rows is None else rows, source, lite0(), store, precision)


def cosine(first, second):
    return (first * second).sum(1) / np.linalg.norm(first, axis=1) / np.linalg.norm(second, axis=1)


@needs_bf16
def test_bfloat16_embeddings_of_images_are_within_cosine_0_999_of_float32(pictures, tmp_path):
    exact, _ = embed(pictures, Store(tmp_path / "store"))
    rounded, counts = embed(pictures, Store(tmp_path / "store"), "bf16")
    assert counts["forwards"] in (0, 12)  # another precision is another table; this one may be float32 again
    assert cosine(exact, rounded).min() > 0.999


def test_bfloat16_embeddings_of_texts_are_within_cosine_0_999_of_float32():
    one = features.pretrained(backbone("minilm"), {})
    network = one.network()
    ids = torch.randint(1000, 20000, (8, 24), generator=torch.Generator().manual_seed(0))
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    with torch.inference_mode():
        exact = network(inputs).float().numpy()
        with torch.autocast("cpu", torch.bfloat16):
            rounded = network(inputs).float().numpy()
    assert cosine(exact, rounded).min() > 0.999


def test_only_new_samples_are_decoded_and_forwarded(pictures, tmp_path):
    rows, _ = pictures
    store = Store(tmp_path / "store")
    _, first = embed(pictures, store, rows=rows.iloc[:10])
    embeddings, second = embed(pictures, store)
    assert (first["decodes"], first["forwards"]) == (10, 10)
    assert (second["decodes"], second["forwards"]) == (2, 2)
    assert embeddings.shape == (12, 1280)


def test_what_a_shared_store_has_is_neither_decoded_nor_forwarded(pictures, tmp_path):
    rows, _ = pictures
    embed(pictures, Store(tmp_path / "lab"), rows=rows.iloc[:10])
    exact, _ = embed(pictures, Store(tmp_path / "store"))
    embeddings, counts = embed(pictures, Store(tmp_path / "own", shared=tmp_path / "lab"))
    assert (counts["decodes"], counts["forwards"]) == (2, 2)
    assert np.allclose(embeddings, exact, atol=1e-4)


def test_the_same_content_under_two_names_is_forwarded_once(pictures, tmp_path):
    rows, _ = pictures
    twice = pd.concat([rows, rows.assign(sample_id=rows["sample_id"] + ".copy")], ignore_index=True)
    embeddings, counts = embed(pictures, Store(tmp_path / "store"), rows=twice)
    assert counts["forwards"] == 12 and np.array_equal(embeddings[:12], embeddings[12:])


def test_embeddings_that_are_no_numbers_are_refused_and_not_kept(pictures, tmp_path):
    broken, (rows, source) = lite0(), pictures
    network = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.LazyLinear(1280))
    network(torch.zeros(1, 3, 64, 64))
    network[2].weight.data[7] = torch.nan
    broken.network, store = lambda: network, Store(tmp_path / "store")
    with pytest.raises(UserError, match="NaN or infinite embeddings"):
        features.embed(rows, source, broken, store, "fp32")
    assert len(
        features.table_of(source, broken, store, {"engine": "torch", "precision": "fp32"}).missing(
            rows["content_sha256"]
        )
    ) == len(rows)


def test_a_file_that_changed_after_prepare_data_is_named(pictures, tmp_path):
    rows, source = pictures
    Image.new("L", (64, 64)).save(source.root / "3.png")
    with pytest.raises(
        Exception, match="3.png(.|\n)*changed since prepare_data|changed since prepare_data(.|\n)*3.png"
    ):
        embed(pictures, Store(tmp_path / "store"))


def test_features_files_are_read_in_the_order_that_is_asked_for(pictures, tmp_path):
    rows, _ = pictures
    values = np.arange(24, dtype=np.float32).reshape(12, 2)
    write_features(tmp_path / "a.parquet", rows.iloc[:5], values[:5])
    write_features(tmp_path / "b.parquet", rows.iloc[5:], values[5:])
    wanted = rows.iloc[::-1]
    assert np.array_equal(features_of(wanted, tmp_path / "a.parquet", tmp_path / "b.parquet"), values[::-1])
    assert read_features(tmp_path / "a.parquet")[0] == list(rows["sample_id"][:5])


def test_a_sample_without_an_embedding_is_named(pictures, tmp_path):
    rows, _ = pictures
    write_features(tmp_path / "a.parquet", rows.iloc[:5], np.zeros((5, 2), np.float32))
    with pytest.raises(Exception, match="5.png"):
        features_of(rows, tmp_path / "a.parquet")


@pytest.fixture
def messages(tmp_path):
    """Forty texts of very different length, their rows, and where they are."""
    words = ["the", "cell", "of", "a", "solar", "panel", "shows", "a", "dark", "spot", "near", "its", "edge"]
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(words, count)) for count in draw.integers(1, 90, 40)]
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(f"{text} {i},a\n" for i, text in enumerate(texts)))
    entry = complete({"source": {"path": "."}, "reader": "table", "columns": {"text": "text"}})
    listing, _ = list_samples(entry, tmp_path)
    rows = listing.assign(content_sha256=[digest_of_content(f"{text} {i}", "text") for i, text in enumerate(texts)])
    write_json(tmp_path / "dataset.json", {"root": str(tmp_path)})
    return rows, open_source(tmp_path / "dataset.json", entry, {"dataset": "d", "reader": "table", "modality": "text"})


def test_texts_are_tokenized_once_for_all_networks_of_a_tokenizer_and_hardly_padded(messages, tmp_path):
    rows, source = messages
    store, one = Store(tmp_path / "store"), features.pretrained(backbone("minilm"), {})
    embeddings, counts = features.embed(rows, source, one, store, "fp32")
    assert counts["tokenized"] == counts["forwards"] == 40
    assert counts["tokens"] <= counts["padded_tokens"]
    other = SimpleNamespace(**{**vars(one), "weights": "another"})
    again, counts = features.embed(rows, source, other, store, "fp32")
    assert counts["forwards"] == 40 and "tokenized" not in counts
    assert np.array_equal(embeddings, again)


def test_batches_of_texts_hold_as_many_tokens_as_fit():
    lengths = np.random.default_rng(0).integers(2, 200, 3000)
    batches = list(features.batches_by_length(lengths, 32, 4096))
    assert sorted(np.concatenate(batches)) == list(range(3000))
    taken = [len(batch) * lengths[batch].max() for batch in batches]
    assert max(taken) <= 4096 and min(taken[:-1]) > 4096 - 200
    assert sum(taken) < 1.05 * lengths.sum()
    assert [len(batch) for batch in features.batches_by_length(np.ones(70, int), 32, 4096)] == [32, 32, 6]
