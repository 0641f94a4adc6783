"""Decoded images are a cache: where they do not fit into the store, or are not wanted there, the results are the same bytes."""

import hashlib
import json
from types import SimpleNamespace

import pytest
import yaml

from graft.store import Store
from running import graft
from tiny_data import image_folder

SIDE, PER_CLASS = 128, 40
MEGABYTES = 1  # the store's limit; decoded, the images of a set take four times this
MODEL = {"backbone": "small", "epochs": 2, "batch_size": 16, "augment": "flip"}
CONFIG = {
    "datasets": {name: {"source": {"path": name}} for name in ("cells", "looked-at")},
    "backbones": {
        "small": {"library": "convnet", "architecture": "4-8", "source": {"random": True}, "input_size": SIDE}
    },
    "finetune": {
        "trained": {**MODEL, "dataset": "cells", "method": "full"},
        "frozen": {"backbone": "small", "dataset": "looked-at", "method": "linear"},
    },
}
RESULTS = [
    *(f"results/finetune/trained.small.full/seed0/{name}" for name in ("ft_model.pt", "label/predictions.parquet")),
    "results/finetune/frozen.small.linear/seed0/label/predictions.parquet",
]
STORES = {"room": {}, "limit": {"max_gb": MEGABYTES / 1e3}, "no images": {"images": False}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same config with each of STORES: name -> digests of the results, the store, decoded images by job."""
    found = {}
    for name, settings in STORES.items():
        folder = tmp_path_factory.mktemp("run")
        image_folder(folder / "cells", per_class=PER_CLASS)
        image_folder(folder / "looked-at", per_class=PER_CLASS, height=20)
        (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "store": settings}))
        graft(folder, folder / "config.yaml", *RESULTS)
        found[name] = SimpleNamespace(
            digests=[hashlib.sha256((folder / path).read_bytes()).hexdigest() for path in RESULTS],
            store=Store(folder / "resources/store"),
            decoded={
                path.stem: json.loads(path.read_text())["decodes"] for path in (folder / "logs/embed").glob("*.json")
            },
        )
    return found


def tables(run):
    """(shape, bytes) of the tables of decoded images that have any."""
    sizes = {path.parent: 0 for path in run.store.root.glob("images/*/key.json")}
    for path in run.store.root.glob("images/*/*.arrow"):
        sizes[path.parent] += path.stat().st_size
    return [size for size in sizes.values() if size]


def test_results_are_the_same_bytes_with_room_with_a_limit_and_without_stored_images(runs):
    assert runs["room"].digests == runs["limit"].digests == runs["no images"].digests


def test_the_limit_is_kept_and_only_with_room_are_images_stored(runs):
    assert runs["room"].store.size() > 3e6 * MEGABYTES
    assert runs["limit"].store.size() <= 1e6 * MEGABYTES
    assert [len(tables(runs[name])) for name in STORES] == [1, 0, 0]


def test_a_data_set_that_only_frozen_networks_use_keeps_no_pixels(runs):
    ((size,), count) = tables(runs["room"]), 2 * PER_CLASS
    assert count <= size / (SIDE * SIDE * 3) < 1.2 * count  # those of the other data set, which is as large
    assert count <= runs["room"].decoded["looked-at.small.labelled"] <= count + 8  # a few more to try the network with
