"""Predict every sample of a data set with one trained model: its head on embeddings that are already there."""

import logging
from pathlib import Path

import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import write_json
from graft.data.samples import read_manifest
from graft.networks import network
from graft.store.feature_files import blocks_of
from graft.targets.held_out import read_held_out
from graft.targets.predictions import SPLITS, metrics_of, predict, write_predictions

logger = logging.getLogger("graft")


def main(samples, model, target, features, output_predictions, output_metrics, held_out=(), hidden=None):
    """Write the prediction table of a target over the parts that `features` (paths) covers, and the metrics of each split.

    `held_out` (paths) are what the models of the folds say of the train rows that they did not see. `hidden` (path) has labels
    of rows of the pool that only judge: the table does not have them.
    """
    manifest, content = read_manifest(samples), network.load(model)
    rows = pd.concat([manifest.part(Path(path).stem) for path in features], ignore_index=True)
    table = predict(content, target, manifest, rows, blocks_of(rows, *features), read_held_out(held_out))
    write_predictions(output_predictions, table, content, target)
    judged, units = table, rows["sampling_unit"]
    known = with_hidden(rows, target, hidden)
    if len(known):
        labelled = predict(content, target, manifest, known, blocks_of(known, *features))
        judged = pd.concat([table, labelled], ignore_index=True)
        units = pd.concat([units, known["sampling_unit"]])
    metrics = metrics_of(judged, content["targets"][target], units, (*SPLITS, "pool"))
    if adapts(content["method"]) and drawn(manifest.card["split"]):
        logger.info(
            "no metrics on test rows: they were drawn from the labelled ones, and %s is for the domain of the pool; "
            "give labelled rows of that domain as test rows, by a split column",
            content["name"],
        )
        metrics.pop("test", None)
    write_json(output_metrics, metrics)


def with_hidden(rows, target, hidden):
    """The rows of the pool whose label is hidden, with it; no row without `hidden` (path)."""
    known = pd.read_parquet(hidden) if hidden else pd.DataFrame(columns=["sample_id", target])
    known = known.dropna(subset=target).set_index("sample_id")[target]
    chosen = rows[rows["sample_id"].isin(known.index)]
    return chosen.assign(**{target: known.reindex(chosen["sample_id"]).to_numpy()}).reset_index(drop=True)


def adapts(method):
    """Whether a method makes a model for the domain of the pool, not for that of its labelled rows."""
    return plugins.constant("method", method, "USES_POOL", False)


def drawn(split):
    """Whether the test rows were drawn from the labelled rows; else the data gave them."""
    return "test" in split["taken_from_train"] if split.get("taken_from_train") else split["how"] != "given"


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
