"""The number of parameters: what a larger network is better for, whatever the data are."""

import numpy as np


def score(rows):
    """Its decimal logarithm; None for what has no parameters."""
    return float(np.log10(rows.parameters)) if rows.parameters else None
