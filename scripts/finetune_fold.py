"""Train a model once more without one fold of its train rows, and keep what it says of these."""

from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.evaluation.held_out import write_held_out
from graft.training.rule_inputs import open_run
from graft.training.runs import HELD_OUT, check_rows


def main(run, output):
    """Train `run`, which holds one fold out, by its method; write the outputs for that fold, then forget the state."""
    check_rows(run.rows[run.splits != HELD_OUT], run.settings["name"])
    plugins.load("method", run.settings["method"]).train(run)
    held_out = run.held_out()
    if ranks.is_first():
        write_held_out(output, *held_out, run.fold, run.target)
        run.state.clear()


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        run = open_run(
            dict(snakemake.input.items()),
            Path(snakemake.output.held_out).parent / ".state",
            snakemake.params.settings,
            mode=snakemake.params.mode,
            code=snakemake.params.code,
            folds=snakemake.params.folds,
            seed=int(snakemake.wildcards.seed),
            fold=int(snakemake.wildcards.fold),
            entry=snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(run, snakemake.output.held_out)
