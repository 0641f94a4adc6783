"""Fine-tune one backbone on one target of one data set, with one seed."""

from graft.common import plugins, ranks
from graft.common.job import job
from graft.common.outputs import write_torch
from graft.training.runfiles import open_run, write_history
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


if "snakemake" in globals() and not ranks.launched(snakemake):
    with job(snakemake):
        main(open_run(snakemake), snakemake.output.model, snakemake.output.history)
