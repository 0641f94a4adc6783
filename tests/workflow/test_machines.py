"""On which machines and in which folders graft starts, and what it says where it cannot."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gated import checkout
from running import ROOT, environment_for_make

PROGRAMS = Path(sys.executable).parent


@pytest.fixture
def venv(tmp_path):
    return f"VENV={environment_for_make(tmp_path / 'venv')}"


def project(folder):
    """A checkout in `folder` with a config of its own for a table of numbers, called "my cells.yaml"."""
    folder.mkdir(parents=True)
    checkout(folder)
    for name in ("Makefile", "requirements.txt", "requirements-test.txt"):
        shutil.copy(ROOT / name, folder)
    (folder / "slurm").symlink_to("profiles/slurm")
    (folder / "data").mkdir()
    rows = [f"{i},{i % 7},{'ab'[i % 2]}" for i in range(60)]
    (folder / "data/t.csv").write_text("\n".join(["f1,f2,label", *rows]) + "\n")
    entry = {"source": {"path": "data"}, "reader": "table", "table": "t.csv", "columns": {"features": "f*"}}
    config = {
        "datasets": {"t": entry},
        "finetune": {"t": {"dataset": "t", "backbone": "vectors", "method": "linear"}},
    }
    (folder / "my cells.yaml").write_text(yaml.safe_dump(config))
    return folder


def run(command, folder, **variables):
    """What a command says, and whether it ended well. The make that runs the tests passes it no variables."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "VENV")}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, capture_output=True, text=True, env=inherited | variables
    )
    return done.returncode == 0, done.stdout + done.stderr


def test_a_folder_and_a_config_may_have_a_blank_in_their_names_but_not_the_environment(tmp_path, venv):
    folder = project(tmp_path / "my project/graft")
    good, said = run(["make", "check", "CONFIG=my cells.yaml"], folder)
    assert not good and "a path with a blank cannot be started" in said
    assert re.search(r"make check VENV=\S+$", said.replace(".  Stop.", "").strip())
    assert not (folder / ".venv").exists()
    good, said = run(["make", "check", "CONFIG=my cells.yaml", venv], folder)
    assert good and "make run CONFIG='my cells.yaml'" in said, said
    good, said = run(["make", "clear-store", "CONFIG=my cells.yaml", venv], folder)
    assert good, said


@pytest.mark.parametrize("home", ["/proc", "/nowhere/at/all"])
def test_where_the_home_cannot_be_written_make_caches_in_the_project(tmp_path, venv, home):
    folder = project(tmp_path / "graft")
    good, said = run(["env", "-u", "XDG_CACHE_HOME", "make", "unlock", "CONFIG=my cells.yaml", venv], folder, HOME=home)
    assert good and "Traceback" not in said, said
    assert (folder / "build/cache/snakemake").is_dir()


def test_without_conda_or_slurm_that_is_said_before_the_first_job(tmp_path):
    folder = project(tmp_path / "graft")
    few = tmp_path / "bin"
    few.mkdir()
    for program in ("bash", "sh", "env", "git", "which", "uname"):  # what Snakemake itself calls
        (few / program).symlink_to(shutil.which(program))
    path = f"{PROGRAMS}:{few}"
    command = [PROGRAMS / "snakemake", "--profile", "slurm", "--configfile", "my cells.yaml"]
    good, said = run(command, folder, PATH=path)
    assert not good and "no program `conda` here" in said and "software-deployment-method" in said
    assert "Execute" not in said and "Traceback" not in said and "killed" not in said
    profile = folder / "profiles/slurm/config.yaml"  # as the message says
    profile.write_text(profile.read_text().replace("software-deployment-method: conda\n", ""))
    good, said = run(command, folder, PATH=path)
    assert not good and "no program `sbatch` here" in said and "--profile profiles/local --cores all" in said
    assert "Execute" not in said and "Traceback" not in said and "killed" not in said
    assert not (folder / ".snakemake/locks").exists()
    local = [PROGRAMS / "snakemake", "--profile", "profiles/local", "--cores", "all", "--configfile", "my cells.yaml"]
    good, said = run([*local, "--", "results/data/t/samples.parquet"], folder, PATH=path)
    assert good, said


def test_a_config_that_is_not_there_is_named_and_a_quick_look_that_is_off_is_off(tmp_path, venv):
    folder = project(tmp_path / "lab")
    good, said = run(["make", "check", "CONFIG=nothere.yaml", venv], folder)
    assert not good and "There is no config file 'nothere.yaml'" in said and "Traceback" not in said
    assert "make new DATA=folder-or-file CONFIG=nothere.yaml" in said
    assert run(["make", "-n", "new", "DATA=data", "CONFIG=nothere.yaml", venv], folder)[0], "new writes it"
    for word, asked in (("1", True), ("0", False), ("no", False), ("", False)):
        good, said = run(["make", "-n", "run", f"QUICK={word}", "CONFIG=my cells.yaml", venv], folder)
        assert good and ("--config quick=true" in said) == asked, word
