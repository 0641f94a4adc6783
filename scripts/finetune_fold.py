"""Train a model again without one fold of its train rows, and keep what it says of these."""

from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.targets.held_out import write_held_out
from graft.training.model_file import held_out
from graft.training.rule_inputs import open_trainer


def main(trainer, output):
    """Train on all but the fold that the trainer's data hold out; write the outputs for it, then forget the state."""
    data = trainer.data
    data.check()
    trained = plugins.load("method", trainer.settings["method"]).train(trainer)
    ids, outputs = held_out(trainer, trained)
    if ranks.is_first():
        write_held_out(output, ids, outputs, data.fold)
        trainer.states.clear()


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        trainer = open_trainer(
            dict(snakemake.input.items()),
            dict(snakemake.params.items()),
            Path(snakemake.output.held_out).parent / ".state",
            seed=int(snakemake.wildcards.seed),
            fold=int(snakemake.wildcards.fold),
            entry=snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(trainer, snakemake.output.held_out)
