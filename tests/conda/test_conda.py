"""The rules' conda environments: a real conda solves, links and activates each, and every job runs in its own.

The channel has the interpreter and the packages of the tests' own environment, in their versions (channel.py); the large
ones only make those of the tests importable. So the pins, the solving and the activation are real, conda-forge is not.
"""

import shutil
import subprocess
import sys

import pytest
import yaml

from channel import pins
from environments import (
    checkout_for_this_python,
    environment_with,
    environments_of_scripts,
    installed,
    made,
    run_in_environments,
)
from running import ROOT
from tiny_data import small_lab

NEVER_ASKED_FOR = {"tune", "measure_speed", "measure_lengths", "predict_files"}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return checkout_for_this_python(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def lab(conda, checkout, tmp_path_factory):
    """A folder in which the workflow has run in environments, and that run."""
    folder = tmp_path_factory.mktemp("lab")
    path = small_lab(folder)
    config = yaml.safe_load(path.read_text())
    config["finetune"]["cells"] |= {"method": ["linear", "full"], "folds": 2, "epochs": 1}
    path.write_text(yaml.safe_dump({**config, "device": {"embedding_jobs": 2}}))
    return folder, run_in_environments(folder, path, checkout, conda)


def test_every_stage_runs(lab):
    folder, _ = lab
    for name in ("summary.csv", "handoff/index.json", "distill/small.smaller.kd/seed0/agreement.json"):
        assert (folder / "results" / name).exists()


@pytest.mark.parametrize("name", ["data", "torch", "report"])
def test_an_environment_holds_the_versions_that_its_file_pins(lab, checkout, name):
    folder, _ = lab
    found = installed(made(folder, checkout)[name])
    pinned = {package: version for package, version in pins(ROOT / f"envs/{name}.yaml").items() if version}
    assert {package: found[package] for package in pinned} == pinned | {"python": found["python"]}


def test_every_script_ran_in_the_environment_that_its_rule_names(lab, checkout):
    folder, run = lab
    folders, names = made(folder, checkout), environments_of_scripts()
    assert run.ran == {script: {folders[names[script]]} for script in run.ran}
    assert set(names) - set(run.ran) == NEVER_ASKED_FOR


def test_a_second_run_has_nothing_to_do(lab, checkout, conda):
    folder, _ = lab
    again = run_in_environments(folder, folder / "config.yaml", checkout, conda)
    assert again.jobs == {} and "Nothing to be done" in again.output


def test_a_pin_that_no_channel_has_ends_before_any_job_and_is_named(checkout, conda, tmp_path):
    copy = shutil.copytree(checkout, tmp_path / "checkout")
    env_file = copy / "envs/torch.yaml"
    env_file.write_text(env_file.read_text().replace("timm=", "timm=99."))
    (tmp_path / "lab").mkdir()
    config = small_lab(tmp_path / "lab")
    run = run_in_environments(tmp_path / "lab", config, copy, conda, check=False)
    assert run.returncode and run.jobs == {}
    assert "envs/torch.yaml" in run.output and "timm=99." in run.output


def test_the_dockerfile_that_snakemake_prints_makes_every_environment(checkout, conda):
    command = [sys.executable, "-m", "snakemake", "--containerize"]
    run = subprocess.run(command, cwd=checkout, env=environment_with(conda), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("FROM condaforge/miniforge3")
    for name in ("data", "report", "torch"):
        assert f"COPY envs/{name}.yaml" in run.stdout
    assert run.stdout.count("conda env create") == 3
