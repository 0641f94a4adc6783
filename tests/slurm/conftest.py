"""A real Slurm and a checkout of graft on it, as a user of a cluster has them."""

import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import bare
from environments import environment_with
from gated import LONG, checkout, end, start, wait_for
from slurm.cluster import INSTALL, Cluster, is_installed

# What a site edits. Here the queue is asked more often, since jobs take seconds, and one thread each makes bytes equal.
SITE = """
slurm-init-seconds-before-status-checks: 5
set-threads: {embed: 1, embed_model: 1, embed_shard: 1, embed_model_shard: 1, finetune: 1, distill: 1}
"""


def pytest_sessionstart(session):
    if not is_installed():
        pytest.exit(f"These tests start a Slurm of their own. Install it with: {INSTALL}", returncode=2)


@pytest.fixture
def cluster(tmp_path):
    """A cluster of the test's own: nobody else's jobs are in its queue. A test run that is told to end takes it down, too.

    What its daemons said is kept among the test's files.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with Cluster(Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))) as running:
        yield running
        shutil.copytree(running.folder / "log", tmp_path / "cluster")


@pytest.fixture
def clone(tmp_path_factory, cluster):
    """A function that makes a checkout whose default config is the one given: a Clone. With `conda` (the folder of its
    programs) Snakemake runs where only it and its plugin for Slurm are installed, else in the tests' own environment.
    """
    made = []

    def make(config, conda=None):
        folder = checkout(tmp_path_factory.mktemp("clone"))
        (folder / "slurm").symlink_to("profiles/slurm")
        (folder / "config/config.yaml").write_text(yaml.safe_dump(config))
        profile = folder / "profiles/slurm/config.yaml"
        profile.write_text((profile.read_text() if conda else without_conda(profile.read_text())) + SITE)
        made.append(Clone(folder, cluster, conda))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def without_conda(profile):
    """The profile of a site where one environment runs everything."""
    line = "software-deployment-method: conda\n"
    assert line in profile
    return profile.replace(line, "")


@dataclass(frozen=True)
class Job:
    """A Slurm job as the queue shows it."""

    id: str
    state: str
    node: str
    wildcards: str


class Clone:
    """A checkout on the login node of a cluster."""

    def __init__(self, folder, cluster, conda):
        self.folder, self.cluster, self.log = folder, cluster, folder / "out.log"
        environment = cluster.env
        if conda:
            programs = bare.environment("snakemake", "snakemake-executor-plugin-slurm")
            environment = environment_with(conda, programs, cluster.env)
        self.env = {**environment, "OMP_NUM_THREADS": "1", "GRAFT_RAN": str(folder / "ran.txt")}
        self.started = []

    def start(self, *targets):
        """`snakemake --profile slurm`, running; what it says goes to `log`."""
        command = ["snakemake", "--profile", "slurm", *targets]
        self.started.append(start(command, self.log, cwd=self.folder, env=self.env))
        return self.started[-1]

    def stop(self):
        """End what still runs, as Ctrl-C does."""
        for process in self.started:
            end(process)

    def run(self, *targets):
        """The same, to its end, which must be a good one; what it said."""
        self.start(*targets)
        return self.finish()

    def finish(self):
        """Wait for the good end of what was started last; what it said."""
        assert self.started[-1].wait(2 * LONG) == 0, self.log.read_text()[-6000:]
        return self.log.read_text()

    def wait_for(self, condition, what):
        """The first true value of `condition()`, which must come while what was started last runs."""
        return wait_for(condition, what, self.started[-1], self.log)

    def job_of(self, wildcards, rule="finetune"):
        """The Slurm job in the queue that runs a rule for what ends with `wildcards`, or None."""
        for number, (state, node, comment) in self.cluster.jobs().items():
            if comment.startswith(f"rule_{rule}_") and comment.endswith(wildcards):
                return Job(number, state, node, wildcards)
        return None
