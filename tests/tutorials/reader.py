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
OF_MAKE = {
    "MAKEFLAGS",
    "MAKELEVEL",
    "MFLAGS",
    "MAKEOVERRIDES",
    "VENV",
}  # what `make tutorial-test VENV=..` gives to all that it starts


class Terminal:
    """A shell in a folder: what one command changes (its folder, its variables) is so for the next."""

    def __init__(self, folder, environment=None):
        self.shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={name: value for name, value in (environment or os.environ).items() if name not in OF_MAKE},
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
    copied(folder, (*PARTS, "Makefile", "requirements-test.txt", "docs", "tests/benchmarks"))
    (folder / ".venv").symlink_to(sys.prefix)
    return folder


def work_through(page, folder, judge, environment=None):
    """Write all files of a page into the checkout `folder`, and type its commands; `judge` gets each of them, what it printed and its code."""
    terminal = Terminal(folder, environment)
    try:
        for step in steps(page):
            if isinstance(step, File):
                (Path(terminal.type("pwd")[0][0]) / step.path).write_text(step.text, encoding="utf-8")
            else:
                judge(step, *terminal.type(step.typed))
    finally:
        terminal.close()


def not_as_shown(step, printed, code):
    """What is not as the page shows it, in words; empty where all is."""
    if code:
        return f"it ended with {code}"
    missing = unseen(step.shown, printed) if step.shown else None
    return f"it did not print: {missing}" if missing else ""


def expect(step, printed, code):
    """Fail where something is not as the page shows it: the `judge` of a test."""
    wrong = not_as_shown(step, printed, code)
    assert not wrong, "\n".join([f"`{step.typed}`: {wrong}", *printed[-60:]])


def warm():
    """Environment variables of a terminal whose jobs start at once (see warm_jobs), with one thread each."""
    return warm_jobs.environment({**os.environ, "OMP_NUM_THREADS": "1"})


def main(page, folder):
    begin = time.monotonic()

    def judge(step, printed, code):
        took = f"[{time.monotonic() - begin:.0f} s] {not_as_shown(step, printed, code)}"
        print(f"$ {step.typed}", *printed, took, sep="\n", flush=True)

    work_through(Path(page).resolve(), checkout(Path(folder)), judge)


if __name__ == "__main__":
    main(*sys.argv[1:])
