"""Compare every pair of models and controls of a target, on validation and on test rows; and each without near copies of train rows."""

import pandas as pd

from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.data.samples import read_manifest
from graft.evaluation.candidates import by_model, compared_by, controls_in, read_candidate
from graft.evaluation.choosing import mean_of
from graft.evaluation.near_pairs import copies_in
from graft.evaluation.pairs import COLUMNS, compare_pairs

SPLITS = ("validation", "test")
WITHOUT = ["model", "split", "metric", "rows", "copied", "value", "value_without"]


def main(samples, target, predictions, metrics, controls, near, output, output_copies):
    """Write a row for each split and pair, and one for each split and model.

    Parameters
    ----------
    samples : path of the manifest
    target : str
    predictions : dict, model -> list of path, its prediction tables, one per seed
    metrics : path of metrics.json of one of the models
    controls : path of the predictions of the controls, or None
    near : path of near_duplicates.csv
    output, output_copies : paths of the pairs, and of the metrics with and without near copies of train rows
    """
    manifest = read_manifest(samples)
    facts, judged = manifest.targets[target], read_json(metrics)
    classes = facts.get("classes")
    others = pd.read_parquet(controls) if controls else None
    parts, copies, near = [], [], pd.read_csv(near, dtype=str)
    for split in SPLITS:
        candidates = [read_candidate(name, paths, classes, split) for name, paths in predictions.items()]
        names, _ = compared_by(facts["kind"], classes, candidates[0].tables[0], judged.get(split, {}))
        candidates += controls_in(others, classes, split) if others is not None else []
        parts.append(compare_pairs(candidates, classes, manifest.units, names).assign(split=split))
        copied = copies_in(near, split, "train")
        copies += [row for one in candidates if (row := without(one, split, names, classes, copied))]
    table = pd.concat([one for one in parts if len(one)] or parts[:1], ignore_index=True)
    write_csv(output, rounded(table[["split", *COLUMNS]]))
    write_csv(output_copies, rounded(pd.DataFrame(copies, columns=WITHOUT)))


def without(candidate, split, metrics, classes, copied):
    """A model's metric on the rows of a split, and on those that are no near copies of a train row; None where it has none."""
    tables = candidate.tables
    fewer = [one[~one["sample_id"].isin(copied)] for one in tables]
    for metric in metrics:
        if (value := mean_of(metric, tables, classes)) is not None:
            rows = len(tables[0])
            counts = (rows, rows - len(fewer[0]))
            return candidate.name, split, metric, *counts, value, mean_of(metric, fewer, classes)
    return None


def rounded(table):
    """With six digits, since the last ones depend on the threads; counts stay."""
    numbers = table.select_dtypes("float").columns
    return table.assign(**table[numbers].map(lambda value: float(f"{value:.6g}")))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            target=snakemake.wildcards.target,
            predictions={model: paths for (_, model), paths in by_model(snakemake.input.predictions).items()},
            metrics=snakemake.input.metrics[0],
            controls=next(iter(snakemake.input.get("controls", [])), None),
            near=snakemake.input.near,
            output=snakemake.output.pairs,
            output_copies=snakemake.output.copies,
        )
