"""P14: embedding 2,624 images of ELPV at 224 px from their files, nothing stored, against torchvision, timm and the limit."""

import shutil
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import timm
import torch
from torch.utils.data import DataLoader

import assets
from benchmarks.elpv import ENTRY, Files
from benchmarks.harness import THREADS, Row, alternate
from benchmarks.own_runs import backbone, decoding_seconds
from graft.common.device import choose_precision
from graft.common.fingerprint import root_of
from graft.data.prepare import prepare
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store

SIZE, BATCH, REPEATS = 224, 32, 2
MODE = {"threads": THREADS, "engine": "auto"}  # as the workflow's default
EXACT = 64  # images whose embeddings are compared with float32


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(folder):
    dataset = assets.dataset("elpv") / "dataset.json"
    prepared = prepare("elpv", ENTRY, root_of(dataset), THREADS)
    source, rows = open_source(dataset, ENTRY, prepared.card), prepared.frame
    lite0 = backbone("effnet-lite0", prepared.card, size=SIZE)
    lab = Store(folder / "lab")
    features.embed(rows[:1], source, lite0, lab, **MODE)  # the network is converted once for all of a lab's data

    def ours():
        with tempfile.TemporaryDirectory() as store:
            shutil.copytree(lab.root / "networks", Path(store) / "networks")
            return features.embed(rows, source, lite0, Store(store, images=()), **MODE)[0]

    exact, _ = features.embed(rows[:EXACT], source, lite0, Store(folder / "exact"), "fp32", threads=THREADS)
    network = lite0.network().to(memory_format=torch.channels_last).eval()
    bf16 = choose_precision("auto", None) == "bf16"
    peers = {
        "P14": (
            "torchvision's transforms and a DataLoader",
            Files(source.root, rows["path"], np.zeros(len(rows)), SIZE),
        ),
        "P14b": ("timm's transforms and a DataLoader", TimmFiles(source.root, list(rows["path"]))),
    }
    for name, (words, files) in peers.items():

        def other(files=files):
            # The fastest of float32, bfloat16 and each layout on this machine, and the images decoded by workers beside it.
            loader = DataLoader(files, batch_size=BATCH, num_workers=THREADS)
            with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
                return np.concatenate(
                    [network(pixels.contiguous(memory_format=torch.channels_last)).float() for pixels, _ in loader]
                )

        ours_s, other_s, found, theirs = alternate(ours, other, REPEATS, warm=False)
        quality = {"ours": f"cosine {_cosine(found, exact):.4f}", "other": f"cosine {_cosine(theirs, exact):.4f}"}
        yield Row(
            name,
            f"embed {len(rows):,} images at {SIZE} px from files; other: {words}",
            ours_s,
            other_s,
            ("at least", 1),
            quality,
        )
        ours_all = ours_s
    yield _limit(rows, source, lite0, lab, ours_all)


class TimmFiles(Files):
    """The same files through timm's own transform."""

    def __init__(self, root, paths):
        super().__init__(root, paths, np.zeros(len(paths)), SIZE)
        facts = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bicubic", "crop_pct": 1.0}
        self.transform = timm.data.create_transform((3, SIZE, SIZE), **facts)


def _limit(rows, source, lite0, lab, ours_s):
    """The bare forward pass on ready pixels by all cores, and reading, hashing, decoding and resizing by one, shared by all."""
    engine = features.engine_for(rows, source, lite0, lab, **MODE)
    pixels = np.random.default_rng(0).integers(0, 256, (len(rows), SIZE, SIZE, 1), np.uint8)
    ready = SimpleNamespace(arrays=lambda part: pixels[part])
    engine.run(ready, np.arange(BATCH))
    seconds = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for part in np.array_split(np.arange(len(rows)), -(-len(rows) // BATCH)):
            engine.run(ready, part)
        seconds.append(time.perf_counter() - start + decoding_seconds(rows, source, lite0) / THREADS)
    return Row(
        "P14c",
        f"the same; other: the bare forward pass ({engine.made_by['engine']}, {engine.precision}), and decoding over the cores",
        ours_s,
        seconds,
        ("at most", 1.15),
    )


def _cosine(found, exact):
    some, exact = found[: len(exact)].astype(np.float64), exact.astype(np.float64)
    return ((some * exact).sum(1) / np.linalg.norm(some, axis=1) / np.linalg.norm(exact, axis=1)).min()
