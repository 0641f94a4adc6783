"""Fine-tune one backbone on one target of one data set, with one seed."""

from dataclasses import replace
from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.common.outputs import write_torch
from graft.training.model_file import content_of
from graft.training.rule_inputs import open_trainer, write_history


def main(trainer, output_model, output_history):
    """Train by the method of the settings; write the model and its history, then forget the state."""
    trainer.data.check()
    method = plugins.load("method", trainer.settings["method"])
    trainer = replace(trainer, frozen=method.FROZEN)
    trained = method.train(trainer)
    content = content_of(trainer, trained)
    if ranks.is_first():
        write_torch(output_model, content)
        write_history(output_history, trained.history)
        trainer.states.clear()


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        trainer = open_trainer(
            dict(snakemake.input.items()),
            dict(snakemake.params.items()),
            Path(snakemake.output.model).parent / ".state",
            seed=int(snakemake.wildcards.seed),
            entry=snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(trainer, snakemake.output.model, snakemake.output.history)
