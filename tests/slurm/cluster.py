"""A real Slurm on one machine for tests: two CPU nodes and two GPU nodes with made-up GPUs, no systemd, no root.

Debian's `slurm-wlm` and `munge` are needed. Everything lives in one folder and is taken down by pid file.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil

from gated import LONG, wait_for

INSTALL = "apt-get install --yes --no-install-recommends slurm-wlm munge"
NODES = ("cpu1", "cpu2", "gpu1", "gpu2")
GPUS = 4  # per GPU node
# Slurm hands out character devices; a plain file gives a job no CUDA_VISIBLE_DEVICES. Nobody opens these.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/tty")
CONF = """\
ClusterName=lab
SlurmctldHost={host}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
SlurmctldPort={port}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmctldDebug=debug
DebugFlags=Gres,Steps
SlurmdLogFile={folder}/log/slurmd-%n.log
MpiDefault=none
SwitchType=switch/none
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=2,sched_interval=2,sched_min_interval=0,batch_sched_delay=0
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
GresTypes=gpu
MinJobAge=300
KillWait=5
SlurmdTimeout=30
SlurmctldTimeout=15
InactiveLimit=0
MessageTimeout=20
ReturnToService=2
JobRequeue=1
EnforcePartLimits=ALL
NodeName=cpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{cpu_port}-{cpu_port_2}] CPUs=8 CoresPerSocket=8 RealMemory=64000
NodeName=gpu[1-2] NodeHostname={host} NodeAddr=127.0.0.1 Port=[{gpu_port}-{gpu_port_2}] CPUs=8 CoresPerSocket=8 RealMemory=64000 Gres=gpu:a100:{gpus}
PartitionName=cpu Nodes=cpu[1-2] Default=YES MaxTime=7-0 State=UP
PartitionName=gpu Nodes=gpu[1-2] MaxTime=2-0 State=UP
"""
GRES = "AutoDetect=off\n" + "".join(f"NodeName=gpu[1-2] Name=gpu Type=a100 File={device}\n" for device in DEVICES)
# Snakemake's job step drops SLURM_CONF from the environment that it calls srun in.
SRUN = '#!/bin/sh\nSLURM_CONF={folder}/slurm.conf exec {srun} "$@"\n'


def is_installed():
    return all(shutil.which(program, path=_path()) for program in ("slurmctld", "slurmd", "munged", "sinfo"))


class Cluster:
    """A running Slurm in `folder` (a short path: sockets lie there), from `with` to the end of its block."""

    def __init__(self, folder):
        self.folder = Path(folder)
        # This Python's programs come first, as in a shell where its environment is activated.
        path = f"{self.folder}/bin:{Path(sys.executable).parent}:{_path()}"
        self.env = {**os.environ, "SLURM_CONF": f"{self.folder}/slurm.conf", "PATH": path}

    def __enter__(self):
        self._write_files()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if (self.folder / "run/slurmctld.pid").exists():
            subprocess.run(["scancel", "--quiet", "--user", str(os.getuid())], env=self.env, check=False)
            with suppress(AssertionError):
                wait_for(lambda: not self.jobs(), "the queue was empty", seconds=60)
        for file in [*self.folder.glob("run/slurmd-*.pid"), *self.folder.glob("run/*.pid")]:
            stop(file)
        # Without cgroups a job that was cancelled can leave processes behind: those that carry this cluster's jobs.
        for process in job_processes(self.folder):
            _kill(process)
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, *command):
        """The output of one of Slurm's commands."""
        return subprocess.run(command, env=self.env, check=True, capture_output=True, text=True, timeout=LONG).stdout

    def jobs(self):
        """{job id: (state, node, what Snakemake says that it runs)} of the jobs that wait or run."""
        lines = self.run("squeue", "--noheader", "--states=PD,CF,R,CG,S", "--format=%i|%T|%N|%k").splitlines()
        return {line.split("|", 1)[0]: tuple(line.split("|")[1:]) for line in lines}

    def minutes_of(self, job):
        """How long a job (its id) has run, in whole minutes."""
        time, _, _ = self.run("squeue", "--noheader", f"--jobs={job}", "--format=%M").strip().rpartition(":")
        days, _, hours_and_minutes = time.rpartition("-")
        return int(days or 0) * 1440 + sum(
            int(part) * unit for part, unit in zip(reversed(hours_and_minutes.split(":")), (1, 60), strict=False)
        )

    def start_node(self, name):
        subprocess.run(["slurmd", "-N", name], env=self.env, check=True, stdin=subprocess.DEVNULL, timeout=LONG)

    def kill_node(self, name):
        """What a power failure leaves: no daemon, no job."""
        daemon = self.folder / f"run/slurmd-{name}.pid"
        # The daemons first, or they would tell how the job's processes ended.
        running = [number for number, (_, node, _) in self.jobs().items() if node == name]
        for process in [int(daemon.read_text()), *_step_daemons(running), *job_processes(self.folder, name)]:
            _kill(process)
        daemon.unlink(missing_ok=True)

    def _write_files(self):
        for name in ("run", "log", "state", "bin", *(f"spool/{node}" for node in NODES)):
            (self.folder / name).mkdir(parents=True)
        port = _free_ports(5)
        facts = {
            "host": socket.gethostname().split(".")[0],
            "user": os.environ.get("USER") or subprocess.check_output(["id", "-un"], text=True).strip(),
            "folder": self.folder,
            "gpus": GPUS,
            "port": port,
            "cpu_port": port + 1,
            "cpu_port_2": port + 2,
            "gpu_port": port + 3,
            "gpu_port_2": port + 4,
        }
        (self.folder / "slurm.conf").write_text(CONF.format(**facts))
        (self.folder / "gres.conf").write_text(GRES)
        srun = self.folder / "bin/srun"
        srun.write_text(SRUN.format(folder=self.folder, srun=shutil.which("srun", path=_path())))
        srun.chmod(0o755)
        key = self.folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(secrets.token_bytes(1024))

    def _start(self):
        places = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "run/munged.pid"}
        places |= {"log-file": "log/munged.log", "seed-file": "munge.seed"}
        options = [f"--{option}={self.folder / file}" for option, file in places.items()]
        # The daemons must not hold a pipe of this process open.
        quiet = {"env": self.env, "check": True, "stdin": subprocess.DEVNULL, "timeout": LONG}
        with (self.folder / "log/start.log").open("w") as log:
            subprocess.run(["munged", "--force", *options], stdout=log, stderr=log, **quiet)
            subprocess.run(["slurmctld"], stdout=log, stderr=log, **quiet)
            for node in NODES:
                subprocess.run(["slurmd", "-N", node], stdout=log, stderr=log, **quiet)
        wait_for(lambda: self.run("sinfo", "-hNt", "idle", "-o", "%N").split() == list(NODES), "all nodes were idle")


