"""Trainings that wait for a test: none is long, and none is over before the test has done to it what it wants to do.

`checkout` gives a copy of the workflow with a method `gated`, which trains as `full` does. After its second saved state
it puts a file WAITS beside the state, and goes on when GATE is in the folder of the run, or a signal has come. If a
file HANGS lies there, it takes that away and heeds nothing from there on, as on a stuck file system.
"""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from running import ROOT

PARTS = ("Snakefile", "rules", "scripts", "config", "envs", "profiles")
GATE, WAITS, HANGS = "gate.open", "waits", "hangs"
LONG = 900  # seconds; no condition takes as long on any machine, unless it never comes
METHOD = f'''
"""`full`, which waits for a file once it has saved its state twice."""

import os
import select
import signal
import time
from pathlib import Path

USES_FEATURES = False
FROZEN = False


def train(trainer):
    """Train backbone and head together, with a stop at the gate."""
    states, settings = trainer.states, trainer.settings
    Path(states.folder, "{WAITS}").unlink(missing_ok=True)
    every, settings["save_every"] = settings["save_every"], 0
    states.save = stopping(states.save, Path(states.folder), settings)
    trained = trainer.fit()
    settings["save_every"] = every
    return trained


def stopping(save, folder, settings):
    """`save`, which at the second call waits for the gate or a signal; from there on it is called by signals alone."""
    told, tell = os.pipe()
    os.set_blocking(tell, False)
    signal.set_wakeup_fd(tell)
    count = 0

    def save_and_wait(value):
        nonlocal count
        save(value)
        count += 1
        if count < 2:
            return
        settings["save_every"] = float("inf")
        (folder / "{WAITS}").touch()
        while not Path("{GATE}").exists() and not select.select([told], [], [], 0.05)[0]:
            if (folder / "{HANGS}").exists():
                hang(folder / "{HANGS}")

    return save_and_wait


def hang(asked):
    """Heed no signal but the one that cannot be set aside. (A stopped process would not do: Slurm wakes it before it ends it.)"""
    for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    asked.unlink()
    while True:
        time.sleep(1)
'''


def checkout(folder):
    """A copy of the workflow in `folder` that has the method `gated`."""
    for part in PARTS:
        source = ROOT / part
        shutil.copytree(source, folder / part) if source.is_dir() else shutil.copy(source, folder / part)
    (folder / "scripts/graft/training/methods/gated.py").write_text(METHOD)
    return folder


def open_gate(folder):
    """Let the trainings of a run in `folder` go on."""
    Path(folder, GATE).touch()


def at_the_gate(run):
    """Whether the training whose results go to the folder `run` has saved its state and waits."""
    return Path(run, ".state", WAITS).exists()


def hang(run):
    """Make a training that waits at the gate heed nothing any more; what is true once it does."""
    asked = Path(run, ".state", HANGS)
    asked.touch()
    return lambda: not asked.exists()


def start(command, log, **options):
    """A process in a group of its own, as a terminal starts one; what it says goes to the file `log`.

    A shell that runs tests in the background ignores Ctrl-C, and so would all that they start.
    """
    with Path(log).open("w") as file:
        return subprocess.Popen(
            list(map(str, command)),
            stdout=file,
            stderr=file,
            process_group=0,
            preexec_fn=heed_signals,
            **options,
        )


def heed_signals():
    """Give the signals that a shell may have set aside their usual effect."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


def end(process):
    """Let a process that `start` made end, as Ctrl-C in its terminal does, or at last by force."""
    try:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
            process.wait(LONG)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def wait_for(condition, what, process=None, log=None, seconds=LONG):
    """The first true value of `condition()`; fails if `process` has ended, or after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        ended = process is not None and process.poll() is not None
        if (ended or time.monotonic() > deadline) and not (value := condition()):
            said = Path(log).read_text()[-6000:] if log else ""
            raise AssertionError(f"{'it ended' if ended else f'{seconds} s were over'} before {what}\n{said}")
        time.sleep(0.1)
    return value
