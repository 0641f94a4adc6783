"""The first principal components of the train rows, in the columns' own unit (not whitened)."""

import numpy as np

from graft.common.errors import UserError

FITTED = True
COLUMNS = "components"
SETTINGS = {
    "components": {
        "type": "integer",
        "minimum": 1,
        "default": 10,
        "description": "How many there are; at most as many as columns, and one less than train rows.",
    }
}


def fit(rows, axis, components):
    """Means and axes; the largest number of an axis is positive.

    A component whose spread is less than float32's rounding of the rows is none: a head would scale noise up.
    """
    mean = rows.mean(0)
    _, lengths, axes = np.linalg.svd(rows - mean, full_matrices=False)
    there = int((lengths > np.finfo(np.float32).eps * np.linalg.norm(rows)).sum())
    if components > there:
        what = f"{components} components, and the {len(rows)} train rows of {rows.shape[1]} columns have {there}"
        raise UserError(what, None, f"1 to {there}" if there > 1 else None, "ask for fewer components")
    axes = axes[:components]
    signs = np.sign(axes[np.arange(components), np.abs(axes).argmax(1)])
    return {"mean": mean, "axes": axes * signs[:, None]}


def apply(rows, axis, components, mean, axes):
    """The rows on the axes."""
    return (rows - mean) @ axes.T
