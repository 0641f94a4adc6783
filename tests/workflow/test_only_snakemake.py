"""A bare clone is linted and planned in an environment that has Snakemake and nothing else, as in the workflow catalog."""

import os
import subprocess

import pytest

import bare
from repository import committed, git
from running import jobs_of

NOT_THERE = ("numpy", "pandas", "pyarrow", "torch", "sklearn", "matplotlib", "PIL", "filelock", "ruamel")


@pytest.fixture(scope="module")
def programs():
    return bare.environment("snakemake")


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    work = tmp_path_factory.mktemp("work")
    committed(work / "checkout")
    git(work, "clone", "-q", "checkout", "clone")
    return work / "clone"


def run(command, programs, folder):
    """What a command says, which must end well."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [programs / command[0], *command[1:]], cwd=folder, capture_output=True, text=True, env=variables
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_environment_has_no_library_of_the_jobs(programs, tmp_path):
    found = f"from importlib.util import find_spec; print([name for name in {NOT_THERE} if find_spec(name)])"
    assert run(["python", "-c", found], programs, tmp_path) == "[]\n"


def test_lint_passes(clone, programs):
    assert "your workflow is in a good condition" in run(["snakemake", "--lint"], programs, clone)


def test_the_embedded_default_is_planned(clone, programs):
    jobs = jobs_of(run(["snakemake", "-n"], programs, clone))
    assert {line.split()[-1] for line in jobs["fetch_dataset"]} == {"elpv", "elpv-few", "news"}


def test_the_config_of_the_catalog_is_planned(clone, programs):
    config = ["--directory", ".test", "--configfile", ".test/config/config.yaml"]
    assert {"fetch_dataset", "prepare_data"} == set(jobs_of(run(["snakemake", "-n", *config], programs, clone)))
