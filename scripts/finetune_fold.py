"""Train a model once more without one fold of its train rows, and keep what it says of these."""

from graft.common import plugins, ranks
from graft.common.job import job
from graft.evaluation.held_out import write_held_out
from graft.training.runfiles import open_run
from graft.training.runs import HELD_OUT, check_rows


def main(run, output):
    """Train `run`, which holds one fold out, by its method; write the outputs for that fold, then forget the state."""
    check_rows(run.rows[run.splits != HELD_OUT], run.settings["name"])
    plugins.load("method", run.settings["method"]).train(run)
    held_out = run.held_out()
    if ranks.is_first():
        write_held_out(output, *held_out, run.fold, run.target)
        run.state.clear()


if "snakemake" in globals() and not ranks.launched(snakemake):
    with job(snakemake):
        main(open_run(snakemake, output="held_out"), snakemake.output.held_out)
