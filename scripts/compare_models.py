"""Compare every pair of models and controls of a target, on validation and on test rows."""

from pathlib import Path

import pandas as pd

from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.data.samples import read_manifest
from graft.evaluation.candidates import compared_by, controls_in, read_candidate
from graft.evaluation.pairs import COLUMNS, compare_pairs

SPLITS = ("validation", "test")


def main(samples, target, predictions, metrics, controls, output):
    """Write a row for each split and pair.

    Parameters
    ----------
    samples : path of the manifest
    target : str
    predictions : dict, model -> list of path, its prediction tables, one per seed
    metrics : path of metrics.json of one of the models
    controls : path of the predictions of the controls, or None
    output : path
    """
    manifest = read_manifest(samples)
    facts, judged = manifest.targets[target], read_json(metrics)
    classes = facts.get("classes")
    others = pd.read_parquet(controls) if controls else None
    parts = []
    for split in SPLITS:
        candidates = [read_candidate(name, paths, classes, split) for name, paths in predictions.items()]
        names, _ = compared_by(facts["kind"], classes, candidates[0].tables[0], judged.get(split, {}))
        candidates += controls_in(others, classes, split) if others is not None else []
        parts.append(compare_pairs(candidates, classes, manifest.units, names).assign(split=split))
    table = pd.concat([one for one in parts if len(one)] or parts[:1], ignore_index=True)
    numbers = table.select_dtypes("number").columns
    table[numbers] = table[numbers].map(lambda value: float(f"{value:.6g}"))  # the last digits depend on the threads
    write_csv(output, table[["split", *COLUMNS]])


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        paths = {}
        for path in snakemake.input.predictions:
            paths.setdefault(Path(path).parents[2].name, []).append(path)
        main(
            samples=snakemake.input.samples,
            target=snakemake.wildcards.target,
            predictions=paths,
            metrics=snakemake.input.metrics[0],
            controls=next(iter(snakemake.input.get("controls", [])), None),
            output=snakemake.output.pairs,
        )
