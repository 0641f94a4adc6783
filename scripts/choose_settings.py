"""Take the best settings of a search, by validation rows alone, and show all that were tried."""

from pathlib import Path

import pandas as pd

from graft.common.job import job
from graft.common.outputs import read_json, write_csv, write_json
from graft.data.samples import read_manifest
from graft.evaluation.candidates import compared_by, read_candidate
from graft.evaluation.choosing import choose
from graft.evaluation.tables import read_predictions
from graft.fetch.chosen import write_chosen
from graft.search.planning import SEARCHED
from graft.search.trials import in_order

COLUMNS = [
    *("trial", "rung", "backbone", "method", "learning_rate", "augmentation", "epochs"),
    *("metric", "value", "low", "high", "kept", "choice"),
]


def main(samples, target, trials, methods, backbones, entry, output, chosen, backbone):
    """Write the table of all trials, the settings that are taken, and the backbone that is among them.

    Parameters
    ----------
    samples : path of the manifest
    target : str
    trials : list of path, what each trial wrote; its predictions of validation rows are beside it
    methods : list of str, those that may be taken: the probes are trials of `linear`
    backbones : dict, name -> path of backbone.json
    entry : dict, the entry of the plan of the backbone that is chosen here
    output, chosen, backbone : paths of the table, of the settings, and of the chosen backbone's backbone.json
    """
    manifest = read_manifest(samples)
    found = {name_of(one): one | {"path": Path(path)} for path, one in zip(trials, map(read_json, trials), strict=True)}
    last = max(one["rung"] for one in found.values())
    finalists = {
        name: one
        for name, one in found.items()
        if one["rung"] == last or (not one["rung"] and one["method"] in methods)
    }
    choice = choice_of(finalists, target, manifest)
    write_csv(output, table_of(found, choice))
    taken = found[choice["model"]]
    write_json(chosen, {key: taken[key] for key in ("backbone", *SEARCHED) if taken[key] is not None})
    write_chosen(backbones[taken["backbone"]], entry, Path(backbone).parent)


def name_of(trial):
    return f"{trial['rung']}-{trial['place']}"


def choice_of(finalists, target, manifest):
    """What choosing.choose says of the trials that may be taken; dict, name -> what a trial wrote, and its path."""
    facts = manifest.targets[target]
    classes = facts.get("classes")
    candidates = [
        read_candidate(
            name, [one["path"].with_name("validation.parquet")], classes, "validation", one["parameters"], one["frozen"]
        )
        for name, one in finalists.items()
    ]
    table, _ = read_predictions(next(iter(finalists.values()))["path"].with_name("validation.parquet"))
    first = next(iter(finalists.values()))
    metrics, loss = compared_by(facts["kind"], classes, table, first["metrics"])
    return choose(candidates, classes, manifest.units, metrics, loss)


def table_of(found, choice):
    """One row per trial: its settings, its number on validation rows, whether it was kept for the next rung, and how it compares
    with the best in the end."""
    rungs = [
        [one for one in found.values() if one["rung"] == rung]
        for rung in range(1 + max(one["rung"] for one in found.values()))
    ]
    rows = []
    for rung, after in zip(rungs, [*rungs[1:], []], strict=True):
        many = max((one.get("probe", len(after)) for one in after), default=0)
        kept = [name_of(one) for one in in_order(rung)[:many]]
        rows += [row_of(one, name_of(one) in kept, choice) for one in rung]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"epochs": "Int64"})


def row_of(one, kept, choice):
    own = one["metrics"].get(one["metric"]) or {}
    name, table = name_of(one), choice["table"]
    said = "best" if name == choice["model"] else ""
    if name in table.index and not said:
        said = "tie" if table.loc[name, "tied"] else "behind"
    return {
        **{key: one[key] for key in ("rung", "backbone", "method", "metric", "value")},
        **{"trial": name, "learning_rate": one["lr"], "augmentation": one["augment"], "epochs": one.get("epochs")},
        **{"low": own.get("low"), "high": own.get("high"), "kept": kept or said == "best", "choice": said},
    }


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            target=snakemake.params.target,
            trials=list(snakemake.input.trials),
            methods=snakemake.params.methods,
            backbones=dict(zip(snakemake.params.names, snakemake.input.backbones, strict=True)),
            entry=snakemake.params.entry,
            output=snakemake.output.trials,
            chosen=snakemake.output.chosen,
            backbone=snakemake.output.backbone,
        )
