"""Distil a trained teacher into a student backbone: the student learns the teacher's probabilities and the labels.

Rows without a label teach, too: the teacher answers them.
"""

import logging
from pathlib import Path

import numpy as np

from graft.common import plugins, ranks
from graft.common.errors import UserError
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json, write_torch
from graft.ensembles.combining import combined_logits
from graft.ensembles.members import members_of
from graft.heads.calibration import calibrated
from graft.networks import network
from graft.store.feature_files import features_of
from graft.targets import predictions
from graft.training import teacher
from graft.training.data import POOL
from graft.training.model_file import content_of
from graft.training.rule_inputs import open_trainer, write_history

logger = logging.getLogger("graft")


def main(trainer, content, members, output_model, output_history, counts):
    """Train the student.

    Parameters
    ----------
    trainer : Trainer of the student
    content : the teacher, what network.load returned
    members : list of (content, paths of its embeddings, folder of its backbone), who answers for the teacher: it alone, or the
        members of an ensemble
    counts : path of a JSON file: the teacher's "forwards", its answers "stored" already, and of the rows that it answers how many
        have no label ("pool")
    """
    data, settings = trainer.data, trainer.settings
    data.check()
    for name, target in data.targets.items():
        known, own = content["targets"][name]["classes"], target.facts["classes"]
        if known != own:
            raise UserError(f"the teacher's classes {known} are not the data set's {own}", where=settings["name"])
    with ranks.first_alone():
        read, done = answers_of_all(trainer, content, members)
    logger.info("teacher: %d forwarded, %d in the store", done["forwards"], done["stored"])
    done["pool"] = len(data.places(POOL))
    if data.learns_from_pool:
        logger.info("taught by %d train rows and %d rows without a label", len(data.places("train")), done["pool"])
    losses = plugins.load("objective", settings["method"]).losses
    trained = trainer.fit(trainer.probe(), losses, teacher.StoredTeacher(read, trainer.device))
    student = content_of(trainer, trained)
    if ranks.is_first():
        write_torch(output_model, student)
        write_history(output_history, [row | _taught(data, row) for row in trained.history])
        write_json(counts, done)
        trainer.states.clear()


def _taught(data, row):
    """What the history's rows of a network's training say of the rows without a label; nothing where the student saw none."""
    return {"pool_rows": len(data.places(POOL))} if data.learns_from_pool and row["stage"] == "train" else {}


def answers_of_all(trainer, content, members):
    """`answers` of a teacher: its own, or what its members' make together."""
    each = [answers(trainer, *member) for member in members]
    counts = {key: sum(done[key] for _, done in each) for key in ("forwards", "stored")}
    return lambda seed: combined_logits(content, [read(seed) for read, _ in each]), counts


def answers(trainer, content, features, folder):
    """A function that reads the teacher's logits of the taught rows for a view seed, once all are there; and the counts.

    Without augmentation they follow from the teacher's embeddings.
    """
    data, settings = trainer.data, trainer.settings
    rows = data.rows.iloc[data.taught]
    if settings["augment"] == "none":
        embeddings = features_of(rows, *features)
        logits = {
            name: calibrated(predictions.teaching_logits(content, name, embeddings), content["targets"][name])
            for name in data.targets
        }
        return lambda seed: logits, {"forwards": 0, "stored": len(rows)}

    def view_logits(seed):
        return teacher.view_logits(trainer, content, folder, seed)

    seeds = teacher.view_seeds(settings, trainer.seed)
    forwards = sum(view_logits(seed)[1] for seed in seeds)
    views = len(seeds) * rows["content_sha256"].nunique()
    return lambda seed: view_logits(seed)[0], {"forwards": forwards, "stored": views - forwards}


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
        teacher_content = network.load(snakemake.input.teacher)
        known = (content for _, content in members_of(snakemake.input.teacher, teacher_content))
        folders = [Path(path).parent for path in snakemake.input.teacher_backbone]
        features = np.array_split(list(snakemake.input.teacher_features), len(folders))  # as many parts of each
        main(
            trainer,
            content=teacher_content,
            members=list(zip(known, features, folders, strict=True)),
            output_model=snakemake.output.model,
            output_history=snakemake.output.history,
            counts=snakemake.log.counts,
        )
