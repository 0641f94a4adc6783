"""Run graft in environments that a real conda makes of envs/*.yaml, and see which environment ran which script."""

import json
import os
import re
from pathlib import Path

import channel
import conda_from_index
from running import ROOT, graft

# The channel has what this interpreter has installed, which is no client of MLflow.
ENV_FILES = [path for path in sorted((ROOT / "envs").glob("*.yaml")) if path.stem != "tracking"]


def make_conda(folder):
    """A conda and its channel in `folder`; its folder of programs."""
    channel.build(folder / "channels", ENV_FILES)
    return conda_from_index.install(folder / "conda", folder / "channels")


def environment_with(conda, programs, environment=None):
    """The variables of a user, of this process unless given, who has put `conda` and the folder `programs` first in PATH."""
    environment = environment or os.environ
    return {**environment, "PATH": f"{conda}:{programs}:{environment['PATH']}"}


def ask_for_this_python(checkout):
    """Change the Python that the env files of a copy ask for to the one that runs the tests: the channel has no other.

    Nothing else is changed in them. The copy's folder.
    """
    for path in (checkout / "envs").glob("*.yaml"):
        text, count = re.subn(
            r"^  - python=\S+$", f"  - python={channel.VERSION}", path.read_text(), flags=re.MULTILINE
        )
        assert count == 1, f"{path.name} does not name its Python once"
        path.write_text(text)
    return checkout


def run_in_environments(folder, config, snakefile, programs, conda, check=True, variables=None):
    """Run a workflow in `folder` with --sdm conda.

    Parameters
    ----------
    programs : path, the folder of programs of an environment that has Snakemake
    conda : path, the folder of conda's programs
    variables : dict, more variables of the environment

    Returns
    -------
    what running.graft returns, and `ran`: dict, script -> the prefixes of the environments that ran it
    """
    noted = folder / "ran.txt"
    environment = {**environment_with(conda, programs), **(variables or {}), "GRAFT_RAN": str(noted)}
    options = {"env": environment, "snakefile": snakefile, "check": check, "warm": False, "python": programs / "python"}
    run = graft(folder, config, "--sdm", "conda", **options)
    run.ran = ran(noted)
    return run


def ran(noted):
    """What the channel's Python noted in $GRAFT_RAN: dict, script -> the prefixes of the environments that ran it."""
    found = {}
    for line in noted.read_text().splitlines() if noted.exists() else ():
        prefix, _, argument = line.partition(" ")
        script = re.search(r"\.snakemake/scripts/\w+\.(\w+)\.py", argument)
        if script:
            found.setdefault(script[1], set()).add(Path(prefix))
    return found


def made(folder, checkout):
    """The environments that conda made: dict, name of the env file -> folder."""
    kept = (folder / ".snakemake/conda").glob("*.yaml")
    found = {path.read_text().strip(): path.with_suffix("") for path in kept}
    asked = {path.stem: path.read_text().strip() for path in (checkout / "envs").glob("*.yaml")}
    return {name: found[text] for name, text in asked.items() if text in found}


def installed(environment):
    """What is in an environment: dict, package -> version."""
    facts = [json.loads(path.read_text()) for path in (environment / "conda-meta").glob("*.json")]
    return {fact["name"]: fact["version"] for fact in facts}


def environments_of_scripts():
    """Which env file the rules name for each script: dict, script -> name."""
    text = "".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    return {
        script: env for env, script in re.findall(r'"\.\./envs/(\w+)\.yaml".*?"\.\./scripts/(\w+)\.py"', text, re.S)
    }
