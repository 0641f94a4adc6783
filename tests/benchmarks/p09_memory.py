"""P9: a million vectors, and small images, through prepare (which splits), embed, predict and the hand-over: peak memory.

Every stage runs in a process of its own, as the rules' jobs do; its peak is counted above what the process held after
its imports. The images' backbone is a stub, so that the model takes nothing.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from benchmarks.harness import THREADS, Row
from predicting import SETS, outputs_in

VECTORS, VECTOR_WIDTH = 1_000_000, 128
IMAGES, IMAGE_SIZE, IMAGE_WIDTH = 400_000, 16, 64
STAGES = ("prepare", "embed labelled", "embed pool", "predict", "hand_off")
ENTRY = {"reader": "arrays", "split": {"validation": 0.1, "test": 0.1}}


def run():
    for number, modality, count in (("P9", "vector", VECTORS), ("P9b", "image", IMAGES)):
        with tempfile.TemporaryDirectory() as folder:
            make(modality, count, Path(folder))
            found = {stage: _in_a_process(stage, modality, folder) for stage in STAGES}
        size = f"{VECTOR_WIDTH} wide" if modality == "vector" else f"of {IMAGE_SIZE} px"
        yield Row(
            number,
            f"peak memory above that of the imports, {count:,} {modality}s {size}: prepare, embed, predict, hand over",
            [max(stage["above"] for stage in found.values())],
            [],
            ("at most", 2),
            quality={"ours": f"{sum(stage['seconds'] for stage in found.values()):.0f} s in all"},
            counts={"samples": count, **{f"{stage}, GB": round(one["above"], 2) for stage, one in found.items()}},
            unit="GB",
        )


def make(modality, count, folder):
    """X.npy and y.npy of random samples in two classes; a tenth has no label."""
    draw = np.random.default_rng(0)
    shape, kind = ((VECTOR_WIDTH,), np.float32) if modality == "vector" else ((IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    (folder / "data").mkdir()
    samples = np.lib.format.open_memmap(folder / "data/X.npy", "w+", kind, (count, *shape))
    for start in range(0, count, 10_000):
        part = samples[start : start + 10_000]
        part[...] = draw.integers(0, 256, part.shape) if kind == np.uint8 else draw.standard_normal(part.shape)
    np.save(folder / "data/y.npy", np.array(["a", "b", "", *"ab" * 4])[draw.integers(11, size=count)])
    (folder / "dataset.json").write_text(json.dumps({"root": "data"}))


def _in_a_process(stage, modality, folder):
    call = "import sys; from benchmarks.p09_memory import measure; measure(*sys.argv[1:])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", call, stage, modality, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise RuntimeError(f"{stage} of the {modality}s failed")
    return json.loads(done.stdout.splitlines()[-1])


def measure(stage, modality, folder):
    """Run one stage; how far its peak is above the process's memory before, in 10^9 bytes, and its seconds."""
    import hand_off
    import hand_off_embeddings
    import predict
    import prepare_data
    from graft.common.job import keep_freed_memory
    from graft.common.outputs import write_torch
    from graft.data import prepare, readers  # noqa: F401  (what the stages import is not theirs)
    from graft.data.samples import read_manifest
    from graft.embedding import features
    from graft.embedding.input_batches import open_source
    from graft.heads import probe  # noqa: F401
    from graft.networks import network  # noqa: F401
    from graft.store import Store
    from graft.store.feature_files import write_features

    folder = Path(folder)
    torch.set_num_threads(THREADS)
    keep_freed_memory()
    entry = readers.complete({**ENTRY, "modality": modality})
    samples, parts = folder / "data_of/samples.parquet", [folder / f"{part}.parquet" for part in ("labelled", "pool")]
    before, start = _status("VmRSS"), time.perf_counter()
    if stage == "prepare":
        names = {
            "labels": "labels.json",
            "card": "data_card.json",
            "labelled": "labelled.digest",
            "pool": "pool.digest",
        }
        outputs = {"samples": samples, **{key: samples.with_name(name) for key, name in names.items()}}
        prepare_data.main("d", folder / "dataset.json", entry, outputs, THREADS)
    elif stage.startswith("embed"):
        part = stage.split()[1]
        manifest = read_manifest(samples)
        rows, source = manifest.part(part), open_source(folder / "dataset.json", entry, manifest.card)
        backbone = _backbone(modality)
        blocks, counts = features.embed_blocks(rows, source, backbone, Store(folder / "store"), "fp32", threads=THREADS)
        write_features(folder / f"{part}.parquet", rows, blocks)
        if modality == "image" and counts["forwards"] != len(rows):
            raise RuntimeError(f"{counts['forwards']} forwards for {len(rows)} images")
    elif stage == "predict":
        write_torch(folder / "ft_model.pt", _model(modality, read_manifest(samples).targets["label"]))
        predict.main(samples, folder / "ft_model.pt", "label", parts, outputs_in(folder), SETS)
    else:
        hand_off.main([outputs_in(folder).predictions], folder / "handed.parquet")
        hand_off_embeddings.main(parts, folder / "embeddings.parquet")
    print(json.dumps({"above": _status("VmHWM") - before, "seconds": time.perf_counter() - start}))


def _status(key):
    """VmRSS, what this process holds, or VmHWM, the most it held, in 10^9 bytes (`ru_maxrss` begins at the parent's)."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key)]
    return int(line.split()[1]) * 1024 / 1e9


class _Pooled(torch.nn.Module):
    """The stub: means of four pixels beside each other."""

    def forward(self, images):
        return torch.nn.functional.avg_pool2d(images.mean(1), 2).flatten(1)


def _backbone(modality):
    """What features.pretrained would give."""
    if modality == "vector":
        spec = {"library": "vectors", "modality": "vector", "width": VECTOR_WIDTH, "preprocessing": {}}
        return SimpleNamespace(spec=spec, folder=None, weights="identity", network=torch.nn.Identity)
    fit = {
        "size": IMAGE_SIZE,
        "fit": "crop",
        "crop": 1.0,
        "interpolation": "bicubic",
        "mean": [0.5] * 3,
        "std": [0.5] * 3,
    }
    spec = {"library": "stub", "modality": "image", "width": IMAGE_WIDTH, "preprocessing": fit}
    return SimpleNamespace(spec=spec, folder=None, weights="pooled", network=_Pooled)


def _model(modality, target):
    """The content of an ft_model.pt with a random head, and those of the folds."""
    from graft.networks.network import FORMAT

    draw, spec, folds = torch.Generator().manual_seed(0), _backbone(modality).spec, ENTRY.get("folds", 5)
    weight = torch.randn(1 + folds, 2, spec["width"], generator=draw)
    return {
        "format": FORMAT,
        "name": "d.stub.linear",
        "seed": 0,
        "method": "linear",
        "dataset": "d",
        "targets": {"label": {**target, "temperature": 1.0}},
        "fold_heads": {"label": {"folds": torch.arange(folds), "weight": weight[1:], "bias": torch.zeros(folds, 2)}},
        "backbone": spec,
        "state_dict": {"heads.label.weight": weight[0], "heads.label.bias": torch.zeros(2)},
        "digests": {"backbone": "0", "model": "0"},
    }
