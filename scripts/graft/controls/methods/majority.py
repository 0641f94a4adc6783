"""Does not look at samples: the share of each class or label among the train rows, or the mean of a number."""

import numpy as np

from graft.controls.rows import CLASSES

MODALITIES = ("image", "text", "vector")


def answers(rows):
    """The same answer for all rows."""
    codes = rows.codes[rows.splits == "train"]
    if rows.target["kind"] in CLASSES:
        found = np.bincount(codes, minlength=len(rows.target["classes"])) / len(codes)
    elif rows.target["kind"] == "regression":
        found = np.array([codes.mean()])
    else:
        known = np.isfinite(codes).sum(0)
        found = np.nansum(codes, axis=0) / np.maximum(known, 1)
    return np.tile(found, (len(rows.codes), 1))
