"""Judge what is reached on a data set without a pretrained network: controls, fitted on train rows, judged as models are."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.common.fingerprint import root_of
from graft.common.job import job
from graft.common.outputs import write_csv, write_parquet
from graft.controls.judging import judged
from graft.controls.rows import Rows
from graft.data.readers import opener
from graft.data.samples import read_manifest
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
MOST = 20_000  # rows of a split: a control is to be cheap, and more change little


def main(samples, dataset, entry, target, controls, untrained, conformal, output, output_predictions, threads=1):
    """Write a row of metrics and a prediction table of each control.

    Parameters
    ----------
    samples, dataset : paths of the manifest and of dataset.json
    entry : dict, the data set's entry of the config
    target : str
    controls : list of str, their names
    untrained : path of the embeddings by the untrained twin of a backbone, or None
    conformal : dict, that of the config
    output, output_predictions : paths of the table of metrics, and of the predictions of all controls
    """
    manifest = read_manifest(samples)
    rows = labelled(manifest, target)
    seen = Rows(
        rows,
        manifest.codes(target, rows),
        manifest.targets[target],
        plugins.load("kind", manifest.targets[target]["kind"]),
        opener(entry, root_of(dataset)),
        features_of(rows, untrained) if untrained else None,
        threads,
    )
    metrics, tables = [], []
    for name in controls:
        answers = plugins.load("control", name).answers(seen)
        if answers is not None:
            answers = np.asarray(answers, np.float64)
            table, row = judged(name, target, manifest.card["dataset"], seen, answers, conformal)
            metrics.append(row)
            tables.append(table)
            logger.info("%s: judged", name)
    write_csv(output, pd.DataFrame(metrics))
    write_parquet(output_predictions, pd.concat(tables, ignore_index=True))


def labelled(manifest, target):
    """The rows of a target that have its label, in the manifest's order; of each split at most MOST, the same ones in any order."""
    rows = manifest.part("labelled")
    rows = rows[rows[target].notna()].sort_values("content_sha256", kind="stable").groupby("split").head(MOST)
    return rows.sort_index().reset_index(drop=True)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            target=snakemake.wildcards.target,
            controls=snakemake.params.controls,
            untrained=next(iter(snakemake.input.get("untrained", [])), None),
            conformal=snakemake.params.conformal,
            output=Path(snakemake.output.table),
            output_predictions=Path(snakemake.output.predictions),
            threads=snakemake.threads,
        )
