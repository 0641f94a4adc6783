"""A client and a server of MLflow, as it ships them: its own code, its own database. The project's environment has neither."""

import contextlib
import json
import os
import re
import socket
import subprocess
import time
import urllib.request

import bare
from running import ROOT

# The whole of MLflow wants older packages than graft, but its client carries the server's code, which needs these.
SERVER = ("aiohttp==3.14.5", "flask==3.1.3", "flask-cors==6.0.5", "graphene==3.4.3")
PINS = re.findall(r"^[\w-]+==\S+$", (ROOT / "requirements-tracking.txt").read_text(), re.MULTILINE)
STARTED = 120  # seconds, on a machine with more to do


def programs():
    """The folder of programs of an environment with requirements-tracking.txt, and what a server needs."""
    return bare.made([*PINS, *SERVER], beside_ours=True)


def packages():
    """The folder of its packages: what a Python lacks that runs graft's jobs, to be named in PYTHONPATH."""
    return bare.site_packages(programs().parent)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def server(folder, port):
    """An MLflow server whose database and files are in `folder`."""
    folder.mkdir(exist_ok=True)
    command = [
        programs() / "python",
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder}/mlflow.db",
        "--artifacts-destination",
        str(folder / "files"),
    ]
    variables = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=variables, start_new_session=True)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, 15)
            process.wait(60)


def wait_for(address):
    """Return when a server answers."""
    end = time.monotonic() + STARTED
    while time.monotonic() < end:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError(f"no server answers at {address}")


READ = """
import json, sys
from mlflow import MlflowClient
client = MlflowClient(tracking_uri=sys.argv[1])
place = client.get_experiment_by_name(sys.argv[2]).experiment_id
def files(run, folder=None):
    for one in client.list_artifacts(run, folder):
        if one.is_dir:
            yield from files(run, one.path)
        else:
            yield one.path
print(json.dumps([
    {
        "id": run.info.run_id,
        "name": run.info.run_name,
        "status": run.info.status,
        "params": run.data.params,
        "metrics": run.data.metrics,
        "tags": run.data.tags,
        "files": sorted(files(run.info.run_id)),
        "history": {
            name: [[one.step, one.value] for one in client.get_metric_history(run.info.run_id, name)]
            for name in run.data.metrics if "/" in name
        },
    }
    for run in client.search_runs([place])
]))
"""


def runs(address, experiment):
    """What MLflow's own client reads back: a list of dict, one per run, the newest first."""
    command = [programs() / "python", "-c", READ, address, experiment]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
