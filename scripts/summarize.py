"""Gather every model's and every few-shot task's results into one table."""

from pathlib import Path

import pandas as pd
import torch

from graft.job import job
from graft.outputs import read_json, write_csv

IDENTITY = ("stage", "dataset", "target", "model", "backbone", "method", "seed")
COSTS = ("ways", "shots", "parameters", "temperature")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece", "r2", "rmse", "mae")
SPLITS = ("test", "validation")


def main(models, metrics, few_shot, tasks, output):
    """Write one row per model, seed and target, then one per few-shot task, ways and shots.

    Parameters
    ----------
    models, metrics : list of path
        ft_model.pt and metrics.json of each trained model, in the same order.
    few_shot : list of path
        metrics.json of each task.
    tasks : dict
        Task name -> its settings in the config.
    output : path of the table
    """
    rows = [row for model, one in zip(models, metrics, strict=True) for row in rows_of_model(model, one)]
    rows += [row for one in few_shot for row in rows_of_task(one, tasks)]
    values = [f"{split}_{name}{end}" for split in SPLITS for name in METRICS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=[*IDENTITY, *COSTS, *values])
    table = table.astype({name: "Int64" for name in ("seed", "ways", "shots", "parameters")})
    used = [name for name in table if name in (*IDENTITY, *COSTS) or table[name].notna().any()]
    write_csv(output, table[used].sort_values([*IDENTITY, "ways", "shots"], kind="stable"))


def rows_of_model(model, metrics):
    """One row per target of a trained model."""
    # On the device "meta" a tensor has a shape and no data: a summary reads no weights.
    content = torch.load(model, weights_only=True, map_location="meta")
    backbone, state = content["backbone"], content["state_dict"]
    heads = sum(tensor.numel() for name, tensor in state.items() if name.startswith("heads."))
    for target, facts in content["targets"].items():
        yield {
            "stage": Path(model).parents[2].name,
            "dataset": content["dataset"],
            "target": target,
            "model": content["name"],
            "backbone": backbone["name"],
            "method": content["method"],
            "seed": content["seed"],
            "parameters": (backbone.get("parameters") or 0) + heads,
            "temperature": facts.get("temperature"),
            **flatten(read_json(metrics)),
        }


def rows_of_task(metrics, tasks):
    """One row per setting of a few-shot task."""
    name = Path(metrics).parent.name
    task = tasks[name]
    for setting in read_json(metrics)["settings"]:
        measured = {key: as_metric(setting[key]) for key in METRICS if setting.get(key) is not None}
        yield {
            "stage": "few_shot",
            "dataset": task["dataset"],
            "target": task["target"],
            "model": name,
            "backbone": task.get("backbone") or f"{task['model']}.seed{task['model_seed']}",
            "method": task["method"],
            "seed": task["seed"],
            "ways": setting["ways"],
            "shots": setting["shots"],
            "temperature": setting.get("temperature"),
            **flatten({"test": measured}),
        }


def as_metric(value):
    """A metric with an interval, if need be an empty one."""
    return value if isinstance(value, dict) else {"value": value, "low": None, "high": None}


def flatten(metrics):
    """Columns test_accuracy, test_accuracy_low, test_accuracy_high and so on."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{split}_{name}{end}": metric[key]
        for split in SPLITS
        for name, metric in metrics.get(split, {}).items()
        for end, key in ends.items()
    }


if "snakemake" in globals():
    with job(snakemake):
        main(
            models=list(snakemake.input.models),
            metrics=list(snakemake.input.metrics),
            few_shot=list(snakemake.input.get("few_shot", [])),
            tasks=snakemake.params.tasks,
            output=snakemake.output.table,
        )
