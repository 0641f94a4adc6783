"""Vectors with labels of every kind, a teacher of all of them and students: trainings without images, in milliseconds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import torch
from torch import nn

import distill
from graft import config as graft_config
from graft.common.outputs import write_json
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_source
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training import loop
from graft.training.data import TrainingData
from graft.training.model_file import content_of
from graft.training.state import StateFiles
from graft.training.trainer import Trainer

ROWS, POOL, WIDTH = 90, 40, 5
SPEC = {"name": "tiny", "library": "vectors", "architecture": "identity", "modality": "vector", "preprocessing": {}}
CLASSES = {"kind": ["x", "y", "z"], "grade": ["low", "mid", "high"], "tags": ["p", "q"]}
TARGETS = {
    "kind": {"classes": CLASSES["kind"]},
    "grade": {"kind": "ordinal", "classes": CLASSES["grade"]},
    "tags": {"kind": "multilabel", "columns": CLASSES["tags"]},
}
NAMED = {"library": "timm", "architecture": "resnet18", "source": {"random": True}}  # the plan's; the network is Tiny


class Tiny(nn.Sequential):
    """A network with weights, for vectors."""

    width, modality, spec = WIDTH, "vector", {**SPEC, "weights_sha256": "0" * 64, "width": WIDTH}

    def __init__(self, **_):
        torch.manual_seed(5)
        super().__init__(nn.Linear(WIDTH, WIDTH), nn.Tanh(), nn.Dropout(0.2))


def table(pool=POOL):
    """Vectors with a label of each kind; the last rows are the pool, and have labels, too. `pool`: how many of them."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS + POOL, WIDTH)).round(3)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(WIDTH)])
    frame["id"] = [f"s{i:03d}" for i in range(len(frame))]
    frame["split"] = np.array(["train", "train", "validation", "train", "test"])[np.arange(len(frame)) % 5]
    frame.loc[frame.index[ROWS:], "split"] = "pool"
    for name, column in (("kind", 0), ("grade", 1)):
        noisy = x[:, column] + 0.5 * draw.normal(size=len(frame))
        frame[name] = np.array(CLASSES[name], object)[(noisy > -0.4).astype(int) + (noisy > 0.4)]
    for name, column in (("p", 2), ("q", 3)):
        frame[name] = (x[:, column] + 0.5 * draw.normal(size=len(frame)) > 0).astype(int)
    return frame[: ROWS + pool].copy()


class Vectors:
    """The table, prepared, a teacher of all of its targets, and students."""

    def __init__(self, folder, frame, targets=tuple(TARGETS), **columns):
        self.folder, root = folder, folder / "cells"
        root.mkdir(parents=True)
        frame.to_csv(root / "t.csv", index=False)
        columns = {"id": "id", "features": "x*", "split": "split", **columns}
        entry = {"table": "t.csv", "columns": columns, "targets": {name: TARGETS[name] for name in targets}}
        self.entry, self.targets = complete(entry), list(targets)
        names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
        self.prepared = prepare("cells", self.entry, root)
        write(self.prepared, {key: folder / name for key, name in names.items()})
        write_json(folder / "dataset.json", {"root": str(root)})
        self.manifest = read_manifest(folder / "samples.parquet")
        for part in ("labelled", "pool"):
            rows = self.manifest.part(part)
            own = frame.set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)
            write_features(folder / f"{part}.parquet", rows, own.reshape(len(rows), WIDTH))
        trainer = replace(self.trainer("e.tiny.full"), frozen=True)
        self.teacher = content_of(trainer, trainer.probe())

    def models(self, **settings):
        model = {"dataset": "cells", "backbone": "tiny", "method": "full", "alone": False}
        model |= {"targets": self.targets} if len(self.targets) > 1 else {"target": self.targets[0]}
        student = {"teacher": "e.tiny.full", "backbone": "small", "epochs": 2, "batch_size": 8, "patience": None}
        entry = {"source": {"path": "cells"}, "targets": {name: TARGETS[name] for name in self.targets}}
        config = {
            "datasets": {"cells": entry},
            "backbones": {"tiny": NAMED, "small": NAMED},
            "finetune": {"e": model},
            "distill": {"s": {**student, **settings}},
        }
        return graft_config.make_plan(graft_config.load(config)).models

    def trainer(self, name="s.small.kd", state="state", **settings):
        data = TrainingData(
            settings=self.models(**settings)[name],
            samples=self.folder / "samples.parquet",
            source=open_source(self.folder / "dataset.json", self.entry, self.manifest.card),
            backbone=SimpleNamespace(spec=Tiny.spec, folder=None, weights="0" * 64, network=Tiny, stored=Tiny),
            store=Store(self.folder / "store"),
            features=self.folder / "labelled.parquet",
        )
        return Trainer(data, 0, StateFiles(self.folder / state, "f"), torch.device("cpu"), "fp32")

    def distil(self, trainer=None, name="out", **settings):
        """The bytes of the model and of the history."""
        files = [self.folder / f"{name}.{end}" for end in ("pt", "csv", "json")]
        parts = [self.folder / f"{part}.parquet" for part in ("labelled", "pool")]
        distill.main(
            trainer or self.trainer(state=name, **settings), self.teacher, [(self.teacher, parts, None)], *files
        )
        content = torch.load(files[0], weights_only=True)
        weights = b"".join(one.numpy().tobytes() for one in content["state_dict"].values())
        return weights, files[1].read_bytes()


def problem_of(trainer, monkeypatch, losses=None, teacher=None):
    """What a trainer hands to the loop."""
    kept = []
    with monkeypatch.context() as patch:
        patch.setattr(loop, "fit", lambda problem, *_: kept.append(problem) or [])
        trainer.fit(losses=losses, teacher=teacher)
    return kept[0]
