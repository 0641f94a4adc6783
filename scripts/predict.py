"""Predict every sample of a data set with one trained model: its head on embeddings that are already there."""

from pathlib import Path

import pandas as pd

from graft.common.job import job
from graft.conformal.delivery import deliver
from graft.data.samples import of_domain, read_manifest
from graft.networks import network
from graft.store.feature_files import blocks_of
from graft.targets.held_out import read_held_out
from graft.targets.predictions import predict


def main(samples, model, target, features, outputs, conformal, held_out=(), hidden=None):
    """Write the prediction table of a target over the parts that `features` (paths) covers, its sets, and the metrics of each split.

    `outputs` has the paths predictions, metrics and conformal; `conformal` is that of the config.

    `held_out` (paths) are what the models of the folds say of the train rows that they did not see. `hidden` (path) has labels
    of rows of the pool that only judge: the table does not have them. Of an adapted model, the rows are those of its domain, and
    only test rows keep their label.
    """
    manifest, content = read_manifest(samples), network.load(model)
    rows = pd.concat([manifest.part(Path(path).stem) for path in features], ignore_index=True)
    if adapted := content.get("adapted_to"):
        rows = of_target(rows, adapted, target)

    def tabulate(part, held_out=None):
        return predict(content, target, manifest, part, blocks_of(part, *features), held_out)

    table = tabulate(rows, read_held_out(held_out))
    deliver(content, target, rows, table, tabulate, conformal, outputs, hidden)


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
            outputs=snakemake.output,
            conformal=snakemake.params.conformal,
            held_out=list(snakemake.input.get("held_out", [])),
            hidden=snakemake.input.hidden,
        )
