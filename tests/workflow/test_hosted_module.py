"""graft as a module from a hosted repository, its library installed as a package, as in a lab's own workflow.

The host is github.com by name only: git is told to find its repositories in a folder of this test.
"""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from running import ROOT, graft
from tiny_data import small_lab

PARTS = (
    "Snakefile",
    "rules",
    "scripts",
    "config",
    "envs",
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
)
LAB = """
configfile: "config.yaml"

module graft:
    snakefile: github("owner/graft", path="Snakefile", tag="v1")
    config: config
    pathvars:
        results="lab/models",
        logs="lab/logs",

use rule * from graft as graft_*

rule ensemble:
    default_target: True
    input:
        index="lab/models/handoff/index.json",
        summary="lab/models/summary.csv",
        predictions="lab/models/handoff/cells/label/predictions.parquet",
        few_shot="lab/models/few_shot/few.tiny.prototypes/metrics.json",
        costs="lab/models/figures/costs.svg",
        curves="lab/models/figures/finetune/cells.tiny.linear/seed0/learning_curves.svg",
    output:
        "ensemble.txt",
    shell:
        "wc -c {input} > {output}"
"""


def git(folder, *arguments):
    user = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *user, *arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def hosted(tmp_path_factory):
    """The environment of a user who has installed the library; "github.com" has the checkout, as tag v1."""
    work = tmp_path_factory.mktemp("hosted")
    checkout, host = work / "checkout", work / "host"
    for name in PARTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, checkout / name, **({"symlinks": True} if copy is shutil.copytree else {}))
    (checkout / ".gitignore").write_text("__pycache__/\n")
    git(work, "init", "-q", "checkout")
    git(checkout, "add", ".")
    git(checkout, "commit", "-q", "-m", "all of it")
    git(checkout, "tag", "v1")
    git(work, "clone", "-q", "--bare", "checkout", host / "owner/graft")
    environment = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{host}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "GITHUB_TOKEN": "",
        "PYTHONPATH": str(work / "installed"),
        "XDG_CACHE_HOME": str(work / "cache"),  # where Snakemake keeps what it has cloned
    }
    package = ["graft @ git+https://github.com/owner/graft@v1", "--target", work / "installed"]
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", *package]
    subprocess.run(pip, check=True, env={**os.environ, **environment})
    return environment


@pytest.fixture(scope="module")
def lab(hosted, tmp_path_factory):
    """A finished run of the importing workflow."""
    folder = tmp_path_factory.mktemp("lab")
    small_lab(folder)
    (folder / "Snakefile").write_text(LAB)
    graft(folder, None, env=hosted, snakefile=folder / "Snakefile", warm=False)  # every job as users' start
    return folder


def test_an_importing_workflow_runs_every_stage_and_finds_the_results_where_it_put_them(lab):
    index = json.loads((lab / "lab/models/handoff/index.json").read_text())
    assert {model["model"] for model in index["models"]} == {"cells.tiny.linear", "small.smaller.kd"}
    assert (lab / "ensemble.txt").exists() and not (lab / "results").exists()


def test_a_second_run_has_nothing_to_do(lab, hosted):
    again = graft(lab, None, env=hosted, snakefile=lab / "Snakefile")
    assert again.jobs == {} and "Nothing to be done" in again.output


def test_the_report_finds_the_captions(lab, hosted):
    graft(lab, None, "--report", "report.html", env=hosted, snakefile=lab / "Snakefile")
    page = (lab / "report.html").read_text()
    assert "costs.svg" in page and "learning_curves.svg" in page
    caption = (ROOT / "rules/captions/costs.rst").read_text().split("\n")[0]
    assert re.sub(r"\W+", " ", caption)[:30] in re.sub(r"\W+", " ", page)


def test_without_a_config_the_embedded_default_is_taken(hosted, tmp_path):
    (tmp_path / "Snakefile").write_text(
        'module graft:\n    snakefile: github("owner/graft", path="Snakefile", tag="v1")\n\nuse rule * from graft\n'
    )
    run = graft(tmp_path, None, "-n", env=hosted, snakefile=tmp_path / "Snakefile")
    assert {line.split()[-1] for line in run.jobs["fetch_dataset"]} == {"elpv", "news"}


def test_without_the_library_the_user_is_told_what_to_install(hosted, tmp_path):
    (tmp_path / "Snakefile").write_text(LAB)
    small_lab(tmp_path)
    run = graft(tmp_path, None, "-n", check=False, env={**hosted, "PYTHONPATH": ""}, snakefile=tmp_path / "Snakefile")
    assert run.returncode and "pip install 'graft @ git+https" in run.output
    assert "Traceback" not in run.output
