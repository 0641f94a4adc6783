"""Train a network with some settings of a search, and see what it says of validation rows."""

from dataclasses import replace
from pathlib import Path

from graft.common import plugins, ranks
from graft.common.job import gpus_of, job
from graft.common.outputs import read_json, write_json
from graft.search.trials import said_of_validation, settings_of
from graft.targets.predictions import write_predictions
from graft.training.model_file import content_of
from graft.training.rule_inputs import open_trainer


def main(trainer, trial, output, predictions):
    """Write the trial with its settings and its numbers, and its predictions of validation rows; then forget the state."""
    trainer.data.check()
    method = plugins.load("method", trainer.settings["method"])
    trainer = replace(trainer, frozen=method.FROZEN)
    trained = method.train(trainer)
    content = content_of(trainer, trained)
    table, numbers = said_of_validation(trainer, trained, content)
    if ranks.is_first():
        write_predictions(predictions, table, content, *content["targets"])
        parameters = content["backbone"].get("parameters") or 0
        write_json(output, {**trial, "parameters": parameters, "frozen": method.FROZEN, **numbers})
        trainer.states.clear()


def with_settings(inputs, params):
    """The trial with its settings; and inputs and params as those of a training with these.

    Parameters
    ----------
    inputs : dict, name -> path as the rule has it: those of a training, but of all backbones that the trial may have: backbones,
        features; and before (the trials of the rung before)
    params : dict of the rule's params: those of a training, trial, names (of the backbones)
    """
    trial = params["trial"]
    trial = {**trial, **settings_of(trial, [read_json(path) for path in inputs["before"]])}
    own = {key: trial[key] for key in ("backbone", "method", "augment")}
    own |= {key: trial[key] for key in ("epochs", "lr") if trial.get(key)}
    place = params["names"].index(trial["backbone"])
    files = {"backbone": inputs["backbones"][place], "features": inputs["features"][place]}
    return trial, {**inputs, **files}, {**params, "settings": params["settings"] | own}


if "snakemake" in globals() and ranks.wanted(snakemake.resources.get("gpu", 0)):
    ranks.launch(snakemake.resources.gpu)
elif "snakemake" in globals():
    gpus = gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"])
    with job(snakemake.log[0], snakemake.threads, gpus):
        lists = {name: list(snakemake.input.get(name, [])) for name in ("before", "backbones", "features")}
        trial, inputs, params = with_settings({**snakemake.input, **lists}, dict(snakemake.params.items()))
        trainer = open_trainer(
            inputs,
            params,
            Path(snakemake.output.trial).parent / ".state",
            seed=params["seed"],
            entry=snakemake.config["datasets"][params["settings"]["dataset"]],
            store=snakemake.config["store"],
            gpus=gpus,
            threads=snakemake.threads,
        )
        main(trainer, trial, snakemake.output.trial, snakemake.output.predictions)
