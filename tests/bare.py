"""Environments that have Snakemake and none of the libraries of graft's jobs, as a login node or the workflow catalog has.

pip makes one in half a minute, with the versions of requirements.txt. It is kept in $GRAFT_TEST_CACHE, or tests/.cache.
"""

import subprocess
import sys

from filelock import FileLock

from graft.common.outputs import sha256_of
from running import CACHE, ROOT


def environment(*packages):
    """The folder of programs of an environment that has these packages, and what they need themselves."""
    pins = [line for line in (ROOT / "requirements.txt").read_text().split() if line.partition("==")[0] in packages]
    assert len(pins) == len(packages)
    folder = CACHE / "environments" / sha256_of(sys.version, sys.base_prefix, *pins)[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *pins], check=True)
            (folder / "ready").touch()
    return folder / "bin"
