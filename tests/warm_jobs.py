"""Jobs that start in no time: a server that has imported the large libraries forks itself for each job of a workflow.

Most of a small job's time is the import of torch and of a library of networks (3 to 7 s), and the workflow tests run
hundreds of them. `environment` gives what makes Snakemake's script jobs run here (see warm/sitecustomize.py); graft itself
is not imported by the server, so that each job has the modules of the checkout that it belongs to.
"""

import atexit
import gc
import json
import os
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from functools import cache
from pathlib import Path

LIBRARIES = (
    *("torch", "torchvision", "timm", "transformers", "transformers.models.bert.modeling_bert", "safetensors.torch"),
    *("pandas", "pyarrow.parquet", "pyarrow.dataset", "scipy.stats", "scipy.optimize", "scipy.sparse.csgraph"),
    *("scipy.fft", "sklearn.linear_model", "huggingface_hub", "tokenizers", "requests", "snakemake.script"),
    *("matplotlib.pyplot", "PIL.Image", "tifffile", "imagecodecs", "jinja2", "yaml"),
)
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")


def environment(given):
    """The environment variables `given`, and those that make the jobs of a Snakemake forks of the server."""
    path = [str(Path(__file__).with_name("warm")), *filter(None, [given.get("PYTHONPATH")])]
    own = {"GRAFT_WARM_JOBS": address_of_server(), "GRAFT_WARM_PYTHON": sys.executable}
    return {**given, **own, "PYTHONPATH": os.pathsep.join(path)}


@cache
def address_of_server():
    """Start the server of this test process, once."""
    folder = tempfile.mkdtemp(prefix="warm-")
    address = Path(folder) / "socket"
    command = [sys.executable, __file__, str(address)]
    server = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **ONE_THREAD}, process_group=0
    )
    atexit.register(shutil.rmtree, folder)
    atexit.register(server.kill)
    if server.stdout.readline() != b"ready\n":
        raise AssertionError(f"the server of jobs ended with {server.wait()}")
    return str(address)


def serve(address):
    """Fork for every job that comes; returns in the fork, with the job."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(address)
    listener.listen(64)
    print("ready", flush=True)
    # Its standard input ends with the test process, however that ends.
    while listener in select.select([listener, sys.stdin], [], [])[0]:
        client, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            return attend(client)
        client.close()
        reap()
    os._exit(0)


def reap():
    """Take note of forks that have ended, so that none stays as a zombie."""
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                return
        except ChildProcessError:
            return


def attend(client):
    """Fork once more for the job itself, and tell the client its number and its exit code; returns in the job."""
    message, fds, *_ = socket.recv_fds(client, 1 << 16, 3)
    while not message.endswith(b"\n"):
        message += client.recv(1 << 16)
    process = os.fork()
    if process == 0:
        client.close()
        for number, fd in enumerate(fds):
            os.dup2(fd, number)
        return json.loads(message)
    client.sendall(f"{process}\n".encode())
    _, status = os.waitpid(process, 0)
    client.sendall(f"{os.waitstatus_to_exitcode(status) % 256}\n".encode())
    os._exit(0)


def become(job):
    """Take over a job's folder, environment and path of modules."""
    os.chdir(job["folder"])
    os.environ.clear()
    os.environ.update(job["environment"])
    sys.argv = job["arguments"]
    sys.path[:] = [str(Path(sys.argv[0]).parent), *job["path"]]


def run(script):
    """Run a script as Python does; its exit code."""
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def leave(code):
    """End as Python does, but for taking all that was imported apart, which takes seconds."""
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    for library in LIBRARIES:
        __import__(library)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.freeze()  # the memory that forks share is not touched by their garbage collection
    become(serve(sys.argv[1]))
    leave(run(sys.argv[0]))
