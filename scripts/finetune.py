"""Fine-tune one backbone on one target of one data set, with one seed."""

from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.common.outputs import write_torch
from graft.training.rule_inputs import open_run, write_history
from graft.training.runs import check_rows


def main(run, output_model, output_history):
    """Train `run` by its method; write the model and its history, then forget the state."""
    check_rows(run.rows, run.settings["name"])
    method = plugins.load("method", run.settings["method"])
    run.frozen = method.FROZEN
    history, fold_heads = method.train(run)
    content = run.finished(fold_heads)
    if ranks.is_first():
        write_torch(output_model, content)
        write_history(output_history, history)
        run.state.clear()


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        run = open_run(
            dict(snakemake.input.items()),
            Path(snakemake.output.model).parent / ".state",
            snakemake.params.settings,
            mode=snakemake.params.mode,
            code=snakemake.params.code,
            seed=int(snakemake.wildcards.seed),
            entry=snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(run, snakemake.output.model, snakemake.output.history)
