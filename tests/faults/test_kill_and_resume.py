"""Kill the training job, or Snakemake itself, in the middle; the rerun ends with the bytes of an undisturbed run."""

import os
import re
import shutil
import signal
import sys
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import yaml
from PIL import Image

from gated import LONG, at_the_gate, checkout, end, open_gate, wait_for
from gated import start as start_process
from running import graft
from tiny_data import trainings

MODEL = "results/finetune/cells.tiny.gated/seed0"
FILES = ("ft_model.pt", "ft_history.csv")
FOLD = f"{MODEL}/fold1"
READY = ("results/data/cells/samples.parquet", "resources/backbones/tiny/backbone.json")
TRIAL = "results/search/found/rung1/1"
SUBSET = f"{MODEL}/subset50.draw0"
CONFIG = trainings("cells", method="gated", epochs=3, augment="standard", folds=2)
SEARCH = {"minutes": 30, "method": ["gated"], "lr": [1e-4], "augment": ["standard"]}  # one trial
CONFIG["finetune"]["found"] = {"dataset": "cells", "backbone": "tiny", "search": SEARCH, "batch_size": 4, "epochs": 3}


@pytest.fixture(scope="module")
def snakefile(tmp_path_factory):
    """The workflow, with the method whose trainings wait for a test."""
    return checkout(tmp_path_factory.mktemp("checkout")) / "Snakefile"


@pytest.fixture
def start(snakefile):
    """A function that starts Snakemake in the background, in a process group of its own."""
    started = []

    def start_it(folder, target=f"{MODEL}/ft_model.pt"):
        command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--directory", folder]
        command += ["--configfile", folder / "config.yaml", "--nocolor", "--cores=2", target]
        started.append(start_process(command, folder / "out.log"))
        return started[-1]

    yield start_it
    for process in started:
        end(process)


def wait_for_gate(folder, controller, run=MODEL):
    """Wait until the training is in the middle of its steps: it has saved its state, and waits."""
    wait_for(lambda: at_the_gate(folder / run), "the training waits", controller, folder / "out.log")


@pytest.fixture(scope="module")
def lab(tmp_path_factory, snakefile):
    """A function that makes a folder with data and config, in which all is done but the trainings."""
    first = with_data(tmp_path_factory.mktemp("prepared"))
    graft(first, first / "config.yaml", *READY, snakefile=snakefile)
    return lambda folder: shutil.copytree(first, folder, symlinks=True, dirs_exist_ok=True)


def with_data(folder):
    """A folder with data and config."""
    for i in range(48):
        path = folder / "cells" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


@pytest.fixture(scope="module")
def again(snakefile):
    """A function that runs the workflow to its end, with the gate open."""

    def run(folder, *targets, **options):
        open_gate(folder)
        return graft(folder, folder / "config.yaml", *targets, snakefile=snakefile, **options)

    return run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, lab, again):
    folder = lab(tmp_path_factory.mktemp("undisturbed"))
    again(folder, f"{MODEL}/ft_model.pt", f"{FOLD}/held_out.parquet")
    return SimpleNamespace(files=results(folder), held_out=(folder / FOLD / "held_out.parquet").read_bytes())


def training_job(controller):
    """The process that trains: the child whose command is a Snakemake script."""
    for child in psutil.Process(controller.pid).children(recursive=True):
        if any(re.search(r"\.(finetune(_fold|_subset)?|try_settings)\.py", part) for part in child.cmdline()):
            return child
    raise AssertionError("no training job runs")


def results(folder):
    return {name: (folder / MODEL / name).read_bytes() for name in FILES}


def log_of(folder, run="finetune/cells.tiny.gated.seed0"):
    return (folder / f"logs/{run}.log").read_text()


