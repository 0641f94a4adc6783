"""Somebody who works through a page of the docs in a checkout of their own, in one terminal.

`PYTHONPATH=scripts:tests python -m tutorials.reader PAGE FOLDER` does so with one page in the new folder FOLDER, with jobs as users start
them, and prints what is seen and how long it took.
"""

import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import warm_jobs
from repository import PARTS, copied
from running import ROOT
from tutorials.pages import File, steps, unseen

TUTORIALS = ROOT / "docs/tutorials"


class Terminal:
    """A shell in a folder: what one command changes (its folder, its variables) is so for the next."""

    def __init__(self, folder, environment=None):
        self.shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command):
        """(lines, exit code) of a command."""
        end = uuid.uuid4().hex
        self.shell.stdin.write(f"{command}\necho {end} $?\n")
        self.shell.stdin.flush()
        lines = []
        for line in self.shell.stdout:
            before, found, code = line.rstrip("\n").partition(end)
            lines += [before] if before or not found else []
            if found:
                return lines, int(code)
        raise AssertionError(f"the shell ended at: {command}")

    def close(self):
        self.shell.stdin.close()
        self.shell.wait()


def checkout(folder):
    """A copy of graft as it is cloned; its .venv is the environment of the tests."""
    copied(folder, (*PARTS, "Makefile", "requirements-test.txt", "docs"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def work_through(page, folder, environment=None, report=lambda *_: None):
    """Type all commands of a page in the checkout `folder`, and write its files.

    Raises
    ------
    AssertionError
        If a command fails, or prints something else than the page shows.
    """
    terminal = Terminal(folder, environment)
    try:
        for step in steps(page):
            if isinstance(step, File):
                (Path(terminal.type("pwd")[0][0]) / step.path).write_text(step.text, encoding="utf-8")
                continue
            printed, code = terminal.type(step.typed)
            report(step, printed)
            shown = "\n".join(printed)
            assert code == 0, f"{page.name}: `{step.typed}` ended with {code}:\n{shown[-6000:]}"
            missing = step.shown and unseen(step.shown, printed)
            assert not missing, f"{page.name}: `{step.typed}` shows no line\n{missing}\nbut:\n{shown[-6000:]}"
    finally:
        terminal.close()


def warm():
    """Environment variables of a terminal whose jobs start at once (see warm_jobs), with one thread each."""
    return warm_jobs.environment({**os.environ, "OMP_NUM_THREADS": "1"})


def main(page, folder):
    begin = time.monotonic()

    def report(step, printed):
        print(f"$ {step.typed}", *printed, f"[{time.monotonic() - begin:.0f} s]", sep="\n", flush=True)
        if step.shown and (missing := unseen(step.shown, printed)):
            print(f"!! the page shows: {missing}", flush=True)

    work_through(Path(page).resolve(), checkout(Path(folder)), report=report)


if __name__ == "__main__":
    main(*sys.argv[1:])
