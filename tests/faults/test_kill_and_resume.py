"""Kill the training job, or Snakemake itself, in the middle; the rerun ends with the bytes of an undisturbed run."""

import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from running import ROOT, graft
from tiny_data import trainings

MODEL = "results/finetune/cells.tiny.full/seed0"
FILES = ("ft_model.pt", "ft_history.csv")
FOLD = f"{MODEL}/fold1"
CONFIG = trainings("cells", epochs=4, save_every=0, augment="standard", folds=2)


def lab(folder):
    """A folder with data and config, all but the training done."""
    for i in range(48):
        path = folder / "cells" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = lab(tmp_path_factory.mktemp("undisturbed"))
    graft(folder, folder / "config.yaml", f"{MODEL}/ft_model.pt", f"{FOLD}/held_out.parquet")
    return SimpleNamespace(files=results(folder), held_out=(folder / FOLD / "held_out.parquet").read_bytes())


def start(folder, target=f"{MODEL}/ft_model.pt"):
    """Snakemake, running in the background."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile"), "--directory", str(folder)]
    command += ["--configfile", str(folder / "config.yaml"), "--nocolor", "--cores=2", target]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (folder / "out.log").open("w") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, env=env)


def wait_for_state(folder, run=MODEL, saves=3):
    """Wait until the training has saved its state a few times, so that it is in the middle of its steps."""
    seen, deadline = set(), time.monotonic() + 180
    while len(seen) < saves:
        seen |= {path.stat().st_mtime_ns for path in (folder / run / ".state").glob("*.pt")}
        assert time.monotonic() < deadline, (folder / "out.log").read_text()[-3000:]
        time.sleep(0.02)


def training_job(controller):
    """The process that trains: the child whose command is a Snakemake script."""
    for child in psutil.Process(controller.pid).children(recursive=True):
        if any(re.search(r"\.finetune(_fold)?\.py", part) for part in child.cmdline()):
            return child
    raise AssertionError("no training job runs")


def results(folder):
    return {name: (folder / MODEL / name).read_bytes() for name in FILES}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_training_job_that_is_killed_and_run_again_ends_with_the_same_bytes(tmp_path, undisturbed, number):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_state(folder)
    training_job(controller).send_signal(number)
    assert controller.wait(60) != 0
    assert not (folder / MODEL / "ft_model.pt").exists()
    graft(folder, folder / "config.yaml", f"{MODEL}/ft_model.pt")
    log = (folder / "logs/finetune/cells.tiny.full.seed0.log").read_text()
    assert re.search(r"continuing at epoch \d+, step \d+", log)
    assert results(folder) == undisturbed.files
    assert not (folder / MODEL / ".state").exists()


def test_the_training_of_a_fold_that_is_killed_and_run_again_ends_with_the_same_bytes(tmp_path, undisturbed):
    folder = lab(tmp_path)
    controller = start(folder, f"{FOLD}/held_out.parquet")
    wait_for_state(folder, FOLD)
    training_job(controller).kill()
    assert controller.wait(60) != 0
    graft(folder, folder / "config.yaml", f"{FOLD}/held_out.parquet")
    log = (folder / "logs/finetune_fold/cells.tiny.full.seed0.fold1.log").read_text()
    assert re.search(r"continuing at epoch \d+, step \d+", log)
    assert (folder / FOLD / "held_out.parquet").read_bytes() == undisturbed.held_out
    assert not (folder / FOLD / ".state").exists()


def test_snakemake_killed_with_its_jobs_and_run_again_ends_with_the_same_bytes(tmp_path, undisturbed):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_state(folder)
    family = [*psutil.Process(controller.pid).children(recursive=True), psutil.Process(controller.pid)]
    for process in family:
        process.kill()
    controller.wait(60)
    locked = graft(folder, folder / "config.yaml", f"{MODEL}/ft_model.pt", check=False)
    assert locked.returncode and "unlock" in locked.output
    graft(folder, folder / "config.yaml", "--unlock")
    graft(folder, folder / "config.yaml", f"{MODEL}/ft_model.pt")
    assert results(folder) == undisturbed.files


def test_state_of_other_settings_is_refused_with_a_log_line(tmp_path):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_state(folder)
    training_job(controller).kill()
    controller.wait(60)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["finetune"]["cells"] |= {"lr": 1e-3, "epochs": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    graft(folder, folder / "config.yaml", f"{MODEL}/ft_model.pt")
    log = (folder / "logs/finetune/cells.tiny.full.seed0.log").read_text()
    assert "belongs to other data, settings or code" in log and "continuing at" not in log
