"""Predict every sample of a data set with one trained model: its head on embeddings that are already there."""

from pathlib import Path

import pandas as pd

from graft.common.job import job
from graft.common.outputs import write_json
from graft.data.samples import of_domain, read_manifest
from graft.networks import network
from graft.store.feature_files import blocks_of
from graft.targets.held_out import read_held_out
from graft.targets.predictions import SPLITS, metrics_of, predict, write_predictions


def main(samples, model, target, features, output_predictions, output_metrics, held_out=(), hidden=None):
    """Write the prediction table of a target over the parts that `features` (paths) covers, and the metrics of each split.

    `held_out` (paths) are what the models of the folds say of the train rows that they did not see. `hidden` (path) has labels
    of rows of the pool that only judge: the table does not have them. Of an adapted model, the rows are those of its domain, and
    only test rows keep their label.
    """
    manifest, content = read_manifest(samples), network.load(model)
    rows = pd.concat([manifest.part(Path(path).stem) for path in features], ignore_index=True)
    if adapted := content.get("adapted_to"):
        rows = of_target(rows, adapted, target)
    table = predict(content, target, manifest, rows, blocks_of(rows, *features), read_held_out(held_out))
    write_predictions(output_predictions, table, content, target)
    judged, units = table, rows["sampling_unit"]
    known = with_hidden(rows, target, hidden)
    if len(known):
        labelled = predict(content, target, manifest, known, blocks_of(known, *features))
        judged = pd.concat([table, labelled], ignore_index=True)
        units = pd.concat([units, known["sampling_unit"]])
    metrics = metrics_of(judged, content["targets"][target], units, (*SPLITS, "pool"))
    write_json(output_metrics, metrics)


def with_hidden(rows, target, hidden):
    """The rows of the pool whose label is hidden, with it; no row without `hidden` (path)."""
    known = pd.read_parquet(hidden) if hidden else pd.DataFrame(columns=["sample_id", target])
    known = known.dropna(subset=target).set_index("sample_id")[target]
    chosen = rows[rows["sample_id"].isin(known.index)]
    return chosen.assign(**{target: known.reindex(chosen["sample_id"]).to_numpy()}).reset_index(drop=True)


def of_target(rows, adapted, target):
    """The rows that a model was adapted to, and test rows beside them: only these have a label, since no other is read."""
    rows = of_domain(rows, adapted["column"] and (adapted["column"], adapted["values"]))
    return rows.assign(**{target: rows[target].where(rows["split"] == "test")})


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            model=snakemake.input.model,
            target=snakemake.wildcards.target,
            features=list(snakemake.input.features),
            output_predictions=snakemake.output.predictions,
            output_metrics=snakemake.output.metrics,
            held_out=list(snakemake.input.get("held_out", [])),
            hidden=snakemake.input.hidden,
        )
