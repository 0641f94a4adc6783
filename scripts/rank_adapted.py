"""Rank the models of an entry of adapt by a validator, and hold each against the one that does not adapt."""

import logging
from pathlib import Path

import pandas as pd
import torch

from graft.adaptation.choosing import choose
from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import read_json, write_csv, write_json
from graft.config.plan import SOURCE_ONLY, unadapted
from graft.data.samples import read_manifest
from graft.evaluation.choosing import Candidate, gaps
from graft.evaluation.tables import read_predictions

logger = logging.getLogger("graft")


def main(models, scores, predictions, samples, validator, output_table, output_choice):
    """Write a row per model (means over its seeds) and which of them the validator chooses.

    Parameters
    ----------
    models, scores, predictions : list of path, in the same order: ft_model.pt, validators.json and predictions.parquet of each run
    samples : path of the manifest of the target's data set
    validator : str, by which models are ranked
    """
    runs = pd.DataFrame([facts_of(*one) for one in zip(models, scores, predictions, strict=True)])
    table = runs.groupby("model", sort=False).agg(
        {"backbone": "first", "method": "first", "seed": "count"}
        | {name: "mean" for name in plugins.names("validator") if name in runs}
    )
    table = table.rename(columns={"seed": "seeds"}).reset_index()
    table = table.astype({name: float for name in plugins.names("validator") if name in table})
    choice = choose(table, validator)
    table.insert(1, "rank", choice.ranks)
    table = table.join(oracle(runs, table, read_manifest(samples)), on="model")
    # Apart: what is ranked comes first, what it is compared with last.
    write_csv(output_table, table.sort_values("rank", na_position="last", kind="stable"))
    if choice.warning:
        logger.warning("%s", choice.warning)
    best = None if choice.best is None else table["model"][choice.best]
    found = {"entry": Path(output_table).stem, "dataset": runs["dataset"][0], "model": best}
    gain = None if best is None else gain_of(table.set_index("model").loc[best])
    write_json(output_choice, found | {"validator": validator, "warning": choice.warning, "gain": gain})


def facts_of(model, scores, predictions):
    """A run: whose it is, what the validators say, its content and where its predictions are."""
    content = torch.load(model, weights_only=True, map_location="meta")
    own = {"model": content["name"], "backbone": content["backbone"]["name"], "method": content["method"]}
    ((_, target),) = content["targets"].items()
    own |= {"seed": content["seed"], "dataset": content["dataset"]}
    return own | {**read_json(scores), "target": target, "predictions": predictions}


def oracle(runs, table, manifest):
    """What the labels of the target's test rows say, DataFrame by model: nothing of it is chosen by.

    `oracle_rank` (1 the best of those that adapt), the metric, and `gain` with its interval: how much better than the model
    that does not adapt, on the same rows.
    """
    classes = runs["target"].iloc[0].get("classes")
    metric = "accuracy" if classes else "r2"
    truth = "label" if classes else "value"
    columns = ["sample_id", "split", truth, "predicted"]
    frame = manifest.frame
    groups = dict(zip(frame["sample_id"], frame["sampling_unit"], strict=True))
    candidates = {}
    for name, of_model in runs.groupby("model", sort=False):
        tables = [read_predictions(path, columns)[0] for path in of_model["predictions"]]
        tables = [one[(one["split"] == "test") & one[truth].notna()] for one in tables]
        candidates[name] = Candidate(name, tables, 0, True)
    found = []
    for name in table["model"]:
        base = unadapted(name)
        pair = [candidates[one] for one in dict.fromkeys((base, name))]
        found.append(gaps(pair, base, classes, groups, metric).reindex([name]))
    judged = pd.concat(found).rename(columns={"value": f"test_{metric}"})
    judged.columns = [name.replace("gap", "gain") for name in judged]
    adapted = ~table.set_index("model")["method"].isin(SOURCE_ONLY.values())
    ranks = judged.loc[adapted[adapted].index, f"test_{metric}"].rank(ascending=False, method="min").astype("Int64")
    judged.insert(0, "oracle_rank", ranks.reindex(judged.index))
    judged.loc[~adapted, [name for name in judged if name.startswith("gain")]] = float("nan")
    return judged


def gain_of(row):
    """What adapting has gained on the target's test rows, dict of metric, value, low, high and over; None without such labels."""
    if pd.isna(row["gain"]):
        return None
    metric = next(name.removeprefix("test_") for name in row.index if name.startswith("test_"))
    interval = {end: row[f"gain_{end}"] if pd.notna(row[f"gain_{end}"]) else None for end in ("low", "high")}
    return {"metric": metric, "value": row["gain"], **interval, "over": unadapted(row.name)}


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            models=list(snakemake.input.models),
            scores=list(snakemake.input.scores),
            predictions=list(snakemake.input.predictions),
            samples=snakemake.input.samples,
            validator=snakemake.params.validator,
            output_table=snakemake.output.table,
            output_choice=snakemake.output.choice,
        )