def job_processes(folder, node=None):
    """The processes of the jobs of the cluster in `folder`, of one of its nodes if named."""
    wanted = {"SLURM_CONF": f"{folder}/slurm.conf"} | ({"SLURMD_NODENAME": node} if node else {})
    return [
        process
        for process, variables, _ in _processes()
        if wanted.items() <= variables.items() and "SLURM_JOB_ID" in variables
    ]


def stop(pid_file):
    """End the daemon whose number a file holds."""
    try:
        process = int(pid_file.read_text())
        os.kill(process, signal.SIGTERM)
    except (OSError, ValueError):
        return
    with suppress(AssertionError):
        wait_for(lambda: not Path(f"/proc/{process}").exists(), "a daemon ended", seconds=60)
    _kill(process)
    pid_file.unlink(missing_ok=True)


def _step_daemons(jobs):
    """The processes of Slurm that watch the steps of some jobs (ids); their titles are like `slurmstepd: [3.batch]`."""
    titles = [f"slurmstepd: [{job}." for job in jobs]
    return [process for process, _, command in _processes() if any(title in command for title in titles)]


def _processes():
    """(number, variables of its environment, command line) of every process; empty where they cannot be looked at."""
    for process in psutil.process_iter(["environ", "cmdline"]):
        yield process.pid, process.info["environ"] or {}, " ".join(process.info["cmdline"] or [])


def _kill(process):
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _free_ports(count):
    """The first of `count` neighbouring ports that nobody listens on."""
    for first in range(20000 + os.getpid() * 10 % 30000, 60000, count):  # test processes beside each other begin apart
        sockets = [socket.socket() for _ in range(count)]
        try:
            for number, one in enumerate(sockets):
                one.bind(("127.0.0.1", first + number))
            return first
        except OSError:
            continue
        finally:
            for one in sockets:
                one.close()
    raise OSError("no free ports")


def _path():
    """Where programs are looked for: the daemons may lie where only root looks."""
    return f"{os.environ['PATH']}:/usr/sbin:/sbin"
