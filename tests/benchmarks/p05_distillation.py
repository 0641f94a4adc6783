"""P5: one epoch of distillation with augmentation, the teacher's answers stored, against the student alone."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import assets
from benchmarks.elpv import ENTRY
from benchmarks.harness import Row, alternate
from benchmarks.own_runs import Prepared, backbone
from distill import answers
from graft import config as graft_config
from graft.targets.kinds import classification
from graft.training.model_file import content_of
from graft.training.objectives import kd
from graft.training.teacher import StoredTeacher
from live_teacher import LiveTeacher

COUNT, SIZE, REPEATS = 600, 96, 5
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

    def __init__(self, work):
        self.data = Prepared("cells", {**ENTRY, "limit": COUNT}, assets.dataset("elpv"), work)
        card, self.models = self.data.manifest.card, graft_config.make_plan(graft_config.load(CONFIG)).models
        self.large, self.small = backbone("effnet-lite2", card), backbone("effnet-lite0", card, size=SIZE)
        teacher = self.data.open_trainer(self.models["solar.large.linear"], self.large, self.data.embed(self.large))
        teacher = replace(teacher, frozen=True)
        self.teacher, self.embeddings = content_of(teacher, teacher.probe()), self.data.embed(self.small)

    def student(self):
        """A student that is ready to be trained."""
        return self.data.open_trainer(self.models["small.small.kd"], self.small, self.embeddings)

    def students(self, count):
        """Students and the heads that they start from, with their inputs open before the clock starts."""
        made = [self.student() for _ in range(count)]
        return iter([(student, student.probe(), student.data.inputs)[:2] for student in made])


def epochs(students, losses, teacher_of=lambda student: None):
    """A function that trains the next student for an epoch; the losses of its steps, and of validation at the end."""

    def epoch():
        (student, start), seen = next(students), []

        def recorded(*arguments):
            found = losses(*arguments)
            seen.append(found.detach().mean())
            return found

        history = student.fit(start, recorded, teacher_of(student)).history
        student.states.clear()
        return np.array([float(value) for value in seen]), history[-1]["val_auroc"]

    return epoch


def run():
    with tempfile.TemporaryDirectory() as folder:
        yield from _rows(Lab(Path(folder)))


def _rows(lab):
    read, counts = answers(lab.student(), lab.teacher, None, lab.large.folder)
    live = LiveTeacher(lab.student(), lab.teacher, lab.large.folder)
    students = lab.students(2 * REPEATS + 6)
    stored = epochs(students, kd.losses, lambda student: StoredTeacher(read, student.device))
    alone = epochs(students, classification.losses)
    stored_s, alone_s, (ours, auroc), (_, alone) = alternate(stored, alone, REPEATS)
    again_s, live_s, _, (theirs, asked) = alternate(stored, epochs(students, kd.losses, lambda _: live), 2, warm=False)
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
        f"{what}; other: the teacher asked at every step",
        again_s,
        live_s,
        ("at least", 1),
        quality={"ours": f"every step's loss within {far:.0e}", "other": f"AUROC {asked:.3f}"},
        counts=done,
    )
