"""P10: planning a thousand configured models, and a rerun with nothing to do."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import yaml
from PIL import Image

from benchmarks.harness import Row

ROOT = Path(__file__).resolve().parents[2]
MODELS = 1000


# As many jobs per model as graft plans, each with a name, a log, a benchmark, params and resources, and no function at all.
EMPTY = """
rule all:
    input: [f"{step}/{seed}.{part}" for step in ("figures", "exported") for seed in range(MODELS) for part in PARTS]

rule start:
    output: "start"
"""
RULE = """
rule RULE:
    input: BEFORE
    output: "RULE/{seed}.{part}"
    log: "logs/RULE/{seed}.{part}.log"
    benchmark: "benchmarks/RULE/{seed}.{part}.tsv"
    params: mode="bf16", code="0123456789abcdef"
    threads: 1
    resources: mem_mb=8000, runtime=120
    message: "RULE {wildcards.seed} {wildcards.part}"
    shell: "touch {output}"
"""


def snakemake(folder, *arguments, snakefile=ROOT / "Snakefile"):
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder]
    start = time.perf_counter()
    done = subprocess.run([*command, "--cores", "2", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stdout[-3000:] + done.stderr[-3000:])
    return time.perf_counter() - start, done.stdout + done.stderr


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Path(folder))


def _rows(folder):
    draw = np.random.default_rng(0)
    for number in range(60):
        place = folder / "cells" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(place / f"{number}.png")
    tiny = {"library": "timm", "architecture": "tf_efficientnet_lite0", "input_size": 32, "source": {"random": True}}
    config = {
        "datasets": {"cells": {"source": {"path": str(folder / "cells")}}},
        "backbones": {"tiny": tiny},
        "finetune": {"many": {"dataset": "cells", "backbone": "tiny", "method": "lp_ft", "seeds": list(range(MODELS))}},
    }
    (folder / "many.yaml").write_text(yaml.safe_dump(config))
    config["finetune"]["many"] |= {"method": "linear", "seeds": [0]}
    (folder / "one.yaml").write_text(yaml.safe_dump(config))
    many, one = (["--configfile", str(folder / name)] for name in ("many.yaml", "one.yaml"))
    snakemake(folder, *many, "--until", "prepare_data")
    planned = [snakemake(folder, *many, "-n", "-q")[0] for _ in range(3)]
    yield Row(
        "P10",
        f"snakemake -n, {MODELS} models",
        planned,
        [],
        ("at most", 5),
        counts={"models": MODELS},
        why="95 % of it is Snakemake's own work on five jobs per model (cProfile); graft's functions are the rest",
    )
    snakemake(folder, *one)
    idle = [snakemake(folder, *one) for _ in range(3)]
    if not all("Nothing to be done" in said for _, said in idle):
        raise RuntimeError("a rerun did something")
    yield Row("P10b", "a rerun with nothing to do", [s for s, _ in idle], [], ("at most", 10), counts={"jobs": 0})
