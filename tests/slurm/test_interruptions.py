"""Six ways in which a cluster ends a job: each training continues from its saved state and ends with the same bytes."""

import re

import yaml

from gated import at_the_gate, hang, open_gate
from running import graft
from slurm.cluster import job_processes
from tiny_data import image_folder, trainings

RUN = "results/finetune/cells.tiny.gated"
FILES = ("ft_model.pt", "ft_history.csv")
SEEDS = {"warned": 0, "hung": 1, "memory": 2, "cancelled": 3, "requeued": 4, "node": 5}
# What the queue says at last of the jobs that a user or Slurm ended, and which Snakemake tries again.
ENDS = {"warned": "FAILED", "hung": "TIMEOUT", "memory": "FAILED", "cancelled": "CANCELLED"}
FIRST = 2**32 - 10  # a priority above all others: only four trainings can wait at the gate on a node
TARGETS = [f"{RUN}/seed{seed}/ft_model.pt" for seed in SEEDS.values()]


def undisturbed(folder, snakefile):
    """What the trainings give on a workstation, which nothing interrupts: seed -> the bytes of its files."""
    folder.mkdir()
    open_gate(folder)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(trainings_of(image_folder(folder / "cells", per_class=24))))
    graft(folder, config, *TARGETS, snakefile=snakefile)
    return {seed: [(folder / f"{RUN}/seed{seed}" / name).read_bytes() for name in FILES] for seed in SEEDS.values()}


def trainings_of(pictures):
    config = trainings(pictures, method="gated", seeds=list(SEEDS.values()), epochs=2)
    return {**config, "device": {"gpus_per_job": 1, "rehearsal": True}}


def test_a_training_that_the_cluster_ends_goes_on_where_it_was_and_ends_with_the_same_bytes(clone, cluster, tmp_path):
    lab = clone(trainings_of(image_folder(tmp_path / "cells", per_class=24)))
    lab.run("results/data/cells/samples.parquet")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")
    lab.start(*TARGETS)
    jobs = lab.wait_for(lambda: queued(lab), "six trainings were queued")
    later = [jobs[name].id for name in ("requeued", "node")]
    cluster.run("scontrol", "hold", ",".join(later))
    cluster.run("scontrol", "update", "NodeName=gpu2", "State=DRAIN", "Reason=test")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
    lab.wait_for(lambda: running(cluster) == 4, "four trainings ran on gpu1")
    cluster.run("scontrol", "update", "NodeName=gpu2", "State=RESUME")
    cluster.run("scontrol", "release", ",".join(later))
    lab.wait_for(lambda: all(at_the_gate(run_of(lab, seed)) for seed in SEEDS.values()), "all trainings waited")

    lab.wait_for(hang(run_of(lab, SEEDS["hung"])), "one heeded no warning any more")
    limit_time(cluster, jobs["hung"], minutes_left=1)
    # Its time is over soon: Slurm tells it two minutes ahead, as the profile asks, and it saves its state.
    limit_time(cluster, jobs["warned"], minutes_left=2)
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=DOWN")  # what is queued from here on waits
    cluster.run("scancel", jobs["cancelled"].id, jobs["memory"].id)
    cluster.run("scontrol", "requeue", jobs["requeued"].id)
    lab.wait_for(lambda: state(cluster, jobs["requeued"]) == "PENDING", "the requeued job waited")
    assert cluster.jobs()[jobs["node"].id][1] == "gpu2"
    cluster.kill_node("gpu2")
    # The second try has less memory than Python's imports take.
    small = lab.wait_for(lambda: queued_again(lab, jobs["memory"]), "the second try was queued")
    cluster.run("scontrol", "update", f"JobId={small.id}", "MinMemoryNode=300", f"Priority={FIRST}")
    cluster.run("scontrol", "update", "PartitionName=gpu", "State=UP")
    for name in ("requeued", "node"):  # Slurm would let them wait for two minutes
        lab.wait_for(lambda name=name: state(cluster, jobs[name]) == "PENDING", "Slurm queued it again")
        cluster.run("scontrol", "update", f"JobId={jobs[name].id}", "StartTime=now")

    expected = undisturbed(tmp_path / "workstation", lab.folder / "Snakefile")
    ended = {name: job for name, job in {**jobs, "memory": small}.items() if name in ENDS}
    lab.wait_for(lambda: not any(job.id in cluster.jobs() for job in ended.values()), "Slurm ended four jobs")
    open_gate(lab.folder)
    said = lab.finish()
    assert not cluster.jobs() and not job_processes(cluster.folder)
    for name, job in ended.items():
        assert f"'{job.id}' failed, SLURM status is: '{ENDS[name]}'" in said, name
    for name in ("requeued", "node"):  # Slurm itself queued them again
        assert f"'{jobs[name].id}' failed" not in said or refused(lab, jobs[name]), name
    ended_by_memory = (
        f"StepId={small.id}.0 exceeded memory limit" in (cluster.folder / "log/slurmd-gpu1.log").read_text()
    )
    assert ended_by_memory or refused(lab, small)
    assert "gpu2 not responding" in (cluster.folder / "log/slurmctld.log").read_text()
    for name, seed in SEEDS.items():
        log = (lab.folder / f"logs/finetune/cells.tiny.gated.seed{seed}.log").read_text()
        assert re.search(r"continuing at epoch \d+, step \d+", log), name
        folder = run_of(lab, seed)
        assert [(folder / file).read_bytes() for file in FILES] == expected[seed], name
        assert not (folder / ".state").exists()


def queued(lab):
    """The six jobs by name, once all wait in the queue."""
    jobs = {name: lab.job_of(f"gated_{seed}") for name, seed in SEEDS.items()}
    return all(jobs.values()) and jobs


def queued_again(lab, before):
    """The job that tries again what the job `before` did, once it waits in the queue."""
    job = lab.job_of(before.wildcards)
    return job if job and job.id != before.id and job.state == "PENDING" else None


def refused(lab, job):
    """Whether Slurm (22.05) started a job and would then not run its step, for devices that the job has.

    This was seen on a busy machine. It is Slurm's fault, and what the profile's `retries` are for: all else must hold.
    """
    logs = lab.folder.glob(f".snakemake/slurm_logs/*/*/{job.id}.log")
    return any(f"Unable to create step for job {job.id}: Invalid generic resource" in log.read_text() for log in logs)


def running(cluster):
    """The number of jobs that run."""
    return sum(state == "RUNNING" for state, *_ in cluster.jobs().values())


def state(cluster, job):
    """What the queue says of a job."""
    return cluster.jobs()[job.id][0]


def limit_time(cluster, job, minutes_left):
    """Change a running job's limit so that it ends in the last one of so many minutes."""
    cluster.run("scontrol", "update", f"JobId={job.id}", f"TimeLimit={cluster.minutes_of(job.id) + minutes_left}")


def run_of(lab, seed):
    return lab.folder / f"{RUN}/seed{seed}"
