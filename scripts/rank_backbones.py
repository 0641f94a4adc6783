"""Rank the backbones of a data set before anything is trained, by scores of their embeddings of train and validation rows."""

import logging

import numpy as np
import pandas as pd

from graft.common import plugins
from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.data.samples import read_manifest, some_of
from graft.ranking.rows import Rows
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
COLUMNS = ["target", "backbone", "method", "score", "rank"]
MOST = 10_000  # rows; more say nothing new, and neighbours take time that grows with their square


def main(samples, features, backbones, targets, output):
    """Write a score of each target, backbone and method; rank 1 is the best of its target and method.

    Parameters
    ----------
    samples : path of the manifest
    features, backbones : list of path, embeddings of the labelled rows and backbone.json of each backbone, in the same order
    targets : list of str, those that models learn
    output : path of the table
    """
    manifest = read_manifest(samples, without_test=True)
    rows = some_of(manifest.part("labelled"), MOST).reset_index(drop=True)
    found = []
    for path, facts in zip(features, map(read_json, backbones), strict=True):
        embeddings = features_of(rows, path).astype(np.float64)
        for target in targets:
            seen = rows_of(manifest, rows, embeddings, target, facts["parameters"] or 0)
            for method in plugins.names("ranking") if seen else ():
                value = plugins.load("ranking", method).score(seen)
                if value is not None:
                    found.append((target, facts["name"], method, value))
        logger.info("%s: scored", facts["name"])
    table = pd.DataFrame(found, columns=COLUMNS[:-1])
    # Rounded, since the last digits depend on how many cores computed the sums.
    table["score"] = table["score"].map(lambda value: float(f"{value:.6g}"))
    ranks = table.groupby(["target", "method"])["score"].rank(method="min", ascending=False)
    write_csv(output, table.assign(rank=ranks.astype("int64")).sort_values(COLUMNS[:3:2] + ["rank"], kind="stable"))


def rows_of(manifest, rows, embeddings, target, parameters):
    """The labelled rows of a target as the scores take them; None if fewer than two classes or values are there."""
    codes, facts = manifest.codes(target, rows), manifest.targets[target]
    known = np.isfinite(codes).any(1) if codes.ndim > 1 else codes >= 0 if facts.get("classes") else np.isfinite(codes)
    train = rows["split"].to_numpy()[known] == "train"
    if len(np.unique(codes[known][train], axis=0)) < 2:
        return None
    units = pd.factorize(rows["sampling_unit"].fillna(rows["sample_id"])[known])[0]
    return Rows(
        embeddings[known],
        codes[known],
        facts,
        units,
        rows["split"].to_numpy()[known],
        rows["fold"].to_numpy()[known],
        parameters,
    )


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            features=list(snakemake.input.features),
            backbones=list(snakemake.input.backbones),
            targets=snakemake.params.targets,
            output=snakemake.output.ranking,
        )
