"""Send runs to MLflow, each once. Only the job `track` imports this: the others need no MLflow."""

import os
import time
from contextlib import contextmanager
from getpass import getuser

# Before MLflow is imported, which reads them. It would report its use to its makers, wait for four minutes for a server, and
# print the address of each run, with a password in it.
os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "5")

from mlflow import MlflowClient
from mlflow.entities import Metric, Param
from mlflow.exceptions import MlflowException

from graft import __version__
from graft.common.credentials import without_credentials
from graft.common.errors import UserError

FINGERPRINT = "graft.fingerprint"
AT_ONCE = {"metrics": 1000, "params": 100}  # what MLflow takes in one request
EXPERIMENT = "graft"


def send(runs, uri=None, experiment=None):
    """Send the runs that MLflow does not have.

    Parameters
    ----------
    runs : list of tracked.Tracked
    uri : str, optional
        Where to; else $MLFLOW_TRACKING_URI, else mlflow.db in this folder, as MLflow does it.
    experiment : str, optional
        Which one; else $MLFLOW_EXPERIMENT_NAME, else "graft". It is made if it is not there.

    Returns
    -------
    list of (run id in MLflow, whether it was sent now)

    Raises
    ------
    UserError
        If MLflow does not take them. What was sent stays, and is not sent again.
    """
    with plainly():
        client = MlflowClient(tracking_uri=uri)
        place = place_of(client, experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT)
        return [send_one(client, place, run) for run in runs]


@contextmanager
def plainly():
    """MLflow's errors as messages for users. MLflow itself writes the passwords of addresses into them."""
    try:
        yield
    except (MlflowException, OSError, ImportError) as error:
        said = without_credentials(str(error)).strip().partition("\n")[0]
        raise UserError(
            f"MLflow did not take the results: {said}",
            "tracking.mlflow",
            hint="all results are there, only the sending failed. Does the server run? Are MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, set? Start the same run again: it sends what is missing",
        ) from None


def place_of(client, name):
    """The id of an experiment, which is made if it is not there."""
    found = client.get_experiment_by_name(name)
    return found.experiment_id if found else client.create_experiment(name)


def send_one(client, place, run):
    """Send a run if a finished one with its fingerprint is not there; what a broken sending has left is deleted first."""
    fingerprint = run.fingerprint
    for found in client.search_runs([place], filter_string=f"tags.`{FINGERPRINT}` = '{fingerprint}'"):
        if found.info.status == "FINISHED":
            return found.info.run_id, False
        client.delete_run(found.info.run_id)
    about = {FINGERPRINT: fingerprint, "mlflow.source.name": f"graft {__version__}", "mlflow.user": user()}
    number = client.create_run(place, run_name=run.name, tags=run.tags | about).info.run_id
    now = round(time.time() * 1000)
    logged = {
        "params": [Param(key, value) for key, value in run.params.items()],
        "metrics": [
            *(Metric(key, value, now, 0) for key, value in run.metrics.items()),
            *(Metric(key, value, now, step) for key, step, value in run.history),
        ],
    }
    for kind, entries in logged.items():
        for start in range(0, len(entries), AT_ONCE[kind]):
            client.log_batch(number, **{kind: entries[start : start + AT_ONCE[kind]]})
    for path, folder in run.files:
        client.log_artifact(number, str(path), folder)
    client.set_terminated(number)
    return number, True


def user():
    """The name of who runs this, or "" where the system knows none, as in some containers."""
    try:
        return getuser()
    except (KeyError, OSError):
        return ""
