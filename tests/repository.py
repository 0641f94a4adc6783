"""git repositories of this checkout, with what is not committed yet, and without what .gitignore names."""

import shutil
import subprocess

from running import ROOT

PARTS = (
    *("Snakefile", "rules", "scripts", "config", "envs", "profiles", "slurm", ".test", ".gitignore"),
    *("pyproject.toml", "requirements.txt", "README.md", "LICENSE"),
)


def git(folder, *arguments):
    user = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    subprocess.run(["git", "-C", folder, *user, *arguments], check=True, capture_output=True)


def copied(folder, parts=PARTS):
    """This checkout's `parts` in the new folder `folder`; the folder."""
    folder.mkdir()
    for name in parts:
        if (ROOT / name).is_dir() and not (ROOT / name).is_symlink():
            shutil.copytree(ROOT / name, folder / name, symlinks=True)
        else:
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def committed(folder, prepare=lambda folder: None):
    """A repository in the new folder `folder`; `prepare` may change the files before they are committed. The folder."""
    prepare(copied(folder))
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "all of it")
    return folder
