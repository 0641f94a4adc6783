"""What a strategy sees of a pool: how unsure the model is of each row, and where rows lie beside those that have a label."""

from dataclasses import dataclass

import numpy as np
from sklearn.decomposition import PCA

from graft.labelling.asked import mean_chances

MOST = 20_000  # rows whose embeddings are compared: the work grows with their number
AXES = 64  # principal axes that distances are measured on


@dataclass(frozen=True)
class Pool:
    """n rows of a pool.

    unsure : float array, shape (n,), see `unsure_of`
    read : function (places: int array) -> float32 arrays, shapes (len(places), width) and (m, width): the embeddings of these rows,
        and of train rows
    standard : whether columns are quantities of their own, which count by how they vary
    """

    unsure: np.ndarray
    read: object
    standard: bool = False

    def look(self, places):
        """The same on at most AXES principal axes, float64, each row of length 1."""
        rows, known = self.read(places)
        both = np.concatenate([rows, known]).astype(np.float64)
        if self.standard:
            spread = both.std(0)
            both = (both - both.mean(0)) / np.where(spread > 0, spread, 1.0)
        if min(both.shape) > 1 and np.ptp(both, axis=0).any():
            both = PCA(min(AXES, *both.shape), svd_solver="covariance_eigh").fit_transform(both)
        lengths = np.linalg.norm(both, axis=1, keepdims=True)
        both = np.divide(both, lengths, out=np.zeros_like(both), where=lengths > 1e-9)
        return both[: len(rows)], both[len(rows) :]


def unsure_of(tables, facts):
    """How unsure models are of each row of a pool, from 0 (sure) to 1.

    Of classes it is 1 less the margin between the two highest probabilities, of several labels the mean of that over the labels, of
    a number how far the models' values are apart (their standard deviation by the largest one), and 1 where one model answers alone.

    Parameters
    ----------
    tables : list of DataFrame, what each model (or seed) predicts of the rows
    facts : dict, the target in labels.json

    Returns
    -------
    float array, shape (n,)
    """
    if facts["kind"] == "regression":
        spread = np.std([table["predicted"].to_numpy(np.float64) for table in tables], axis=0)
        return spread / spread.max() if len(spread) and spread.max() > 0 else np.ones(len(spread))
    chances = mean_chances(tables, facts["classes"])
    if facts["kind"] == "multilabel":
        return (1 - np.abs(2 * chances - 1)).mean(1)
    top = np.partition(chances, -2, axis=1)[:, -2:]
    return 1 - (top[:, 1] - top[:, 0])


def evenly(rows):
    """At most MOST rows, evenly over the table."""
    return rows if len(rows) <= MOST else rows.iloc[np.linspace(0, len(rows) - 1, MOST).astype(int)]
