"""Scores of numbers, each a file with

fit(predicted, values, level) -> dict for JSON: what the intervals depend on, learned from rows that do not calibrate; a score
that learns nothing has no `fit`
score(values, predicted, learned) -> float array, shape (n,): how far a value is from what was expected
interval(predicted, threshold, learned) -> low and high, float arrays, shape (n,): the values of a score up to the threshold
"""
