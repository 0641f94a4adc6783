"""Train for a domain without labels, by the labels of another one, with one seed."""

import logging
from dataclasses import replace
from pathlib import Path

from graft.common.errors import UserError
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json, write_torch
from graft.config.plan import is_frozen
from graft.data.samples import read_manifest
from graft.networks import network
from graft.training import adapting
from graft.training.model_file import content_of
from graft.training.rule_inputs import open_target, open_trainer, rows_of, write_history

logger = logging.getLogger("graft")


def main(trainer, domain, output_model, output_history, output_scores, start=None):
    """Write the model, its history and what the validators say of it, then forget the state.

    `trainer` is of the source, `domain` the TargetDomain; `start` (path) is the model that a method without source rows
    continues.
    """
    settings = trainer.settings
    check(trainer.data, domain)
    if is_frozen(settings):
        trainer = replace(trainer, frozen=True)
        trained, calibrations, scores = adapting.solve(trainer, domain)
    else:
        trained, calibrations, scores = adapting.train(trainer, domain, start and network.load(start))
    column, values = rows_of(settings, "target") or (None, [])
    content = content_of(
        trainer, trained, calibrations, domain.source.card, adapted_to={"column": column, "values": values}
    )
    write_torch(output_model, content)
    write_history(output_history, trained.history)
    write_json(output_scores, scores)
    trainer.states.clear()


def check(data, domain):
    """Refuse domains without rows, and classes that are not the same in both."""
    settings, what = data.settings, data.settings["domain"]
    if what and not len(data.rows):
        raise UserError(
            f"no labelled row of data set '{settings['source']}' has the value {_listed(what['source'])} in '{what['column']}'",
            where=f"adapt.{settings['entry']}.domain.source",
            allowed="a value of the column that labelled rows have",
        )
    data.check()
    unseen = unseen_classes(data)
    if unseen:
        logger.warning(
            "no train row of the source has class %s: the model can never predict it", ", ".join(map(repr, unseen))
        )
    if len(domain.rows) < 2:
        where = f"with the value {_listed(what['target'])} in '{what['column']}' " if what else ""
        raise UserError(
            f"data set '{settings['dataset']}' has {len(domain.rows)} rows {where}outside its test split, and "
            "the model adapts to these",
            where=f"adapt.{settings['entry']}",
            allowed="at least 2 rows; they need no label",
        )
    if domain.rows["content_sha256"].nunique() < 2:
        what = f"all {len(domain.rows)} rows of the target domain have the same content"
        raise UserError(what, where=f"adapt.{settings['entry']}", allowed="at least 2 different rows")
    check_bands(settings, *(one.source.card.get("image", {}).get("channels") for one in (data, domain)))
    ours, theirs = (read_manifest(one.samples, without_test=True).targets for one in (data, domain))
    for name in settings["targets"]:
        own, other = (one[name].get("classes") for one in (ours, theirs))
        if own != other:
            missing = [one for one in own if one not in other]
            raise UserError(
                f"the classes of target '{name}' are {own} in '{settings['source']}' and {other} in '{settings['dataset']}'"
                + (": no class is in both" if len(missing) == len(own) else ""),
                where=f"datasets.{settings['dataset']}.targets.{name}",
                allowed=f"the same classes in the same order, classes: [{', '.join(own)}]",
            )


def check_bands(settings, ours, theirs):
    """Refuse domains of which one has images with more bands: the network has an input for each."""
    if ours != theirs and not {ours, theirs} <= {1, 3}:
        raise UserError(
            f"the images of '{settings['source']}' have {ours} bands, those of '{settings['dataset']}' {theirs}",
            where=f"datasets.{settings['dataset']}.bands",
            allowed="as many bands in both domains",
        )


def unseen_classes(data):
    """The classes that no train row of the source has; empty for numbers."""
    ((_, target),) = data.targets.items()
    train = target.codes[data.places("train")]
    return [word for code, word in enumerate(target.facts.get("classes") or ()) if code not in train]


def _listed(values):
    return " or ".join(f"'{value}'" for value in ([values] if isinstance(values, str) else values))


if "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        inputs, settings = dict(snakemake.input.items()), snakemake.params.settings
        trainer = open_trainer(
            inputs,
            dict(snakemake.params.items()),
            Path(snakemake.output.model).parent / ".state",
            seed=int(snakemake.wildcards.seed),
            entry=snakemake.config["datasets"][settings["source"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(
            trainer,
            open_target(inputs, trainer, snakemake.config["datasets"][settings["dataset"]]),
            snakemake.output.model,
            snakemake.output.history,
            snakemake.output.scores,
            snakemake.input.get("start"),
        )
