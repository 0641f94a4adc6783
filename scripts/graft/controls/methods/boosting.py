"""Gradient boosting of trees on the numbers themselves."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

MODALITIES = ("vector",)


def answers(rows):
    """scikit-learn's histogram-based boosting (after LightGBM, Ke et al. 2017) with its settings."""
    features = rows.features(np.asarray)
    return rows.fitted(
        features,
        lambda: HistGradientBoostingClassifier(random_state=0),
        lambda: HistGradientBoostingRegressor(random_state=0),
    )
