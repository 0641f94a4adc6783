"""P1: a frozen fine-tune of EfficientNet-Lite0 on 600 solar cells at 224 px, against twenty epochs of the seed loop."""

import shutil
import tempfile
from pathlib import Path
from statistics import median
from types import SimpleNamespace

import numpy as np
import pandas as pd
import timm
import torch
from torch.utils.data import DataLoader

import assets
from benchmarks.elpv import Files
from benchmarks.harness import THREADS, Row, alternate
from benchmarks.own_runs import decoding_seconds
from benchmarks.seed_loop import freeze_all_but, predict_vision, train_vision
from graft.common.device import processor
from graft.common.fingerprint import root_of
from graft.common.outputs import write_json
from graft.data.prepare import prepare
from graft.data.readers import complete
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.evaluation.metrics import auroc
from graft.heads.probe import solve_probe
from graft.networks import backbones
from graft.store import Store

COUNT, SIZE, EPOCHS, BATCH = 600, 224, 20, 32
MODE = {"threads": THREADS, "engine": "auto"}  # as the workflow's default


class Cells:
    """The images, as a user has them: files and a table; and what graft makes of them."""

    def __init__(self, folder):
        root = root_of(assets.dataset("elpv") / "dataset.json")
        table = pd.read_csv(root / "labels.csv", sep=r"\s+", header=None, names=["path", "probability", "type"])
        table = table.sample(COUNT, random_state=0).reset_index(drop=True)
        table["defect"] = np.where(table["probability"] > 0.5, "yes", "no")
        (folder / "images").mkdir(parents=True)
        for path in table["path"]:
            shutil.copy(root / path, folder / path)
        table[["path", "defect"]].to_csv(folder / "t.csv", index=False)
        self.folder = folder
        self.entry = complete(
            {"source": {"path": str(folder)}, "reader": "table", "table": "t.csv", "columns": {"path": "path"}}
            | {"targets": {"defect": {}}, "split": {"validation": 0.15, "test": 0.2}}
        )
        write_json(folder / "dataset.json", {"root": str(folder)})
        self.backbone = assets.backbone("effnet-lite0")

    def prepare(self):
        return prepare("cells", self.entry, self.folder, THREADS)

    def inputs(self, prepared):
        source = open_source(self.folder / "dataset.json", self.entry, prepared.card)
        return prepared.frame, source, features.pretrained(self.backbone, prepared.card)

    def embed(self, prepared, store):
        return features.embed(*self.inputs(prepared), store, **MODE)


def auroc_of(probe, embeddings, codes, test):
    logits = embeddings[test].astype(np.float64) @ np.asarray(probe["weight"]).T + np.asarray(probe["bias"])
    odds = torch.from_numpy(logits).softmax(1).numpy()
    return auroc(codes[test], odds)[0]


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Cells(Path(folder) / "cells"), Path(folder))


def _rows(cells, folder):
    prepared = cells.prepare()
    splits, codes = prepared.frame["split"].to_numpy(), (prepared.frame["defect"] == "yes").astype(int).to_numpy()
    test, counted = splits == "test", {}

    def probe(embeddings):
        settings = {"l2": None, "class_weights": "none"}
        solved = solve_probe(
            embeddings, codes, splits, prepared.frame["fold"].to_numpy(), prepared.targets["defect"], settings
        )
        return auroc_of(solved, embeddings, codes, test)

    def from_nothing():
        with tempfile.TemporaryDirectory() as store:
            # Of the data nothing is there; the network is converted once for all of a lab's data.
            shutil.copytree(kept.root / "networks", Path(store) / "networks")
            embeddings, counts = cells.embed(cells.prepare(), Store(store, images=()))
            counted.update(counts)
            return probe(embeddings)

    kept = Store(folder / "store")
    cells.embed(prepared, kept)

    def from_store():
        return probe(cells.embed(prepared, kept)[0])

    def seed():
        torch.manual_seed(0)
        model = timm.create_model("tf_efficientnet_lite0", num_classes=2)
        found = model.load_state_dict(backbones.load(cells.backbone).state_dict(), strict=False)
        if found.unexpected_keys or set(found.missing_keys) != {"classifier.weight", "classifier.bias"}:
            raise RuntimeError(f"the seed loop's network is another one: {found}")
        model.classifier = torch.nn.Linear(model.num_features, 2)  # the last layer replaced, as the notebooks do
        freeze_all_but(model, ["fc", "classifier"])
        parts = {
            split: Files(cells.folder, rows["path"], rows["defect"] == "yes", SIZE)
            for split, rows in prepared.frame.groupby("split")
        }
        train_vision(model, parts["train"], parts["validation"], EPOCHS)
        logits, labels = predict_vision(model, DataLoader(parts["test"], batch_size=BATCH))
        return auroc(labels.numpy(), logits.softmax(1).numpy())[0]

    ours_s, seed_s, ours, naive = alternate(from_nothing, seed, repeats=1, warm=False)
    again_s, _, again, _ = alternate(from_store, lambda: None)
    limit = bare_forward(cells, prepared, kept, from_nothing)
    quality = {"other": f"AUROC {naive:.3f}"}
    yield Row(
        "P1",
        f"frozen fine-tune, {COUNT} images, from nothing; other: {EPOCHS} epochs of the seed loop",
        ours_s + limit.ours,
        seed_s,
        ("at least", 60 if processor() == "amx_bf16" else 50),
        quality={"ours": f"AUROC {ours:.3f}", **quality},
        counts={key: counted[key] for key in ("decodes", "forwards")},
        why=f"the bare forward pass alone (P1c) is {median(seed_s) / median(limit.other):.0f} times as fast as the seed loop",
    )
    yield Row(
        "P1b",
        "the same, embeddings stored",
        again_s,
        seed_s,
        ("at least", 400),
        quality={"ours": f"AUROC {again:.3f}", **quality},
        counts={"forwards": 0},
    )
    yield limit


def bare_forward(cells, prepared, kept, from_nothing):
    """The limit: one pass over images that lie ready in memory, by the engine in the fastest mode within cosine 0.999 of float32, and
    reading, decoding and resizing the files once, shared by all cores."""
    engine = features.engine_for(*cells.inputs(prepared), kept, **MODE)
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, SIZE, SIZE, 1), np.uint8)
    ready = SimpleNamespace(arrays=lambda part: pixels[part])

    def bare():
        for part in np.array_split(np.arange(COUNT), -(-COUNT // BATCH)):
            engine.run(ready, part)

    ours_s, bare_s, ours, _ = alternate(from_nothing, bare)
    decoding = decoding_seconds(*cells.inputs(prepared)) / THREADS
    return Row(
        "P1c",
        f"the same from nothing; other: one bare forward pass ({engine.made_by['engine']}, {engine.precision}), and decoding over the cores",
        ours_s,
        [seconds + decoding for seconds in bare_s],
        ("at most", 1.15),
        quality={"ours": f"AUROC {ours:.3f}"},
        counts={"forwards": COUNT},
        why="every file is decoded a second time, when the data are checked; and the head is solved",
    )
