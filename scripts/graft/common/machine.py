"""What a run needs of the machine that it is started on. Only the standard library is needed."""

import importlib.util
import shlex
import shutil
import sys
from pathlib import Path

from graft.common.errors import UserError


def lacks_conda(methods):
    """The UserError of a run whose jobs should run in conda environments where there is no conda, or None.

    Parameters
    ----------
    methods : Snakemake's ways of deploying software that were asked for
    """
    if "conda" not in {str(method) for method in methods} or shutil.which("conda"):
        return None
    return UserError(
        "the jobs should run in conda environments, and there is no program `conda` here",
        "software-deployment-method (in profiles/slurm/config.yaml, or --sdm)",
        hint="load conda (often: module load miniforge) or install it; or delete that line of the profile. All jobs then "
        "run in the environment of your snakemake",
    )


def lacks_slurm(executor):
    """The UserError of a run that is to send its jobs to Slurm from where there is none, or None."""
    if executor != "slurm" or shutil.which("sbatch"):
        return None
    return UserError(
        "the jobs should go to Slurm, and there is no program `sbatch` here",
        "executor (in profiles/slurm/config.yaml)",
        hint="start on a login node of the cluster; or compute on this machine: "
        "snakemake --profile profiles/local --cores all, or make run",
    )


def lacks_mlflow():
    """The UserError of a run that is to send results to MLflow from a Python that has no client of it, or None."""
    if importlib.util.find_spec("mlflow"):
        return None
    pins = Path(__file__).resolve().parents[3] / "requirements-tracking.txt"
    wanted = f"-r {shlex.quote(str(pins))}" if pins.is_file() else "mlflow-skinny sqlalchemy alembic"
    return UserError(
        "the results should be sent to MLflow, and the Python of this run has no package `mlflow`",
        "tracking.mlflow",
        hint=f"{sys.executable} -m pip install {wanted}; or delete that block of the config",
    )
