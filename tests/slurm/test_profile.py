"""The literal `snakemake --profile slurm` on the embedded default's small version: every rule where it belongs."""

import os
import re
import signal
from types import SimpleNamespace

import numpy as np
import pandas as pd
import yaml

from environments import ask_for_this_python, environments_of_scripts, made, ran
from gated import LONG, wait_for
from running import ROOT
from tiny_data import image_folder, trainings

GPU_RULES = ("embed", "finetune", "distill")
SEEDS = range(21)


def probes(folder):
    """A config of many linear probes, and their data in `folder`."""
    labels = np.arange(200) % 2
    values = np.random.default_rng(0).normal(size=(200, 8)) + labels[:, None]
    np.savez(folder / "d.npz", X=values.astype(np.float32), y=labels.astype(str))
    entry = {"source": {"path": str(folder)}, "targets": {"label": {"column": "y"}}}
    model = {"dataset": "numbers", "backbone": "vectors", "method": "linear", "seeds": list(SEEDS)}
    return {"datasets": {"numbers": entry}, "finetune": {"many": model}}


def test_the_small_default_runs_with_every_gpu_rule_on_a_gpu_node_and_short_jobs_together(clone, cluster, conda):
    config = yaml.safe_load((ROOT / "config/test/tiny.yaml").read_text())
    lab = clone({**config, "device": {"gpus_per_job": 2, "rehearsal": True}}, conda)
    ask_for_this_python(lab.folder)
    lab.run()
    summary = pd.read_csv(lab.folder / "results/summary.csv")
    assert len(summary) and (lab.folder / "results/handoff/index.json").exists()
    places = {path: _place(path) for rule in GPU_RULES for path in lab.folder.glob(f"logs/{rule}/*.log")}
    heads = {path for path in places if path.name.endswith(".linear.seed0.log") and path.parent.name == "finetune"}
    assert len(places) > len(heads) > 0
    for path, place in places.items():
        if path in heads:  # fitted on embeddings that are there
            assert place.node.startswith("cpu") and place.gpus == "none", path
        else:
            both = path.parent.name != "embed"  # what only runs forward takes one
            assert place.node.startswith("gpu") and re.fullmatch(r"\d,\d" if both else r"\d", place.gpus), path
    assert _place(next(lab.folder.glob("logs/prepare_data/*.log"))).node.startswith("cpu")
    # Downloads stay on the login node: no Slurm job wrote their log.
    assert all("Slurm job" not in path.read_text() for path in lab.folder.glob("logs/fetch_*/*.log"))
    together = [["predict"], ["plot_classifier", "plot_classes", "compare"], ["export_model", "hand_off"]]
    for rules in together:
        logs = [path for rule in rules for path in lab.folder.glob(f"logs/{rule}/*.log")]
        assert len(logs) > 2 and len({_place(path).job for path in logs}) == 1, rules
    folders, names, scripts = made(lab.folder, lab.folder), environments_of_scripts(), ran(lab.folder / "ran.txt")
    assert {"embed", "finetune", "distill", "predict", "plot", "prepare_data"} <= set(scripts)
    assert scripts == {script: {folders[names[script]]} for script in scripts}
    assert "Nothing to be done" in lab.run()


def test_many_linear_probes_are_two_slurm_jobs(clone, cluster, tmp_path):
    lab = clone(probes(tmp_path))
    said = lab.run(*(f"results/finetune/many.vectors.linear/seed{seed}/ft_model.pt" for seed in SEEDS))
    assert not cluster.jobs()
    assert len(list(lab.folder.glob("results/finetune/*/seed*/ft_model.pt"))) == len(SEEDS)
    assert len(re.findall(r"submitted with SLURM jobid", said)) == 4  # two prepare and embed the data


def test_ctrl_c_cancels_what_is_queued(clone, cluster, tmp_path):
    lab = clone(trainings(image_folder(tmp_path / "cells", per_class=24)))
    cluster.run("scontrol", "update", "PartitionName=cpu", "State=DOWN")
    controller = lab.start()
    lab.wait_for(lambda: any(state == "PENDING" for state, *_ in cluster.jobs().values()), "a job was queued")
    os.killpg(controller.pid, signal.SIGINT)
    assert controller.wait(LONG) != 0
    wait_for(lambda: not cluster.jobs(), "the queue was empty")


def _place(log):
    """SimpleNamespace with job, node and gpus, as a rule's log names them."""
    found = re.search(r"Slurm job (?P<job>\d+) on node (?P<node>\w+), GPUs: (?P<gpus>\S+)", log.read_text())
    return SimpleNamespace(**found.groupdict())
