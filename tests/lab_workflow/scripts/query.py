"""Choose cells to label: uncertain ones that differ from each other (BADGE, Ash et al. 2020, in scikit-activeml)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from skactiveml.base import SkactivemlClassifier
from skactiveml.pool import Badge


class HandedOver(SkactivemlClassifier):
    """A classifier that has predicted already: in X, the probabilities are before the embedding."""

    def fit(self, X, y, sample_weight=None):
        return self

    def predict_proba(self, X):
        return X[:, : len(self.classes)], X[:, len(self.classes) :]


def main(predictions, embeddings, output, cells, batch, folder):
    """Write a table of `cells` samples of the pool, those first that should be labelled first, in sittings of `batch`."""
    classes = json.loads(pq.read_schema(predictions).metadata[b"classes"])
    table = pd.read_parquet(predictions, filters=[("split", "==", "pool")])
    chances = table.groupby("sample_id")[[f"prob_{name}" for name in classes]].mean()  # over all models and seeds
    handed = pd.read_parquet(embeddings, filters=[("part", "==", "pool")]).set_index("sample_id")
    pool = np.hstack([chances, np.stack(handed.loc[chances.index, "embedding"])])
    chosen = Badge(random_state=0).query(
        pool,
        np.full(len(pool), np.nan),  # no row of the pool has a label
        HandedOver(classes=range(len(classes))),
        fit_clf=False,
        batch_size=min(cells, len(pool)),
    )
    found = chances.iloc[chosen]
    entropy = -(found * np.log(found)).sum(axis=1)
    rows = pd.DataFrame(
        {
            "sample_id": found.index,
            "look_at": [Path(folder, name).as_posix() for name in found.index],  # here the id is the file's name
            "score": entropy.to_numpy().round(4),
            "batch": np.arange(len(found)) // batch + 1,
        }
    )
    rows.to_csv(output, index=False)


if "snakemake" in globals():
    main(
        snakemake.input.predictions,
        snakemake.input.embeddings,
        snakemake.output.table,
        **dict(snakemake.params.items()),
    )
