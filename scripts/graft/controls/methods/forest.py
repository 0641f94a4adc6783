"""A random forest on the numbers themselves (Breiman 2001)."""

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

MODALITIES = ("vector",)
TREES = 300


def answers(rows):
    """300 trees, scikit-learn's other settings."""
    settings = {"n_estimators": TREES, "random_state": 0, "n_jobs": rows.threads}
    features = rows.features(np.asarray)
    return rows.fitted(
        features,
        lambda: RandomForestClassifier(**settings),
        lambda: RandomForestRegressor(max_features=1 / 3, **settings),
    )
