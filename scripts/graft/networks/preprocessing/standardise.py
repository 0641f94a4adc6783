"""Each column minus the train rows' mean, over their standard deviation.

A column that is constant over the train rows becomes zeros: scaled up, its rounding would be noise.
"""

import numpy as np

FITTED = True
SETTINGS = {}


def fit(rows, axis):
    """Means, and what each column is multiplied with."""
    mean, deviation = rows.mean(0), rows.std(0)
    constant = deviation <= 1e-6 * np.abs(mean)
    return {"mean": mean, "factor": np.where(constant, 0.0, 1 / np.where(constant, 1.0, deviation))}


def apply(rows, axis, mean, factor):
    """(x - mean) / std of each column."""
    return (rows - mean) * factor
