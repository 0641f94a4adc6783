"""The rules' conda environments: a real conda solves, links and activates each, and every job runs in its own.

Snakemake runs where nothing else is installed but graft's library, by a workflow that imports graft from its host.
The channel has the interpreter and the packages of the tests' own environment, in their versions (channel.py); the large
ones only make those of the tests importable. So the pins, the solving and the activation are real, conda-forge is not.
"""

import shutil
import subprocess

import pytest
import yaml

import hosting
from channel import pins
from environments import (
    ask_for_this_python,
    environment_with,
    environments_of_scripts,
    installed,
    made,
    run_in_environments,
)
from running import ROOT
from tiny_data import small_lab

NEVER_ASKED_FOR = {
    *("tune", "measure_speed", "measure_lengths", "predict_files", "zero_shot", "show_pool", "track"),
    *("plan_search", "try_settings", "choose_settings"),
}


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    return hosting.hosted(tmp_path_factory.mktemp("hosted"), ask_for_this_python)


@pytest.fixture(scope="module")
def checkout(hosted):
    return hosted.checkout


@pytest.fixture(scope="module")
def lab(conda, hosted, tmp_path_factory):
    """A folder in which an importing workflow has run in environments, and that run."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "Snakefile").write_text(hosting.MODULE)
    path = small_lab(folder)
    config = yaml.safe_load(path.read_text())
    config["finetune"]["cells"] |= {"method": ["linear", "full"], "folds": 2, "epochs": 1, "curve": [0.75]}
    rows = [f"{'ab'[i % 2]},{'xy'[i // 20]},{'pq'[i % 3 % 2]},{i},{i % 7},{i % 3 + i % 2}" for i in range(40)]
    (folder / "numbers.csv").write_text("\n".join(["label,site,bench,n1,n2,n3", *rows, ""]))
    entry = {
        "source": {"path": "."},
        "table": "numbers.csv",
        "columns": {"features": "n*"},
        "folds": 2,
        "split": {"pool": 0.3},
        "subgroups": ["bench"],
    }
    config["datasets"]["numbers"] = {**entry, "targets": {"label": {}, "site": {}}}
    sites = {"dataset": "numbers", "domain": {"column": "site", "source": "x", "target": "y"}}
    config["adapt"] = {"sites": {**sites, "backbone": "scaled"}}
    config["backbones"]["scaled"] = {"library": "vectors", "preprocess": ["standardise"]}  # it is fitted by a job
    config["finetune"]["numbers"] = {"dataset": "numbers", "backbone": "scaled"}
    config["labelling"] = {"strategy": "typical"}  # what pip has installed is imported
    config["ensemble"] = {"both": {"models": ["cells.tiny.linear", "cells.tiny.full"]}}
    path.write_text(yaml.safe_dump({**config, "device": {"embedding_jobs": 2}}))
    return folder, run(folder, hosted, conda)


def run(folder, hosted, conda):
    """Run the importing workflow of a folder."""
    snakefile = folder / "Snakefile"
    return run_in_environments(folder, None, snakefile, hosted.programs, conda, variables=hosted.variables)


def test_every_stage_runs(lab):
    folder, _ = lab
    for name in ("summary.csv", "handoff/index.json", "distill/small.smaller.kd/seed0/label/agreement.json"):
        assert (folder / "lab/models" / name).exists()


@pytest.mark.parametrize("name", ["data", "labelling", "torch", "report"])
def test_an_environment_holds_the_versions_that_its_file_pins(lab, checkout, name):
    folder, _ = lab
    found = installed(made(folder, checkout)[name])
    pinned = {package: version for package, version in pins(ROOT / f"envs/{name}.yaml").items() if version}
    assert {package: found[package] for package in pinned} == pinned | {"python": found["python"]}


def test_every_script_ran_in_the_environment_that_its_rule_names(lab, checkout):
    folder, done = lab
    folders, names = made(folder, checkout), environments_of_scripts()
    assert done.ran == {script: {folders[names[script]]} for script in done.ran}
    assert set(names) - set(done.ran) == NEVER_ASKED_FOR


def test_a_second_run_has_nothing_to_do(lab, hosted, conda):
    folder, _ = lab
    again = run(folder, hosted, conda)
    assert again.jobs == {} and "Nothing to be done" in again.output


def test_a_pin_that_no_channel_has_ends_before_any_job_and_is_named(hosted, conda, tmp_path):
    copy = shutil.copytree(hosted.checkout, tmp_path / "checkout", symlinks=True)
    env_file = copy / "envs/torch.yaml"
    env_file.write_text(env_file.read_text().replace("timm=", "timm=99."))
    (tmp_path / "lab").mkdir()
    config = small_lab(tmp_path / "lab")
    done = run_in_environments(tmp_path / "lab", config, copy / "Snakefile", hosted.programs, conda, check=False)
    assert done.returncode and done.jobs == {}
    assert "envs/torch.yaml" in done.output and "timm=99." in done.output


def test_the_dockerfile_that_snakemake_prints_makes_every_environment(hosted, conda):
    variables = environment_with(conda, hosted.programs)
    command = [hosted.programs / "python", "-m", "snakemake", "--containerize"]
    done = subprocess.run(command, cwd=hosted.checkout, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FROM condaforge/miniforge3")
    for name in ("data", "labelling", "report", "torch", "tracking"):
        assert f"COPY envs/{name}.yaml" in done.stdout
    assert done.stdout.count("conda env create") == 5
