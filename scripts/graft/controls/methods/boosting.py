"""Gradient boosting of trees on the numbers themselves."""

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

MODALITIES = ("vector",)
MOST_CLASSES = 20  # each of them takes a tree per step


def answers(rows):
    """scikit-learn's histogram-based boosting (after LightGBM, Ke et al. 2017) with its settings; None for many classes."""
    if len(rows.target.get("classes", ())) > MOST_CLASSES:
        return None
    features = rows.features(np.asarray)
    return rows.fitted(
        features,
        lambda: HistGradientBoostingClassifier(random_state=0),
        lambda: HistGradientBoostingRegressor(random_state=0),
    )
