"""Colour and texture of a picture in some dozen numbers, and a random forest on them."""

import warnings

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

MODALITIES = ("image",)
LEVELS = (5, 25, 50, 75, 95)  # percentiles of each channel
DIRECTIONS = 8
TREES = 300


def answers(rows):
    """300 trees."""
    settings = {"n_estimators": TREES, "random_state": 0, "n_jobs": rows.threads}
    features = rows.features(describe)
    return rows.fitted(
        features,
        lambda: RandomForestClassifier(**settings),
        lambda: RandomForestRegressor(max_features=1 / 3, **settings),
    )


def describe(picture):
    """Of each channel mean, spread and percentiles; of their mean the sharpness, directions of edges, and local patterns.

    picture : array, shape (height, width, channels), may be masked; returns float64, shape (7 channels + 20,)
    """
    values = np.ma.filled(np.ma.asarray(picture).astype(np.float64), np.nan)
    pixels = values.reshape(-1, values.shape[2])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # where no pixel of a picture was measured
        colours = [np.nanmean(pixels, 0), np.nanstd(pixels, 0), *np.nanpercentile(pixels, LEVELS, axis=0)]
        grey = np.nan_to_num(np.nanmean(values, axis=2))
    return np.nan_to_num(np.concatenate([*colours, _edges(grey), _patterns(grey)]))


def _edges(grey):
    """Mean and spread of the gradient, and the share of it in each direction; (10,)."""
    if min(grey.shape) < 2:
        return np.zeros(2 + DIRECTIONS)
    down, right = np.gradient(grey)
    strength = np.hypot(down, right)
    place = ((np.arctan2(down, right) % np.pi) / np.pi * DIRECTIONS).astype(int) % DIRECTIONS
    shares = np.bincount(place.ravel(), strength.ravel(), DIRECTIONS) / max(strength.sum(), 1e-12)
    return np.r_[strength.mean(), strength.std(), shares]


def _patterns(grey):
    """Local binary patterns (Ojala et al. 2002), rotation-invariant and uniform: the share of each of the ten; (10,)."""
    if min(grey.shape) < 3:
        return np.zeros(10)
    centre = grey[1:-1, 1:-1]
    around = [(0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0)]
    height, width = centre.shape
    brighter = np.stack([grey[y : y + height, x : x + width] >= centre for y, x in around])
    changes = (brighter != np.roll(brighter, 1, axis=0)).sum(0)
    pattern = np.where(changes <= 2, brighter.sum(0), 9)
    return np.bincount(pattern.ravel(), minlength=10) / pattern.size
