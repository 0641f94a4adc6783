"""Multiplicative scatter correction: removes offset and factor, relative to the mean of the train rows (Geladi et al. 1985).

A spectrum x is fitted by least squares as x = a + b m + e with the mean spectrum m, and becomes (x - a) / b. One that is
constant (b = 0) says nothing, and becomes m.
"""

import numpy as np

from graft.common.errors import UserError
from graft.networks.preprocessing import spread

FITTED = True
SETTINGS = {}


def fit(rows, axis):
    """The mean spectrum."""
    reference = rows.mean(0)
    if reference.std() <= 1e-6 * np.abs(rows).max():
        hint = "leave msc out, or put it before `standardise`"
        raise UserError("the mean of the train rows is the same number in all columns", hint=hint)
    return {"reference": reference}


def apply(rows, axis, reference):
    """(x - a) / b of each row."""
    centred = reference - reference.mean()
    factor = (rows @ centred / (centred @ centred))[:, None]
    flat = (spread(rows) == 0) | (np.abs(factor) < 1e-12)
    offset = rows.mean(1, keepdims=True) - factor * reference.mean()
    return np.where(flat, reference, (rows - offset) / np.where(flat, 1.0, factor))
