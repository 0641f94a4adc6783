"""A linear head on embeddings by the same network with random weights."""

import numpy as np
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

MODALITIES = ("image", "text")
L2 = 10.0 ** np.arange(-2, 7)


def answers(rows):
    """Standardised embeddings; logistic regression, for numbers ridge regression. None where no backbone has such a twin."""
    if rows.embeddings is None:
        return None
    return rows.fitted(
        rows.embeddings.astype(np.float64),
        lambda: make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500)),
        lambda: make_pipeline(StandardScaler(), RidgeCV(L2)),
    )
