"""Subtracts a smooth baseline below the peaks: asymmetric least squares (Eilers and Boelens 2005).

The baseline z has the least sum of w (x - z)^2 + smoothness (second differences of z)^2, where w is `asymmetry` at columns
above the baseline and 1 - asymmetry at others. Both are found in turn, ten times, as in the paper.
"""

import numpy as np
from scipy.linalg import solveh_banded

from graft.common.errors import UserError

SETTINGS = {
    "smoothness": {
        "type": "number",
        "exclusiveMinimum": 0,
        "default": 100000,
        "description": "How stiff the baseline is; the paper takes 100 to 1e9.",
    },
    "asymmetry": {
        "type": "number",
        "exclusiveMinimum": 0,
        "exclusiveMaximum": 0.5,
        "default": 0.01,
        "description": "Weight of columns above the baseline; the paper takes 0.001 to 0.1.",
    },
}
TIMES = 10
SECOND = (1.0, -2.0, 1.0)  # a row of D


def apply(rows, axis, smoothness, asymmetry):
    """Each row minus its baseline."""
    columns = rows.shape[1]
    if columns < 3:
        raise UserError(f"{columns} columns have no second differences", None, "at least 3 columns")
    penalty = np.zeros((3, columns))  # the upper diagonals of D'D, the main one last
    for i, one in enumerate(SECOND):
        for j, other in enumerate(SECOND[: i + 1]):
            penalty[2 - (i - j), i : columns - 2 + i] += smoothness * one * other
    return np.stack([row - _baseline(row, penalty, asymmetry) for row in rows])


def _baseline(row, penalty, asymmetry):
    weights = np.ones(len(row))
    for _ in range(TIMES):
        matrix = penalty.copy()
        matrix[2] += weights
        found = solveh_banded(matrix, weights * row, check_finite=False)
        weights = np.where(row > found, asymmetry, 1 - asymmetry)
    return found
