"""Find samples of a data set that are nearly the same, by embeddings that are there already, and propose groups of them."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from graft.common.job import job
from graft.common.outputs import write_csv
from graft.data.samples import read_manifest
from graft.data.splitting.near_copies import clusters
from graft.evaluation.near_pairs import MOST, near_pairs
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")


def main(samples, features, output_pairs, output_groups):
    """Write the pairs, the most alike first, and a group for each sample that is in one.

    Parameters
    ----------
    samples : path of the manifest
    features : list of path, embeddings of every part
    output_pairs, output_groups : paths
    """
    manifest = read_manifest(samples)
    frame = manifest.frame
    rows = frame.drop_duplicates("content_sha256").reset_index(drop=True)
    if len(rows) > MOST:
        logger.warning("%d samples are too many to look for near copies; up to %d are compared", len(rows), MOST)
    embeddings = features_of(rows, *features) if len(rows) <= MOST else np.empty((0, 1))
    pairs, cosines = near_pairs(standardised(embeddings) if manifest.card["modality"] == "vector" else embeddings)
    write_csv(output_pairs, pairs_table(rows, pairs, cosines))
    write_csv(output_groups, groups_table(frame, rows, pairs))


def standardised(vectors):
    """Columns are quantities of their own: each counts by how it varies."""
    spread = vectors.std(0)
    return (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1.0)


def pairs_table(rows, pairs, cosines):
    """sample_id and split of both samples of a pair, and their cosine."""
    one, other = rows.iloc[pairs[:, 0]], rows.iloc[pairs[:, 1]]
    table = pd.DataFrame(
        {
            "sample_id": one["sample_id"].to_numpy(object),
            "other": other["sample_id"].to_numpy(object),
            "split": one["split"].to_numpy(object),
            "other_split": other["split"].to_numpy(object),
            "cosine": cosines.round(4),
        }
    )
    return table.sort_values("cosine", ascending=False, kind="stable")


def groups_table(frame, rows, pairs):
    """sample_id and group of the samples that are nearly the same, directly or through others, or that have one content.

    Samples of a group that the data name already are in one group with what is nearly the same as any of them.
    """
    place = pd.Series(np.arange(len(rows)), rows["content_sha256"])
    of_content = place[frame["content_sha256"]].to_numpy()
    named = frame["group"].fillna("").str.strip()
    codes = len(rows) + pd.factorize(named[named != ""])[0]
    own = np.column_stack([of_content[(named != "").to_numpy()], codes])
    edges = np.concatenate([pairs, own]).astype(int)
    size = len(rows) + (codes.max() - len(rows) + 1 if len(codes) else 0)
    cluster = clusters(size, edges)[of_content]
    table = pd.DataFrame({"sample_id": frame["sample_id"], "cluster": cluster})
    table = table[table["cluster"].duplicated(keep=False)]
    first = table.groupby("cluster")["sample_id"].transform("first")
    return table.assign(group=first).drop(columns="cluster")


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            features=list(snakemake.input.features),
            output_pairs=Path(snakemake.output.pairs),
            output_groups=Path(snakemake.output.groups),
        )
