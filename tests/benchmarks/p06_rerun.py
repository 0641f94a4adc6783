"""P6: a rerun after 1 % new images against the cold run: what the backbone costs, in forwards and in time."""

import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import torch

import assets
from benchmarks.elpv import ENTRY
from benchmarks.harness import THREADS, Row
from benchmarks.own_runs import backbone
from graft.common.fingerprint import root_of
from graft.data.prepare import prepare
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store

COLD, NEW, SIZE, REPEATS = 2000, 20, 160, 3


def run():
    torch.set_num_threads(THREADS)
    dataset = assets.dataset("elpv") / "dataset.json"
    entry = {**ENTRY, "limit": COLD + NEW}
    prepared = prepare("elpv", entry, root_of(dataset), THREADS)
    source = open_source(dataset, entry, prepared.card)
    rows = prepared.frame.sample(frac=1, random_state=0)
    lite0 = backbone("effnet-lite0", prepared.card, size=SIZE)
    with tempfile.TemporaryDirectory() as lab:
        features.embed(rows[:1], source, lite0, Store(lab), threads=THREADS, engine="auto")
        runs = [_cold_and_again(rows, source, lite0, Path(lab)) for _ in range(1 + REPEATS)][1:]  # the first warms up
    cold, again = zip(*runs, strict=True)
    counts = {"cold_forwards": cold[-1].forwards, "forwards": again[-1].forwards, "new_samples": NEW}
    if any((first.forwards, second.forwards) != (COLD, NEW) for first, second in runs):
        raise RuntimeError(f"not every new sample, and nothing else, was forwarded: {counts}")
    yield Row(
        "P6",
        f"the backbone in a rerun after {NEW} new images of {COLD + NEW} at {SIZE} px; other: in the cold run",
        [one.network for one in again],
        [one.network for one in cold],
        ("at most", 0.02),
        quality={
            side: f"{min(one.whole for one in of):.2f} s in all" for side, of in (("ours", again), ("other", cold))
        },
        counts=counts,
        why="most of it loads and compiles the converted network, which takes as long for one image as for all",
    )


def _cold_and_again(rows, source, lite0, lab):
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(lab / "networks", Path(folder) / "networks")  # converted once for all of a lab's data
        store = Store(folder)
        return _timed(rows[:COLD], source, lite0, store), _timed(rows, source, lite0, store)


class Timed:
    """An engine whose seconds are counted."""

    def __init__(self, engine):
        self.engine, self.seconds = engine, 0.0
        self.made_by, self.batch = engine.made_by, engine.batch

    def start(self, *arguments):
        take = self._timed(self.engine.start, *arguments)
        return lambda: self._timed(take)

    def _timed(self, call, *arguments):
        start = time.perf_counter()
        found = call(*arguments)
        self.seconds += time.perf_counter() - start
        return found


def _timed(rows, source, lite0, store):
    """Seconds of the engine and in all, and the forwards, of one run as `embed` does it."""
    engines, opened = [], features.engine_for

    def timed(*arguments, **mode):
        engines.append(Timed(opened(*arguments, **mode)))
        return engines[-1]

    start = time.perf_counter()
    with patch.object(features, "engine_for", timed):
        _, counts = features.embed(rows, source, lite0, store, threads=THREADS, engine="auto")
    seconds = sum(engine.seconds for engine in engines)
    return SimpleNamespace(network=seconds, whole=time.perf_counter() - start, forwards=counts["forwards"])
