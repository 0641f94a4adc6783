"""What surrounds a rule's script: Ctrl-C at any time is a line in its log, and no traceback."""

import os
import signal
import subprocess
import sys

import pytest

from gated import heed_signals
from running import ROOT

SCRIPT = """
from types import SimpleNamespace
snakemake = SimpleNamespace(log=["job.log"], threads=1, config={"device": {"rehearsal": False}}, resources={})
from graft.common.job import job
with job(snakemake):
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
