"""Six ways in which a cluster ends a job: each training goes on from its saved state and ends with the same bytes."""

import os
import re
import signal
import time

import yaml

from running import graft
from slurm.cluster import job_processes, processes_of, wait_for
from tiny_data import image_folder, trainings

RUN = "results/finetune/cells.tiny.full"
FILES = ("ft_model.pt", "ft_history.csv")
SEEDS = {"warned": 0, "hung": 1, "memory": 2, "cancelled": 3, "requeued": 4, "node": 5}
TARGETS = [f"{RUN}/seed{seed}/ft_model.pt" for seed in SEEDS.values()]


def undisturbed(folder):
    """What the trainings give on a workstation, which nothing interrupts: seed -> the bytes of its files."""
    folder.mkdir()
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(long_trainings(image_folder(folder / "cells", per_class=24))))
    graft(folder, config, *TARGETS)
    return {seed: [(folder / f"{RUN}/seed{seed}" / name).read_bytes() for name in FILES] for seed in SEEDS.values()}


def long_trainings(pictures):
    config = trainings(pictures, seeds=list(SEEDS.values()), epochs=25, save_every=1)
    return {**config, "device": {"gpus_per_job": 1, "rehearsal": True}}


def test_a_training_that_the_cluster_ends_goes_on_where_it_was_and_ends_with_the_same_bytes(clone, cluster, tmp_path):
    lab = clone(long_trainings(image_folder(tmp_path / "cells", per_class=24)))
    lab.run("results/data/cells/samples.parquet")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    controller = lab.start(*TARGETS)
    jobs = wait_for(lambda: queued(lab), 120, "six queued trainings")
    later = [jobs[name].id for name in ("requeued", "node")]
    cluster.run("scontrol", "hold", ",".join(later))
    cluster.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=test")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
    wait_for(lambda: running(cluster) == 4, 60, "four trainings on gpu1")
    started = time.monotonic()
    cluster.run("scontrol", "update", "NodeName=gpu2", "State=RESUME")
    cluster.run("scontrol", "release", ",".join(later))
    wait_for(lambda: all(saved(lab, seed) for seed in SEEDS.values()), 180, "states of all trainings")

    # Its time is over soon: Slurm tells it, as the profile asks, and it saves its state.
    cluster.run("scontrol", "update", f"JobId={jobs['warned'].id}", "TimeLimit=2")
    (hung,) = processes_of(jobs["hung"].id, "finetune.py")
    os.kill(hung, signal.SIGSTOP)  # as on a stuck file system
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")  # what is queued from here on waits
    cluster.run("scancel", jobs["cancelled"].id, jobs["memory"].id)
    cluster.run("scontrol", "requeue", jobs["requeued"].id)
    wait_for(lambda: cluster.jobs()[jobs["requeued"].id][0] == "PENDING", 60, "the requeued job to wait")
    assert cluster.jobs()[jobs["node"].id][1] == "gpu2"
    cluster.kill_node("gpu2")
    # The second try has less memory than Python's imports take.
    small = wait_for(lambda: queued_again(lab, jobs["memory"]), 120, "the second try")
    cluster.run("scontrol", "update", f"JobId={small.id}", "MinMemoryNode=300")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
    # The one that hangs has run longer than it may, and is ended without a warning.
    wait_for(lambda: time.monotonic() - started > 62, 90, "a minute of its time")
    cluster.run("scontrol", "update", f"JobId={jobs['hung'].id}", "TimeLimit=1")

    for name in ("requeued", "node"):  # Slurm would let them wait for two minutes
        wait_for(lambda name=name: cluster.jobs()[jobs[name].id][0] == "PENDING", 60, "Slurm to queue it again")
        cluster.run("scontrol", "update", f"JobId={jobs[name].id}", "StartTime=now")

    expected = undisturbed(tmp_path / "workstation")
    assert controller.wait(600) == 0, lab.log.read_text()[-6000:]
    assert not cluster.jobs() and not job_processes(cluster.folder)
    cluster.start_node("gpu2")
    said = lab.log.read_text()
    ends = {jobs["warned"]: "FAILED", jobs["hung"]: "TIMEOUT", small: "FAILED", jobs["cancelled"]: "CANCELLED"}
    for job, state in ends.items():
        assert f"'{job.id}' failed, SLURM status is: '{state}'" in said, job
    for name in ("requeued", "node"):  # Slurm itself queued them again
        assert f"'{jobs[name].id}' failed" not in said, name
    assert f"StepId={small.id}.0 exceeded memory limit" in (cluster.folder / "log/slurmd-gpu1.log").read_text()
    assert "gpu2 not responding" in (cluster.folder / "log/slurmctld.log").read_text()
    for name, seed in SEEDS.items():
        log = (lab.folder / f"logs/finetune/cells.tiny.full.seed{seed}.log").read_text()
        assert re.search(r"continuing at epoch \d+, step \d+", log), name
        folder = lab.folder / f"{RUN}/seed{seed}"
        assert [(folder / file).read_bytes() for file in FILES] == expected[seed], name
        assert not (folder / ".state").exists()


def queued(lab):
    """The six jobs by name, once all wait in the queue."""
    jobs = {name: lab.job_of(f"full_{seed}") for name, seed in SEEDS.items()}
    return all(jobs.values()) and jobs


def queued_again(lab, before):
    """The job that tries again what the job `before` did, once it waits in the queue."""
    job = lab.job_of(before.wildcards)
    return job if job and job.id != before.id and job.state == "PENDING" else None


def running(cluster):
    """The number of jobs that run."""
    return sum(state == "RUNNING" for state, *_ in cluster.jobs().values())


def saved(lab, seed):
    return list((lab.folder / f"{RUN}/seed{seed}/.state").glob("*.pt"))
