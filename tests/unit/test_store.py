"""The store: values come back by content, whole shards, several writers, a size limit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.common.outputs import sha256_of
from graft.store import NoRoom, Store


def contents(*names):
    return [sha256_of(str(name)) for name in names]


def values(n, width=3, start=0):
    return np.arange(start, start + n * width, dtype=np.float32).reshape(n, width)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True), min_size=1, max_size=4))
def test_a_value_comes_back_by_its_content_however_the_shards_were_cut(tmp_path_factory, shards):
    store = Store(tmp_path_factory.mktemp("store"))
    table = store.table("embeddings", (2,), np.float32, weights="w")
    for shard in shards:
        table.append(contents(*shard), np.float32([[n, n * n] for n in shard]))
    again = store.table("embeddings", (2,), np.float32, weights="w")
    wanted = [n for shard in shards for n in shard]
    assert again.read(contents(*wanted)).tolist() == [[n, n * n] for n in wanted]


def test_only_missing_contents_are_missing_and_each_once(tmp_path):
    table = Store(tmp_path).table("embeddings", (3,), np.float32)
    table.append(contents(1, 2), values(2))
    assert table.missing(contents(3, 1, 3, 4)) == contents(3, 4)


def test_another_key_is_another_table(tmp_path):
    store = Store(tmp_path)
    store.table("embeddings", (3,), np.float32, weights="a").append(contents(1), values(1))
    assert store.table("embeddings", (3,), np.float32, weights="b").missing(contents(1)) == contents(1)


def test_an_open_table_sees_what_another_job_appended_after_refresh(tmp_path):
    store = Store(tmp_path)
    first, second = (store.table("embeddings", (3,), np.float32) for _ in range(2))
    second.append(contents(1), values(1))
    first.refresh()
    assert first.missing(contents(1)) == []


def test_a_shard_that_was_cut_off_is_dropped_and_its_values_are_missing(tmp_path):
    store = Store(tmp_path)
    store.table("embeddings", (3,), np.float32).append(contents(1), values(1))
    (shard,) = tmp_path.rglob("*.arrow")
    shard.write_bytes(shard.read_bytes()[:100])
    table = store.table("embeddings", (3,), np.float32)
    assert table.missing(contents(1)) == contents(1)
    assert not shard.exists()


def test_a_leftover_temporary_file_is_no_shard(tmp_path):
    store = Store(tmp_path)
    table = store.table("embeddings", (3,), np.float32)
    (table.folder / ".half.arrow.x.tmp").write_bytes(b"half")
    assert store.table("embeddings", (3,), np.float32).missing(contents(1)) == contents(1)


def test_the_table_unused_for_longest_gives_way_when_the_limit_is_reached(tmp_path):
    import os

    store = Store(tmp_path, max_gb=1e-5)
    old = store.table("embeddings", (100,), np.float32, weights="old")
    old.append(contents(1), values(1, 100))
    os.utime(old.folder / "used", (1, 1))
    middle = store.table("embeddings", (100,), np.float32, weights="middle")
    middle.append(contents(*range(8)), values(8, 100))
    new = store.table("embeddings", (100,), np.float32, weights="new")
    new.append(contents(*range(10)), values(10, 100))
    assert not old.folder.exists()
    assert new.missing(contents(1)) == []
    assert store.size() <= 1e4


def test_a_limit_that_one_table_alone_breaks_is_an_error_that_says_how_much_is_needed(tmp_path):
    table = Store(tmp_path, max_gb=1e-6).table("embeddings", (1000,), np.float32)
    with pytest.raises(UserError, match="store.max_gb"):
        table.append(contents(1), values(1, 1000))


def test_keep_only_deletes_what_no_config_names(tmp_path):
    store = Store(tmp_path)
    for weights in ("a", "b"):
        store.table("embeddings", (3,), np.float32, weights=weights).append(contents(1), values(1))
    freed, spared = store.keep_only(lambda kind, key: key["weights"] == "a")
    assert freed > 0 and spared == 0
    assert store.table("embeddings", (3,), np.float32, weights="a").missing(contents(1)) == []
    assert store.table("embeddings", (3,), np.float32, weights="b").missing(contents(1)) == contents(1)


def test_decoded_images_give_way_before_anything_else(tmp_path):
    store = Store(tmp_path, max_gb=3e-5)
    kinds = [("embeddings", 1), ("images", 0), ("embeddings", 2)]
    old, images, new = (store.table(kind, (1000,), np.uint8, n=n) for kind, n in kinds)
    old.append(contents(0), np.zeros((1, 1000), np.uint8))
    images.append(contents(*range(20)), np.zeros((20, 1000), np.uint8))  # used last
    new.append(contents(*range(15)), np.zeros((15, 1000), np.uint8))
    left = [folder.parent.name for folder in store.tables() if list(folder.glob("*.arrow"))]
    assert left == ["embeddings", "embeddings"]


@pytest.mark.parametrize(
    ("images", "size", "kept"),
    [
        (None, 20_000, True),
        (["cells"], 20_000, True),
        ([], 20_000, False),
        (["other"], 20_000, False),
        (None, 29_500, False),
    ],
)
def test_images_are_kept_of_the_data_sets_that_are_named_if_they_fit_in_beside_the_rest(tmp_path, images, size, kept):
    """A thousand bytes are of embeddings; what is of images counts as room."""
    store = Store(tmp_path, max_gb=3e-5, images=images)
    tables = {kind: store.table(kind, (1000,), np.uint8) for kind in ("embeddings", "images")}
    for table, rows in zip(tables.values(), (1, 20), strict=True):
        table.append(contents(*range(rows)), np.zeros((rows, 1000), np.uint8))
    assert store.keeps_images("cells", tmp_path / "images/another", size) is kept
    assert store.keeps_images("cells", tables["images"].folder, size) is False  # beside the 20,000 that are there
    without_limit = Store(tmp_path, images=images).keeps_images("cells", tables["images"].folder, size)
    assert without_limit is (images is None or "cells" in images)


def test_decoded_images_that_do_not_fit_in_drop_no_embedding(tmp_path):
    store = Store(tmp_path, max_gb=3e-5)
    embeddings, images = (store.table(kind, (1000,), np.uint8) for kind in ("embeddings", "images"))
    embeddings.append(contents(0), np.zeros((1, 1000), np.uint8))
    images.append(contents(*range(20)), np.zeros((20, 1000), np.uint8))
    with pytest.raises(NoRoom):
        images.append(contents(*range(20, 30)), np.zeros((10, 1000), np.uint8))
    assert store.table("embeddings", (1000,), np.uint8).missing(contents(0)) == []


def test_what_could_never_fit_in_drops_nothing(tmp_path):
    store = Store(tmp_path, max_gb=3e-5)
    small, large = (store.table("embeddings", (1000,), np.uint8, n=n) for n in range(2))
    small.append(contents(0), np.zeros((1, 1000), np.uint8))
    with pytest.raises(NoRoom):
        large.append(contents(*range(40)), np.zeros((40, 1000), np.uint8))
    assert store.table("embeddings", (1000,), np.uint8, n=0).missing(contents(0)) == []
