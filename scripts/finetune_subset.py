"""Train a model again on a subset of its train rows, for its learning curve, and keep what it says of validation and test rows."""

import logging
from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json
from graft.curves.trained import subset_of
from graft.targets.held_out import write_outputs
from graft.training.model_file import facts_of_targets
from graft.training.rule_inputs import open_trainer
from graft.training.subsets import labels_of, outputs_of_judged, why_left_out

logger = logging.getLogger("graft")


def main(trainer, output_subset, output_judged):
    """Train on the subset of the trainer's data, which also chooses its own epoch; then forget the state.

    A subset that says nothing of the method is left out: its files say why, and have no number.
    """
    data, facts, ids, outputs = trainer.data, {}, [], {}
    why = why_left_out(data)
    labels = labels_of(data) if not why else {}
    logger.info("left out: %s", why) if why else logger.info("labels: %s", labels)
    if not why:
        data.check()
        trained = plugins.load("method", trainer.settings["method"]).train(trainer)
        facts = facts_of_targets(trainer, trained)
        ids, outputs = outputs_of_judged(trainer, trained.network)
    if ranks.is_first():
        write_outputs(output_judged, ids, outputs)
        write_json(output_subset, subset_of(trainer.settings["name"], *data.subset, labels, why, facts))
        trainer.states.clear()


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        trainer = open_trainer(
            dict(snakemake.input.items()),
            dict(snakemake.params.items()),
            Path(snakemake.output.subset).parent / ".state",
            seed=int(snakemake.wildcards.seed),
            subset=(int(snakemake.wildcards.percent) / 100, int(snakemake.wildcards.draw)),
            entry=snakemake.config["datasets"][snakemake.params.settings["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(trainer, snakemake.output.subset, snakemake.output.judged)
