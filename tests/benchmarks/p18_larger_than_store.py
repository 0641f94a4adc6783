"""P18: training on images that take 20 times the store's limit, decoded at every read, against the same with room."""

import tempfile
from pathlib import Path

import assets
from benchmarks.elpv import ENTRY
from benchmarks.harness import Row, alternate
from benchmarks.own_runs import Prepared, backbone
from graft.common import plugins
from graft.networks.network import weights_digest
from graft.store import Store

IMAGES, SIZE, BATCH, TIMES, REPEATS = 800, 128, 32, 20, 2


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield _row(Path(folder))


def _row(folder):
    data = Prepared("elpv", {**ENTRY, "limit": IMAGES}, assets.dataset("elpv"), folder)
    lite0 = backbone("effnet-lite0", data.manifest.card, size=SIZE)
    size = IMAGES * SIZE * SIZE * 3
    stores = {"room": Store(folder / "room"), "limit": Store(folder / "limit", max_gb=size / TIMES / 1e9)}

    def train(name):
        data.store = stores[name]
        own = data.trainer(lite0, "full", batch_size=BATCH, epochs=2, lr=1e-4, patience=None)
        trained = plugins.load("method", "full").train(own)
        own.states.clear()
        return weights_digest(trained.network.state_dict())

    ours_s, other_s, ours, other = alternate(lambda: train("limit"), lambda: train("room"), REPEATS)
    if ours != other or stores["limit"].size() > size / TIMES:
        raise RuntimeError("the limit changed the result, or was not kept")
    return Row(
        "P18",
        f"full fine-tuning of {IMAGES} images at {SIZE} px, 2 epochs, {TIMES} times the store's limit; other: with room",
        ours_s,
        other_s,
        ("at most", 1.3),
        quality={"ours": "the same bytes"},
        counts={"bytes_decoded": size},
        why="on as many cores as the training has, decoding takes its share of them",
    )
