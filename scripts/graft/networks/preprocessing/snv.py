"""Standard normal variate: each spectrum minus its mean, over its standard deviation (Barnes et al. 1989).

It removes what differs from one spectrum to the next as an offset and a factor: scatter, path length, an instrument's gain.
A spectrum that is constant has no shape, and becomes zeros.
"""

from graft.networks.preprocessing import spread

SETTINGS = {}


def apply(rows, axis):
    """(x - mean(x)) / std(x) of each row."""
    deviation = spread(rows)
    return (rows - rows.mean(1, keepdims=True)) * (deviation > 0) / (deviation + (deviation == 0))
