"""P5: one epoch of distillation with augmentation, the teacher's answers stored, against the student alone."""

import tempfile
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import torch

import assets
from benchmarks.harness import THREADS, Row, alternate
from benchmarks.p01_frozen import Cells
from distill import answers
from graft import backbones, features
from graft import config as graft_config
from graft.device import choose_precision
from graft.feature_files import write_features
from graft.inputs import open_source
from graft.objectives import kd
from graft.outputs import read_json
from graft.prepare import write
from graft.runs import Run
from graft.samples import read_manifest
from graft.state import State
from graft.store import Store
from graft.teacher import StoredTeacher
from live_teacher import LiveTeacher

SIZE, REPEATS = 96, 5
CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}, "targets": {"defect": {}}}},
    "backbones": {
        name: {"library": "timm", "architecture": name, "source": {"random": True}} for name in ("large", "small")
    },
    "finetune": {"solar": {"dataset": "cells", "backbone": "large", "method": "linear"}},
    "distill": {"small": {"teacher": "solar.large.linear", "backbone": "small", "augment": "dihedral", "epochs": 1}},
}


class Lab:
    """The cells, a teacher (EfficientNet-Lite2 at its own size with a linear probe) and a small student."""

    def __init__(self, folder):
        cells, self.folder, self.store = Cells(folder / "cells"), folder, Store(folder / "store")
        paths = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
        paths |= {part: f"{part}.digest" for part in ("labelled", "pool")}
        write(cells.prepare(), {key: folder / "data" / name for key, name in paths.items()})
        self.samples = folder / "data/samples.parquet"
        self.source = open_source(cells.folder / "dataset.json", cells.entry, read_manifest(self.samples).card)
        self.precision = choose_precision("auto", torch.device("cpu"))
        self.models = graft_config.plan(graft_config.load(CONFIG)).models
        self.large = features.pretrained(assets.backbone("effnet-lite2"), self.source.card)
        self.small = self.shrunk(cells.backbone)
        teacher = self.run("solar.large.linear", self.large, self.embed(self.large))
        teacher.frozen = True
        teacher.probe()
        self.teacher = teacher.finished({})
        self.features = self.embed(self.small)

    def shrunk(self, folder):
        """EfficientNet-Lite0 for smaller images."""
        spec = read_json(folder / "backbone.json")
        spec["preprocessing"]["size"] = SIZE
        return SimpleNamespace(
            spec=spec, folder=folder, weights=spec["weights_sha256"], network=lambda: backbones.load(folder)
        )

    def embed(self, backbone):
        rows, path = read_manifest(self.samples).part("labelled"), self.folder / f"{backbone.weights}.parquet"
        embedded, _ = features.embed(rows, self.source, backbone, self.store, threads=THREADS)
        write_features(path, rows, embedded)
        return path

    def run(self, name, backbone, embedded):
        return Run(
            settings=self.models[name],
            seed=0,
            samples=self.samples,
            features=embedded,
            source=self.source,
            backbone=backbone,
            store=self.store,
            state=State(self.folder / "state", "f"),
            device=torch.device("cpu"),
            precision=self.precision,
            threads=THREADS,
        )

    def student(self):
        """A student that is ready to be trained."""
        run = self.run("small.small.kd", self.small, self.features)
        run.probe()
        len(run.inputs.lengths)  # opened before the clock starts
        return run


def epochs(students, objective, teacher_of=lambda run: None):
    """A function that trains the next student for an epoch; the losses of its steps, and of validation at the end."""

    def epoch():
        run, seen, loss = next(students), [], kd.loss
        run.teacher = teacher_of(run)

        def recorded(*arguments):
            seen.append(loss(*arguments))
            return seen[-1]

        with patch.object(kd, "loss", recorded):
            history = run.fit(objective=objective)
        run.state.clear()
        return np.array([float(value.detach()) for value in seen]), history[-1]["val_auroc"]

    return epoch


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Lab(Path(folder)))


def _rows(lab):
    read, counts = answers(lab.student(), lab.teacher, None, lab.large.folder)
    live = LiveTeacher(lab.student(), lab.teacher, lab.large.folder)
    students = iter([lab.student() for _ in range(2 * REPEATS + 6)])
    stored = epochs(students, "kd", lambda run: StoredTeacher(read, run.device))
    stored_s, alone_s, (ours, auroc), (_, alone) = alternate(stored, epochs(students, "cross_entropy"), REPEATS)
    again_s, live_s, _, (theirs, asked) = alternate(stored, epochs(students, "kd", lambda run: live), 2, warm=False)
    what = f"one epoch of distillation with augmentation, Lite2 at 260 px to Lite0 at {SIZE} px, answers stored"
    far = float(np.abs(ours - theirs).max())
    done = {"steps": len(ours), "teacher forwards": 0, "forwards before": counts["forwards"]}
    yield Row(
        "P5",
        f"{what}; other: the student alone",
        stored_s,
        alone_s,
        ("at most", 1.1),
        quality={"ours": f"AUROC {auroc:.3f}", "other": f"AUROC {alone:.3f}"},
        counts=done,
    )
    yield Row(
        "P5b",
        "the same; other: the teacher asked at every step",
        again_s,
        live_s,
        ("at least", 1),
        quality={"ours": f"every step's loss within {far:.0e}", "other": f"AUROC {asked:.3f}"},
        counts=done,
    )
