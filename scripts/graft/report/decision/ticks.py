"""Ticks of an axis."""

import math


def round_values(low, high):
    """A few round values between two ends, at least three apart from rounding."""
    span = high - low or 1.0
    step = 10 ** math.floor(math.log10(span))
    step = next(step / part for part in (1, 2, 5, 10) if span / (step / part) >= 3)
    return [round(number * step, 10) for number in range(math.ceil(low / step), math.floor(high / step) + 1)]
