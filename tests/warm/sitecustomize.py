"""Imported by every Python that the tests start with `warm_jobs`: what runs a script of graft is handed to its server.

It runs in a fork of a process that has imported the large libraries already, and this process waits for it: it has the
job's standard streams and exit code, and passes signals on. Whatever is no such job goes on as if nothing were here.
"""

import os
import sys


def hand_over(address, arguments):
    """Let the server run a script with its arguments in a fork; never returns."""
    import json
    import signal
    import socket
    from pathlib import Path

    server = socket.socket(socket.AF_UNIX)
    server.connect(address)
    job = {"arguments": arguments, "path": sys.path, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    socket.send_fds(server, [json.dumps(job).encode() + b"\n"], [0, 1, 2])
    answers = server.makefile()
    process = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, lambda number, _: os.kill(process, number))
    os._exit(int(answers.readline() or 1))


def is_job():
    """Whether this runs a script of graft, in the Python that the server runs in, and no rank of several."""
    same = os.environ.get("GRAFT_WARM_PYTHON") == sys.executable
    script = "".join(sys.orig_argv[1:2])
    ours = "/.snakemake/scripts/" in script or script.endswith("/scripts/predict_files.py")
    return same and ours and "RANK" not in os.environ


if is_job():
    hand_over(os.environ["GRAFT_WARM_JOBS"], sys.orig_argv[1:])
