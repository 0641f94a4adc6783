"""P16: an embed job that finds everything stored, and `make predict` on fifty images."""

import contextlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

import assets
from benchmarks.elpv import ENTRY
from benchmarks.harness import THREADS, Row
from benchmarks.p10_planning import ROOT, snakemake
from graft.common.fingerprint import root_of
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store
from graft.store.feature_files import write_features

NEW, REPEATS = 50, 5
MODEL = "m.effnet-lite0.linear"


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(folder):
    root = root_of(assets.dataset("elpv") / "dataset.json")
    config = {
        "datasets": {"elpv": {**ENTRY, "source": {"path": str(root)}}},
        "finetune": {"m": {"dataset": "elpv", "backbone": "effnet-lite0", "method": "linear"}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    predictions = f"results/finetune/{MODEL}/seed0/defect/predictions.parquet"
    snakemake(folder, "--configfile", str(folder / "config.yaml"), "--", predictions)
    yield _stored(folder, config["datasets"]["elpv"])
    yield _predicted(folder, root)


def _stored(folder, entry):
    """What `embed` does after its imports."""
    data, mode = folder / "results/data/elpv", {"threads": THREADS, "engine": "auto"}
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        manifest = read_manifest(data / "samples.parquet")
        rows = manifest.part("labelled")
        source = open_source(folder / "resources/datasets/elpv/dataset.json", entry, manifest.card)
        backbone = features.pretrained(folder / "resources/backbones/effnet-lite0", manifest.card)
        with contextlib.chdir(folder):
            blocks, counts = features.embed_blocks(rows, source, backbone, Store("resources/store"), **mode)
            write_features(folder / "again.parquet", rows, blocks)
        times.append(time.perf_counter() - start)
    if counts["forwards"]:
        raise RuntimeError(f"something was forwarded: {counts}")
    what = f"an embed job that finds its {len(rows):,} embeddings stored, after its imports"
    return Row("P16", what, times, [], ("at most", 0.5), counts={"forwards": 0})


def _predicted(folder, root):
    new = folder / "new"
    new.mkdir()
    for path in sorted(Path(root).rglob("*.png"))[:NEW]:
        shutil.copy(path, new)
    model = folder / f"results/finetune/{MODEL}/seed0/ft_model.pt"
    command = [sys.executable, ROOT / "scripts/predict_files.py", model, new, "--out", folder / "new.csv"]
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        times.append(time.perf_counter() - start)
    return Row("P16b", f"make predict, {NEW} images, from the command to the table", times, [], ("at most", 3))
