"""The absolute error. All intervals have the same width (Lei et al. 2018)."""

import numpy as np


def score(values, predicted, learned):
    return np.abs(values - predicted)


def interval(predicted, threshold, learned):
    return predicted - threshold, predicted + threshold
