"""The error, divided by the usual error of such a prediction. Worse predictions get wider intervals (Lei et al. 2018, sec. 5.2)."""

import numpy as np

ROWS, MOST = 30, 10  # predictions per step of the usual error, and steps


def fit(predicted, values, level):
    """The mean absolute error of predictions of each size: steps of equally many rows, a line between their middles."""
    order = np.argsort(predicted, kind="stable")
    parts = np.array_split(order, np.clip(len(order) // ROWS, 1, MOST))
    errors = np.abs(values - predicted)
    least = max(float(errors.mean()), 1e-12) / 10
    return {
        "at": [float(predicted[part].mean()) for part in parts],
        "error": [max(float(errors[part].mean()), least) for part in parts],
    }


def score(values, predicted, learned):
    return np.abs(values - predicted) / usual(predicted, learned)


def interval(predicted, threshold, learned):
    width = threshold * usual(predicted, learned)
    return predicted - width, predicted + width


def usual(predicted, learned):
    """The error that is usual for each prediction; outside the rows that it was learned from, that at their end."""
    return np.interp(predicted, learned["at"], learned["error"])
