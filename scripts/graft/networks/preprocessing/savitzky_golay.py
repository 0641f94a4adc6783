"""Smooths, or takes derivatives, by a polynomial through the columns of a window (Savitzky and Golay 1964).

Derivatives are per unit of the axis, where the columns' names are numbers (wavelengths), else per column. The polynomial
through the first and the last window gives the ends.
"""

import numpy as np
from scipy.signal import savgol_filter

from graft.common.errors import UserError

SETTINGS = {
    "window": {
        "type": "integer",
        "minimum": 3,
        "not": {"multipleOf": 2},
        "default": 11,
        "x-allowed": "an odd whole number >= 3",
        "x-unit": "columns",
        "description": "Columns that the polynomial is fitted to.",
    },
    "order": {"type": "integer", "minimum": 0, "default": 2, "description": "Order of the polynomial."},
    "derivative": {"type": "integer", "minimum": 0, "maximum": 4, "default": 0, "description": "0 only smooths."},
}
AT_MOST = [("order", "window", -1), ("derivative", "order", 0)]


def apply(rows, axis, window, order, derivative):
    """The fitted polynomial, or its derivative, at each column."""
    if window > rows.shape[1]:
        raise UserError(
            f"a window of {window} columns, and there are {rows.shape[1]}", None, f"at most {rows.shape[1]}"
        )
    step = 1.0 if axis is None else even_step(axis)
    return savgol_filter(rows, window, order, deriv=derivative, delta=step, axis=1)


def even_step(axis):
    """The distance from column to column, negative where the axis falls; a UserError if it is not the same everywhere.

    It may differ by 1 %, or by what the names are rounded to (3, 3 and 4 are steps of 3.3), but by no half step.
    """
    gaps, mean = np.diff(axis), (axis[-1] - axis[0]) / (len(axis) - 1)
    digits = max(len(f"{place:.10g}".partition(".")[2]) for place in axis)
    apart = np.abs(gaps - mean)
    worst = int(apart.argmax())
    if apart[worst] > min(max(0.01 * abs(mean), 1.001 * 10.0**-digits), 0.49 * abs(mean)):
        raise UserError(
            f"the columns are not evenly spaced: {axis[worst]:g} to {axis[worst + 1]:g}, and {mean:.4g} on average",
            allowed="columns in the order of their numbers, with one distance",
            hint="name the columns of one even stretch in `columns.features`, or bring the spectra to an even grid first",
        )
    return mean
