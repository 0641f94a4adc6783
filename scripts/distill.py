"""Distil a trained teacher into a student backbone: the student learns the teacher's probabilities and the labels."""

import logging
from functools import partial
from pathlib import Path

from graft.common import ranks
from graft.common.errors import UserError
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json, write_torch
from graft.evaluation import predictions
from graft.heads.calibration import calibrated
from graft.networks import network
from graft.store.feature_files import features_of
from graft.training import teacher
from graft.training.rule_inputs import open_run, write_history
from graft.training.runs import check_rows

logger = logging.getLogger("graft")


def main(run, content, features, folder, output_model, output_history, counts):
    """Train the student of `run`.

    Parameters
    ----------
    content : the teacher, what network.load returned
    features, folder : path of the teacher's embeddings, folder of its backbone
    counts : path of a JSON file: the teacher's "forwards", and its answers "stored" already
    """
    check_rows(run.rows, run.settings["name"])
    known = content["targets"][run.settings["target"]]["classes"]
    if known != run.target["classes"]:
        raise UserError(
            f"the teacher's classes {known} are not the data set's {run.target['classes']}", where=run.settings["name"]
        )
    with ranks.first_alone():
        read, done = answers(run, content, features, folder)
    logger.info("teacher: %d forwarded, %d in the store", done["forwards"], done["stored"])
    run.teacher = teacher.StoredTeacher(read, run.device)
    history, _ = run.probe()
    history += run.fit(objective=run.settings["method"])
    student = run.finished({})
    if ranks.is_first():
        write_torch(output_model, student)
        write_history(output_history, history)
        write_json(counts, done)
        run.state.clear()


def answers(run, content, features, folder):
    """A function that reads the teacher's logits of the train rows for a view seed, once all are there; and the counts.

    Without augmentation they follow from the teacher's embeddings.
    """
    rows, counts = run.rows[run.splits == "train"], {"forwards": 0, "padded_tokens": 0}
    if run.settings["augment"] == "none":
        logits = predictions.teaching_logits(content, run.settings["target"], features_of(rows, features))
        logits = calibrated(logits, content["targets"][run.settings["target"]])
        return lambda seed: logits, {"forwards": 0, "stored": len(rows)}
    read = partial(teacher.view_logits, run, content, folder, counts=counts)
    seeds = teacher.view_seeds(run.settings, run.seed)
    for seed in seeds:
        read(seed)
    views = len(seeds) * rows["content_sha256"].nunique()
    return read, {"forwards": counts["forwards"], "stored": views - counts["forwards"]}


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
        main(
            run=run,
            content=network.load(snakemake.input.teacher),
            features=snakemake.input.teacher_features,
            folder=Path(snakemake.input.teacher_backbone).parent,
            output_model=snakemake.output.model,
            output_history=snakemake.output.history,
            counts=snakemake.log.counts,
        )
