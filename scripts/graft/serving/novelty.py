"""How far new samples are from the training data, in the model's own embedding (Sun et al. 2022, "Out-of-distribution
detection with deep nearest neighbors"): the distance to the k-th nearest training embedding, and which distance is unusual.
"""

import math

import numpy as np
import pyarrow.parquet as pq

from graft.common.errors import UserError
from graft.conformal.thresholds import threshold
from graft.store.feature_files import read_features

NEIGHBOUR = 10  # k; fewer where there are fewer than 200 training samples
UNUSUAL = 0.01  # share of samples like the training data that are called unusual, at most
# A random part of the training data shifts all distances equally (Sun et al., sec. 4.2, keep 1 % of ImageNet), so a
# million rows cost no more than these. The limit is measured against the same part.
MOST_TRAIN, MOST_HELD_OUT = 10_000, 2_000
CELLS = 2**24  # distances held in memory at once


class Novelty:
    """Training embeddings, and the distance from them that held-out samples almost never have.

    Parameters
    ----------
    train : float array, shape (n, width)
    held_out : float array, shape (m, width), of samples like the training data that the network was not trained on
        (its validation and test rows). With none, each training sample is compared with the others.
    columns_differ : bool
        The columns are quantities of their own (vectors that the user measured): they are standardised. Embeddings of
        a network are scaled to length 1 instead, as in the paper, which would hide a measurement that doubled.

    Attributes
    ----------
    k : int, which neighbour is asked
    limit : float, the distance that a sample like the training data exceeds in 1 % of cases at most: see `limit_of`. Few
        held-out samples cannot say that (99 are needed): then training samples, compared with the others, are used, too,
        and the larger limit counts. If these are few as well it is infinite: unknown.
    """

    def __init__(self, train, held_out, columns_differ=False):
        random = np.random.default_rng(0)
        train, held_out = _some(train, MOST_TRAIN, random), _some(held_out, MOST_HELD_OUT, random)
        self.k = min(NEIGHBOUR, max(1, len(train) // 20))
        self._mean, self._std = None, None
        if columns_differ:
            self._mean, self._std = train.mean(0), train.std(0)
            self._std[self._std <= 1e-6 * np.abs(self._mean)] = 1.0  # constant except for rounding
        self._train = self._scaled(train)
        distances = self.distance(held_out)
        self.limit = limit_of(distances)
        if not np.isfinite(self.limit):
            # A training sample is its own nearest neighbour: the next ones count.
            self.limit = max(limit_of(self._to_neighbour(self._train, self.k + 1)), distances.max(initial=0.0))

    def distance(self, embeddings):
        """Distance of each embedding to its k-th nearest training sample; float64, shape (n,)."""
        return self._to_neighbour(self._scaled(np.asarray(embeddings)), self.k)

    def is_unusual(self, distances):
        """Which distances are larger than those of held-out samples; bool, shape (n,)."""
        return np.asarray(distances) > self.limit

    def _scaled(self, embeddings):
        embeddings = embeddings.astype(np.float64)
        if self._mean is not None:
            return (embeddings - self._mean) / self._std
        return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)

    def _to_neighbour(self, queries, k):
        k = min(k, len(self._train))
        squares = (self._train**2).sum(1)
        found = [np.empty(0)]
        step = max(1, CELLS // len(self._train))
        for start in range(0, len(queries), step):
            block = queries[start : start + step]
            squared = (block**2).sum(1)[:, None] + squares - 2 * block @ self._train.T
            found.append(np.sqrt(np.maximum(np.partition(squared, k - 1, axis=1)[:, k - 1], 0)))
        return np.concatenate(found)


def limit_of(distances, share=UNUSUAL):
    """What the distance of one more sample of the same kind exceeds with a probability of at most `share`.

    The conformal quantile (Vovk et al. 2005; Angelopoulos and Bates 2023, eq. 2): the ceil((n + 1) (1 - share))-th smallest of
    n distances; infinite if there are fewer than that.
    """
    found = threshold(distances, 1 - share)
    return math.inf if found is None else found


def training_embeddings(samples, features, targets, width):
    """The embeddings that a model learned from, and those held out.

    Parameters
    ----------
    samples : path of the data set's manifest, samples.parquet
    features : path of the model's embeddings of it, labelled.parquet
    targets : list of str, what the model predicts
    width : int, of the model's embeddings

    Returns
    -------
    train, held_out : float32 arrays, shapes (n, width) and (m, width); held out are labelled validation and test rows that
        are no copies of train rows

    Raises
    ------
    UserError
        If the embeddings are not those of the model.
    """
    manifest = pq.read_table(samples, columns=["sample_id", "content_sha256", "split", *targets]).to_pandas()
    known = manifest[manifest[targets].notna().any(axis=1)].set_index("sample_id")
    ids, embeddings = read_features(features)
    known = known.reindex(ids)
    splits = known["split"].to_numpy(object)
    train = splits == "train"
    seen = (
        known["content_sha256"].isin(known["content_sha256"][train]).to_numpy()
    )  # a copy of a train row was seen, too
    if embeddings.shape[1] != width or not train.any():
        raise UserError("are not the embeddings that the model learned from", str(features), hint="run the workflow")
    return embeddings[train], embeddings[((splits == "validation") | (splits == "test")) & ~seen]


def _some(rows, most, random):
    rows = np.asarray(rows)
    return rows if len(rows) <= most else rows[np.sort(random.choice(len(rows), most, replace=False))]
