"""What surrounds a rule's script: Ctrl-C at any time is a line in its log, and no traceback."""

import ast
import os
import signal
import subprocess
import sys

import pytest

from gated import heed_signals
from running import ROOT

SCRIPT = """
from graft.common.job import job
with job("job.log"):
    raise KeyboardInterrupt
"""
IMPORTING = """
snakemake = None
import graft
raise KeyboardInterrupt
"""


@pytest.mark.parametrize("script", [SCRIPT, IMPORTING])
def test_ctrl_c_ends_a_script_without_a_traceback(tmp_path, script):
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")},
        capture_output=True,
        text=True,
        preexec_fn=heed_signals,
    )
    assert done.returncode in (128 + signal.SIGINT, -signal.SIGINT)
    assert "Traceback" not in done.stderr
    if script == SCRIPT:
        assert "stopped by Ctrl-C" in (tmp_path / "job.log").read_text()


def test_other_errors_of_a_script_keep_their_traceback(tmp_path):
    script = IMPORTING.replace("KeyboardInterrupt", "ValueError")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr


def test_the_library_knows_no_object_of_snakemakes():
    """Scripts map `snakemake` to arguments."""
    for path in (ROOT / "scripts/graft").rglob("*.py"):
        tree = ast.parse(path.read_text())
        names = {getattr(node, "id", getattr(node, "arg", None)) for node in ast.walk(tree)}
        assert "snakemake" not in names, path
