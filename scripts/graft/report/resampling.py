"""Bands around the curves of figures: 95 % of the curves of bootstrap resamples, point by point. Rows of a group are drawn together."""

import numpy as np

DRAWS, LEAST, ROWS = 300, 100, 5_000_000  # resamples; of many rows fewer, so that all of them hold about so many


def band(curve, count, units, seed=0):
    """The 95 % band of a curve.

    Parameters
    ----------
    curve : function of weights, float array of shape (count,), how often each row is drawn; gives an array of shape (points,),
        with NaN where the resample says nothing
    count : int, the number of rows
    units : int array, shape (count,), what is drawn together, or None if each row is alone; see intervals.units_of
    seed : int

    Returns
    -------
    low, high : arrays, shape (points,); all NaN where all rows are of one unit, so that nothing is known of others
    """
    units = np.arange(count) if units is None else units
    size = int(units.max()) + 1 if count else 0
    if size < 2:
        nothing = np.full_like(curve(np.ones(count)), np.nan)
        return nothing, nothing
    random = np.random.default_rng(seed)
    draws = int(np.clip(ROWS // count, LEAST, DRAWS))
    drawn = [
        curve(np.bincount(random.integers(0, size, size), minlength=size)[units].astype(float)) for _ in range(draws)
    ]
    drawn = np.stack(drawn)
    known = np.isfinite(drawn).any(0)
    low, high = np.full((2, drawn.shape[1]), np.nan)
    low[known], high[known] = np.nanpercentile(drawn[:, known], [2.5, 97.5], axis=0)
    return low, high
