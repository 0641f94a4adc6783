"""P10: planning a thousand configured models, against the same jobs without any function of graft; a rerun with nothing to do."""

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


# The jobs that graft plans for a model, with what they read and write, and no function at all.
STEPS = {
    "finetune": (["start"], ["ft_model.pt", "ft_history.csv"]),
    "embed_model": (["finetune/{seed}/ft_model.pt", "start"], ["labelled.parquet"]),
    "predict": (
        ["finetune/{seed}/ft_model.pt", "embed_model/{seed}/labelled.parquet", "start"],
        ["predictions.parquet", "metrics.json"],
    ),
    "export_model": (
        ["finetune/{seed}/ft_model.pt", "predict/{seed}/metrics.json", "start"],
        ["model.safetensors", "config.json", "labels.json", "README.md"],
    ),
    "plot_classifier": (
        ["predict/{seed}/predictions.parquet", "start"],
        ["mistakes.html", "confusion.svg", "per_class.svg", "reliability.svg"],
    ),
    "plot_training": (["finetune/{seed}/ft_history.csv"], ["learning_curves.svg"]),
}
RULE = """
rule {name}:
    input: {inputs}
    output: {outputs}
    log: "logs/{name}/{{seed}}.log"
    benchmark: "benchmarks/{name}/{{seed}}.tsv"
    params: settings="settings", mode="bf16", code="0123456789abcdef"
    threads: 1
    resources: mem_mb=8000, runtime=120, gpu=0
    message: "{name} {{wildcards.seed}}"
    shell: "touch {{output}}"
"""


def write_empty(path):
    """A Snakefile that plans the same jobs."""
    wanted = [f"{name}/{seed}/{file}" for seed in range(MODELS) for name, (_, files) in STEPS.items() for file in files]
    rules = [
        RULE.format(
            name=name,
            inputs=", ".join(map(repr, before)),
            outputs=", ".join(repr(f"{name}/{{seed}}/{file}") for file in files),
        )
        for name, (before, files) in STEPS.items()
    ]
    head = f"rule all:\n    input: {wanted!r}\n\nrule start:\n    output: 'start'\n    shell: 'touch {{output}}'\n"
    path.write_text(head + "".join(rules))


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
    write_empty(folder / "Empty")
    (folder / "empty").mkdir()
    planned, empty = [], []
    for _ in range(3):
        planned.append(snakemake(folder, *many, "-n", "-q")[0])
        empty.append(snakemake(folder / "empty", "-n", "-q", snakefile=folder / "Empty")[0])
    yield Row(
        "P10",
        f"snakemake -n, {MODELS} models; other: the same jobs in a Snakefile without functions",
        planned,
        empty,
        ("at most", 1.2),
        counts={"models": MODELS, "jobs per model": len(STEPS)},
        why="Snakemake asks every job for its inputs a second time once the checkpoint prepare_data is looked at",
    )
    snakemake(folder, *one)
    idle = [snakemake(folder, *one) for _ in range(3)]
    if not all("Nothing to be done" in said for _, said in idle):
        raise RuntimeError("a rerun did something")
    yield Row("P10b", "a rerun with nothing to do", [s for s, _ in idle], [], ("at most", 10), counts={"jobs": 0})
