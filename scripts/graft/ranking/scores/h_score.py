"""H-score: the share of the embeddings' variance between the classes, with shrunk covariances (Ibrahim et al. 2022)."""

import numpy as np
from sklearn.covariance import ledoit_wolf


def score(rows):
    """The trace of (shrunk covariance)^-1 times (1 - shrinkage) times the covariance of the class means (eq. 6 of the paper)."""
    if rows.kind not in ("classification", "ordinal"):
        return None
    covariance, shrinkage = ledoit_wolf(rows.features)
    means = rows.features - rows.features.mean(0)
    for number in np.unique(rows.codes):
        means[rows.codes == number] = means[rows.codes == number].mean(0)
    between = means.T @ means / len(means)
    return float((1 - shrinkage) * np.trace(np.linalg.solve(covariance, between)))