def test_a_training_job_that_is_told_to_end_and_run_again_ends_with_the_same_bytes(
    tmp_path, undisturbed, lab, start, again
):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_gate(folder, controller)
    training_job(controller).terminate()
    assert controller.wait(LONG) != 0
    assert not (folder / MODEL / "ft_model.pt").exists()
    again(folder, f"{MODEL}/ft_model.pt")
    assert re.search(r"continuing at epoch \d+, step \d+", log_of(folder))
    assert results(folder) == undisturbed.files
    assert not (folder / MODEL / ".state").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_ctrl_c_or_a_lost_terminal_saves_the_state_and_leaves_no_lock(tmp_path, undisturbed, lab, start, again, number):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_gate(folder, controller)
    os.killpg(controller.pid, number)
    assert controller.wait(LONG) != 0
    said = (folder / "out.log").read_text()
    assert "stopped by a signal" in log_of(folder) and "Traceback" not in said + log_of(folder)
    again(folder, f"{MODEL}/ft_model.pt")
    assert re.search(r"continuing at epoch \d+, step \d+", log_of(folder))
    assert results(folder) == undisturbed.files


def test_the_training_of_a_fold_that_is_killed_and_run_again_ends_with_the_same_bytes(
    tmp_path, undisturbed, lab, start, again
):
    folder = lab(tmp_path)
    controller = start(folder, f"{FOLD}/held_out.parquet")
    wait_for_gate(folder, controller, FOLD)
    training_job(controller).kill()
    assert controller.wait(LONG) != 0
    again(folder, f"{FOLD}/held_out.parquet")
    assert re.search(r"continuing at epoch \d+, step \d+", log_of(folder, "finetune_fold/cells.tiny.gated.seed0.fold1"))
    assert (folder / FOLD / "held_out.parquet").read_bytes() == undisturbed.held_out
    assert not (folder / FOLD / ".state").exists()


@pytest.mark.parametrize(
    ("home", "files", "log"),
    [
        (TRIAL, ("trial.json", "validation.parquet"), "try_settings/found.rung1.1"),
        (SUBSET, ("subset.json", "judged.parquet"), "finetune_subset/cells.tiny.gated.seed0.subset50.draw0"),
    ],
    ids=["search", "curve"],
)
def test_a_trial_that_is_killed_and_run_again_ends_with_the_same_bytes(tmp_path, lab, start, again, home, files, log):
    (whole := tmp_path / "whole").mkdir(), (killed := tmp_path / "killed").mkdir()
    again(lab(whole), f"{home}/{files[0]}")
    controller = start(lab(killed), f"{home}/{files[0]}")
    wait_for_gate(killed, controller, home)
    training_job(controller).kill()
    assert controller.wait(LONG) != 0
    again(killed, f"{home}/{files[0]}")
    assert re.search(r"continuing at epoch \d+, step \d+", log_of(killed, log))
    assert [(killed / home / name).read_bytes() for name in files] == [
        (whole / home / name).read_bytes() for name in files
    ]
    assert not (killed / home / ".state").exists()


def test_snakemake_killed_with_its_jobs_and_run_again_ends_with_the_same_bytes(
    tmp_path, undisturbed, lab, start, again
):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_gate(folder, controller)
    family = [*psutil.Process(controller.pid).children(recursive=True), psutil.Process(controller.pid)]
    for process in family:
        process.kill()
    controller.wait(LONG)
    locked = again(folder, f"{MODEL}/ft_model.pt", check=False)
    assert locked.returncode
    assert f"its process, {controller.pid} on this machine, is gone" in locked.output.split("LockException")[1]
    assert f"make unlock CONFIG={os.path.relpath(folder / 'config.yaml')}" in locked.output
    again(folder, "--unlock")
    again(folder, f"{MODEL}/ft_model.pt")
    assert results(folder) == undisturbed.files


def test_state_of_other_settings_is_refused_with_a_log_line(tmp_path, lab, start, again):
    folder = lab(tmp_path)
    controller = start(folder)
    wait_for_gate(folder, controller)
    training_job(controller).kill()
    controller.wait(LONG)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    config["finetune"]["cells"] |= {"lr": 1e-3, "epochs": 1}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    again(folder, f"{MODEL}/ft_model.pt")
    assert "belongs to other data, settings or code" in log_of(folder) and "continuing at" not in log_of(folder)
