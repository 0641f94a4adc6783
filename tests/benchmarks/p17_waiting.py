"""P17: what a training step on a GPU waits for, counted on a device that is not there (see fake_cuda)."""

import tempfile
from pathlib import Path

import pytest

from benchmarks.harness import Row
from student_lab import Lab
from unit.test_gpu_loop import STEPS, waiting_copies


def run():
    """Copies that wait, per step; a value that is asked for (`.item()`) would be an error."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        copies = waiting_copies(Lab(Path(folder)).student(augment="standard", batch_size=4), patch)
    steps = STEPS - 1  # the first copies what stays on the device
    yield Row(
        "P17",
        "copies that a training step on a GPU waits for",
        [copies.total() / steps],
        [],
        ("at most", 0),
        unit="copies",
    )
