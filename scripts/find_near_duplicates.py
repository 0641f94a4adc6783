"""Find samples of a data set that are nearly the same, by their embeddings and by what is in them, and propose groups of them."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd

from graft.common.fingerprint import root_of
from graft.common.job import job
from graft.common.outputs import write_csv
from graft.data.samples import read_manifest
from graft.data.splitting.alike import similar_contents
from graft.data.splitting.near_copies import clusters
from graft.evaluation.near_pairs import MOST, cosines, near_pairs
from graft.store.feature_files import features_of

logger = logging.getLogger("graft")
MOST_READ = (
    20_000  # samples that are read and compared by what is in them; reading more would take longer than all else
)
NEITHER = np.empty((0, 2), int)


def main(samples, dataset, entry, features, output_pairs, output_groups, threads=1):
    """Write the pairs, the most alike first, and a group for each sample that is in one.

    Embeddings alone are not enough: the same cell out of focus, or a message that a reply quotes, is far from it.

    Parameters
    ----------
    samples, dataset : paths of the manifest and of dataset.json
    entry : dict, the data set's entry of the config
    features : list of path, embeddings of every part
    output_pairs, output_groups : paths
    """
    manifest = read_manifest(samples)
    frame, modality = manifest.frame, manifest.card["modality"]
    rows = frame.drop_duplicates("content_sha256").reset_index(drop=True)
    if few := len(rows) <= MOST:
        embeddings = features_of(rows, *features)
        embeddings = standardised(embeddings) if modality == "vector" else embeddings
    else:
        logger.warning("%d samples are too many to look for near copies; up to %d are compared", len(rows), MOST)
    near = near_pairs(embeddings)[0] if few else NEITHER
    read = len(rows) <= MOST_READ and modality != "vector"
    alike = (
        similar_contents(rows, entry, root_of(dataset), modality, [], threads) if read and len(rows) > 1 else NEITHER
    )
    pairs = np.unique(np.concatenate([near, alike]), axis=0)
    write_csv(output_pairs, pairs_table(rows, pairs, cosines(embeddings, pairs) if few else np.empty(0), near, alike))
    write_csv(output_groups, groups_table(frame, rows, pairs))


def standardised(vectors):
    """Columns are quantities of their own: each counts by how it varies."""
    spread = vectors.std(0)
    return (vectors - vectors.mean(0)) / np.where(spread > 0, spread, 1.0)


def pairs_table(rows, pairs, alike, by_embedding, by_content):
    """sample_id and split of both samples of a pair, their cosine `alike`, and what found them."""
    found = [set(map(tuple, some.tolist())) for some in (by_embedding, by_content)]
    words = {(True, False): "embedding", (False, True): "content", (True, True): "both"}
    one, other = rows.iloc[pairs[:, 0]], rows.iloc[pairs[:, 1]]
    table = pd.DataFrame(
        {
            "sample_id": one["sample_id"].to_numpy(object),
            "other": other["sample_id"].to_numpy(object),
            "split": one["split"].to_numpy(object),
            "other_split": other["split"].to_numpy(object),
            "cosine": alike.round(4),
            "by": [words[pair in found[0], pair in found[1]] for pair in map(tuple, pairs.tolist())],
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
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            features=list(snakemake.input.features),
            output_pairs=Path(snakemake.output.pairs),
            output_groups=Path(snakemake.output.groups),
            threads=snakemake.threads,
        )
