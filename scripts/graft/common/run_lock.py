"""Whose lock a folder holds. Snakemake's lock names files, not who took it, and a run that is killed leaves it behind."""

import json
import os
import socket
from pathlib import Path

import psutil

HOLDER = Path(".snakemake/graft_run.json")


def note_holder(folder="."):
    """Write down which process has the lock of a folder; called once Snakemake has given it."""
    Path(folder, HOLDER).write_text(json.dumps(_process(os.getpid())), encoding="utf-8")


def advice(unlock, folder="."):
    """What to do about the lock that a folder holds; "" if it holds none.

    Parameters
    ----------
    unlock : str, the command that takes a lock away
    """
    if not any(Path(folder, ".snakemake/locks").glob("*.lock")):
        return ""
    holder = _holder(folder)
    if holder is None or holder["machine"] != _machine():
        who = f" (the last one here was process {holder['process']} on {holder['machine'][0]})" if holder else ""
        return (
            f"This folder is locked: another run works in it, or one was killed and has left its lock{who}.\n"
            f"If none runs any more: {unlock}"
        )
    if holder == _process(holder["process"]):
        return f"This folder is locked: another run works in it, process {holder['process']} on this machine."
    return (
        f"This folder is locked by a run that was killed: its process, {holder['process']} on this machine, is gone.\n"
        f"Remove the lock and run again, and it continues where it stopped: {unlock}"
    )


def _holder(folder):
    try:
        return json.loads(Path(folder, HOLDER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _process(number):
    """What identifies a process among all others, also a later one of the same number; None if it does not run."""
    try:
        process = psutil.Process(number)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return {"process": number, "began": process.create_time(), "machine": _machine()}
    except psutil.NoSuchProcess:
        return None


def _machine():
    """The machine's name, and in which view of its processes a container shows them."""
    try:
        view = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        view = ""
    return [socket.gethostname(), view]
