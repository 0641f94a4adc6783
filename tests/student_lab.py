"""A teacher, students and their data, small, for tests of distillation: what scripts/distill.py gets in a workflow."""

import json
from types import SimpleNamespace

import torch

import distill
import trained_runs
from graft import config as graft_config
from graft.common.outputs import write_json
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.networks import backbones, network
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training.data import TrainingData
from graft.training.state import StateFiles
from graft.training.trainer import Trainer
from tiny_data import THREE_WAY, encoded, image_folder, pixels

ENTRY = complete({**THREE_WAY, "split": {**THREE_WAY["split"], "growth_stable": True}})
CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}}},
    "backbones": {
        name: {"library": "timm", "architecture": "resnet18", "source": {"random": True}} for name in ("tiny", "small")
    },
    "finetune": {"cells": {"dataset": "cells", "backbone": "tiny", "method": "full"}},
}
SPEC = {
    "name": "small",
    "modality": "image",
    "library": "timm",
    "architecture": "test_efficientnet",
    "width": 256,
    "weights_sha256": "1" * 64,
    "preprocessing": {**trained_runs.IMAGE, "size": 48},
}


def untrained(**_):
    torch.manual_seed(1)
    return backbones.build(SPEC)


class Lab:
    """A data set, a teacher, the embeddings of a student's backbone; `here` is where a test has its store and states.

    `pool` : images without a label
    """

    def __init__(self, folder, pool=0):
        self.folder, self.here, self.root = folder, folder, image_folder(folder / "cells", per_class=20)
        self.add_to_pool(pool)
        self.teacher = network.load(trained_runs.finished_run(folder, self.root, **ENTRY))
        for key in ("weight", "bias"):  # as sure as a trained one
            self.teacher["state_dict"][f"heads.label.{key}"] *= 10
        self.backbone = SimpleNamespace(spec=SPEC, folder=None, weights="1" * 64, network=untrained)
        write_json(folder / "dataset.json", {"root": str(self.root)})
        self.embed()

    @property
    def teacher_features(self):
        return [self.folder / f"results/features/cells/{trained_runs.MODEL}.seed0/labelled.parquet"]

    def add_to_pool(self, count):
        """So many more images without a label."""
        first = len(list((self.root / "pool").glob("*")))
        for i in range(first, first + count):
            (self.root / "pool").mkdir(exist_ok=True)
            (self.root / "pool" / f"{i}.png").write_bytes(encoded(pixels(5000 + i)))

    def grow(self, per_class=21):
        """One more image of each class, and what was added to the pool."""
        image_folder(self.root, per_class)
        files = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
        files |= {part: f"{part}.digest" for part in ("labelled", "pool")}
        data = self.folder / "results/data/cells"
        write(prepare("cells", ENTRY, self.root), {key: data / name for key, name in files.items()})
        self.embed()

    def embed(self):
        manifest = read_manifest(self.folder / "results/data/cells/samples.parquet")
        self.source = open_source(self.folder / "dataset.json", ENTRY, manifest.card)
        rows = manifest.part("labelled")
        embeddings, _ = features.embed(rows, self.source, self.backbone, Store(self.folder / "store"), "fp32")
        write_features(self.folder / "student.parquet", rows, embeddings)

    def student(self, name="a", seed=0, precision="fp32", **settings):
        settings = {"epochs": 2, "batch_size": 8, "patience": None, "augment": "standard", **settings}
        entry = {"teacher": trained_runs.MODEL, "backbone": "small", **settings}
        plan = graft_config.make_plan(graft_config.load({**CONFIG, "distill": {name: entry}}))
        data = TrainingData(
            settings=plan.models[f"{name}.small.kd"],
            samples=self.folder / "results/data/cells/samples.parquet",
            source=self.source,
            backbone=self.backbone,
            store=Store(self.here / "store"),
            features=self.folder / "student.parquet",
        )
        return Trainer(data, seed, StateFiles(self.here / f"state.{name}.{seed}", "f"), torch.device("cpu"), precision)

    def answers(self, run):
        return distill.answers(run, self.teacher, self.teacher_features, None)

    def distil(self, run):
        """The counts of a whole distillation, and the model."""
        files = [self.here / f"{run.settings['name']}.{run.seed}.{name}" for name in ("pt", "csv", "json")]
        distill.main(run, self.teacher, [(self.teacher, self.teacher_features, None)], *files)
        return json.loads(files[2].read_text()), network.load(files[0])
