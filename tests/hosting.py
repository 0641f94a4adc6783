"""graft on a host of repositories, and a user who has installed its library beside Snakemake, as docs/module.md says.

The host is github.com by name only: git is told to find its repositories in a folder of the test.
"""

import os
import shutil
import subprocess
from types import SimpleNamespace

import bare
from repository import committed, git

MODULE = """
configfile: "config.yaml"

module graft:
    snakefile: github("owner/graft", path="Snakefile", tag="v1")
    config: config
    pathvars:
        results="lab/models",
        logs="lab/logs",

use rule * from graft as graft_*
"""
# Imports graft for the tiny config of .test.
LAB = f"""{MODULE}
rule ensemble:
    default_target: True
    input:
        index="lab/models/handoff/index.json",
        summary="lab/models/summary.csv",
        predictions="lab/models/handoff/seeds/kind/predictions.parquet",
        few_shot="lab/models/few_shot/few.vectors.prototypes/metrics.json",
        costs="lab/models/figures/costs.svg",
        curves="lab/models/figures/finetune/kinds.vectors.linear/seed0/learning_curves.svg",
    output:
        "ensemble.txt",
    shell:
        "wc -c {{input}} > {{output}}"
"""
PACKAGE = "graft @ git+https://github.com/owner/graft@v1"


def hosted(work, prepare=lambda folder: None):
    """Host the checkout, changed by `prepare`, as tag v1, and install its library.

    Returns
    -------
    SimpleNamespace with checkout (a folder), variables (dict, by which git and Snakemake find the host), programs (those of
    an environment that has Snakemake and the library) and added (the packages that pip has put there beside Snakemake)
    """
    checkout = committed(work / "checkout", prepare)
    git(checkout, "tag", "v1")
    git(work, "clone", "-q", "--bare", "checkout", work / "host/owner/graft")
    variables = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{work}/host/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
        "GITHUB_TOKEN": "",
        "XDG_CACHE_HOME": str(work / "cache"),  # where Snakemake keeps what it has cloned
    }
    folder = shutil.copytree(bare.environment("snakemake").parent, work / "environment", symlinks=True)
    before = packages(folder)
    pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", PACKAGE]
    subprocess.run(pip, check=True, env={**os.environ, **variables})
    added = packages(folder) - before
    return SimpleNamespace(checkout=checkout, variables=variables, programs=folder / "bin", added=added)


def packages(environment):
    """The names of what is installed in an environment."""
    return {path.name.partition("-")[0] for path in site_packages(environment).glob("*.dist-info")}


def site_packages(environment):
    return next(environment.glob("lib/python3*/site-packages"))
