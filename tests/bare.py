"""Environments that a test needs and that the project's is not. pip makes one in half a minute. It is kept in $GRAFT_TEST_CACHE, or
tests/.cache.

Bare ones have Snakemake and none of the libraries of graft's jobs, as a login node or the workflow catalog has.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

from filelock import FileLock

from graft.common.outputs import sha256_of
from running import CACHE, ROOT


def environment(*packages):
    """The folder of programs of an environment that has these packages of requirements.txt, and what they need themselves."""
    pins = [line for line in (ROOT / "requirements.txt").read_text().split() if line.partition("==")[0] in packages]
    assert len(pins) == len(packages)
    return made(pins)


def made(pins, beside_ours=False):
    """The folder of programs of an environment with these packages in these versions; `beside_ours`: and all that runs the tests."""
    ours = sysconfig.get_path("purelib") if beside_ours else ""
    folder = CACHE / "environments" / sha256_of(sys.version, sys.base_prefix, *filter(None, [ours]), *pins)[:12]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        if not (folder / "ready").exists():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            if ours:
                (site_packages(folder) / "ours.pth").write_text(f"{ours}\n")
            pip = [folder / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            subprocess.run([*pip, *pins], check=True)
            (folder / "ready").touch()
    return folder / "bin"


def site_packages(environment):
    return Path(sysconfig.get_path("purelib", vars={"base": str(environment), "platbase": str(environment)}))
