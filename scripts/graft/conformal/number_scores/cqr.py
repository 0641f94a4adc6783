"""How far a value is outside two quantiles. The prediction may not be in the middle (Romano, Patterson and Candès 2019).

The quantiles are linear in the prediction, so that any model can have them.
"""

import numpy as np

MOST = 2000  # rows that quantiles are fitted to: a linear program


def fit(predicted, values, level):
    """Slope and intercept of the quantiles (1 - level) / 2 and (1 + level) / 2 of the values, given the prediction."""
    from sklearn.linear_model import QuantileRegressor  # here, since predicting need not wait for it

    scale = max(float(values.std()), 1e-12)
    rows = np.linspace(0, len(values) - 1, min(MOST, len(values))).astype(int)
    x, y = (predicted[rows, None] - predicted.mean()) / scale, (values[rows] - predicted.mean()) / scale
    found = {}
    for name, quantile in (("low", (1 - level) / 2), ("high", (1 + level) / 2)):
        line = QuantileRegressor(quantile=quantile, alpha=0.0).fit(x, y)
        slope = float(line.coef_[0])
        found[name] = [slope, float(line.intercept_) * scale + float(predicted.mean()) * (1 - slope)]
    return found


def score(values, predicted, learned):
    """max(low - y, y - high), eq. 6."""
    low, high = quantiles(predicted, learned)
    return np.maximum(low - values, values - high)


def interval(predicted, threshold, learned):
    low, high = quantiles(predicted, learned)
    low, high = low - threshold, high + threshold
    middle = (low + high) / 2
    return np.minimum(low, middle), np.maximum(high, middle)


def quantiles(predicted, learned):
    """Both quantiles of each row; where their lines cross, in the order of their size."""
    both = [slope * predicted + intercept for slope, intercept in (learned["low"], learned["high"])]
    return np.minimum(*both), np.maximum(*both)
