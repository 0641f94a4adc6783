"""Judge every model and control of a target on each group of the rows, and on each value of the columns that the config names."""

import pandas as pd
import pyarrow.parquet as pq

from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.conformal.by_group import set_columns, with_coverage
from graft.data.samples import read_manifest
from graft.evaluation.candidates import by_model, compared_by, controls_in, read_candidate
from graft.evaluation.tables import CONTROL, read_predictions
from graft.targets.by_group import COLUMNS, ERRORS, judge_groups

SPLITS = ("validation", "test")


def main(samples, target, predictions, metrics, controls, output):
    """Write a row for each model, split, column and group.

    Parameters
    ----------
    samples : path of the manifest
    target : str
    predictions : dict, (stage, model) -> list of path, its prediction tables, one per seed
    metrics : path of metrics.json of one of the models
    controls : path of the predictions of the controls, or None
    output : path
    """
    manifest = read_manifest(samples)
    facts, judged, columns = manifest.targets[target], read_json(metrics), columns_of(manifest)
    classes = facts.get("classes")
    others = pd.read_parquet(controls) if controls else None
    sets = sets_of(predictions, others, facts)
    parts = []
    for split in SPLITS:
        candidates = [
            (stage, read_candidate(name, paths, classes, split)) for (stage, name), paths in predictions.items()
        ]
        names, _ = compared_by(facts["kind"], classes, candidates[0][1].tables[0], judged.get(split, {}))
        candidates += [(CONTROL, one) for one in (controls_in(others, classes, split) if others is not None else [])]
        for stage, one in candidates:
            found = judge_groups(one, facts, columns, manifest.units, ERRORS if classes is None else names)
            if split == "test":
                found = with_coverage(found, sets[one.name], facts, columns, manifest.units)
            parts.append(found.assign(model=one.name, stage=stage, split=split))
    table = pd.concat([one for one in parts if len(one)] or parts[:1], ignore_index=True)
    measured = [name for name in table if name not in ("model", "stage", "split", *COLUMNS)]
    numbers = ["value", "low", "high", *measured]
    table[numbers] = (
        table[numbers].astype(float).map(lambda value: float(f"{value:.6g}"))
    )  # the last digits depend on the threads
    write_csv(output, table[["model", "stage", "split", *COLUMNS, *measured]])


def sets_of(predictions, controls, facts):
    """dict, model or control -> list of DataFrame, one per seed: the labels and sets of its prediction tables."""
    label = "value" if facts["kind"] == "regression" else "label"

    def read(path):
        return read_predictions(path, ["sample_id", "split", label, *set_columns(pq.read_schema(path).names)])[0]

    found = {name: [read(path) for path in paths] for (_, name), paths in predictions.items()}
    return found | ({name: [table] for name, table in controls.groupby("model")} if controls is not None else {})


def columns_of(manifest):
    """dict, name -> Series, sample_id -> the group: the groups that the data name if there are two or more, and each column of
    `subgroups`; rows without one are a group, too."""
    found, groups = {}, manifest.frame["group"].fillna("").str.strip()
    if manifest.card.get("groups", 0) > 1:
        found["group"] = groups.mask(groups == "", "missing")
    ids = manifest.frame["sample_id"]
    return {name: pd.Series(one.to_numpy(object), ids) for name, one in {**found, **manifest.subgroups}.items()}


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            target=snakemake.wildcards.target,
            predictions=by_model(snakemake.input.predictions),
            metrics=snakemake.input.metrics[0],
            controls=next(iter(snakemake.input.get("controls", [])), None),
            output=snakemake.output.groups,
        )
