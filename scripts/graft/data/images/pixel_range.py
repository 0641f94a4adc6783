"""Which pixel values become black and white: quantiles of all train images, from a few numbers kept of each.

Each image is summed up by quantiles, which are close together at both ends. So no file is read twice. A quantile of all
images is that of their quantiles, each weighted by the pixels it represents; its rank is right to within a fifth.
"""

import math

import numpy as np

TAIL = 0.001  # share of the pixels below black, and above white
FAR = 10  # a value so many times the width of all others away is no measurement
APART = 2  # from so many widths on a value is pointed out: it may be a measurement, as of saturation
SINGLE = 5  # values that may be far, at each end
VALUES = 10  # with fewer different values among the others, nothing is called far
STEPS = 50  # of the range, at most: its ends are rounded, so that a few more images rarely change it
_HALF = np.append(0.0, 1e-4 * 1.4 ** np.arange(26))
SHARES = np.concatenate([_HALF[_HALF < 0.5], [0.5], 1 - _HALF[_HALF < 0.5][::-1]])
WEIGHTS = np.diff(
    np.concatenate([[0.0], (SHARES[1:] + SHARES[:-1]) / 2, [1.0]])
)  # share of pixels that each represents


def quantiles(pixels):
    """An image's values at SHARES of its pixels; list of float. Each is a value of the image."""
    pixels = np.ravel(pixels)
    places = np.minimum(np.ceil(SHARES * len(pixels)).astype(int).clip(1) - 1, len(pixels) - 1)
    if pixels.dtype == np.uint16:
        below = np.cumsum(np.bincount(pixels, minlength=1))
        return np.searchsorted(below, places, side="right").astype(float).tolist()
    return np.sort(pixels)[places].astype(float).tolist()


def measure(summaries, counts, ends=(-math.inf, math.inf)):
    """Black and white of a set of images.

    A single value far from all others (-9999, 65535) is no measurement: the range is that of the others.

    Parameters
    ----------
    summaries : list of what `quantiles` gave, one per image
    counts : array, shape (images,), measured pixels of each
    ends : (least, greatest), what the type of the pixels holds

    Returns
    -------
    low, high : float, 0.1 % of the pixels are below and above before rounding outwards; low < high
    far : list of float, values that were left out
    """
    values, weights = _pooled(summaries, counts)
    inner, far = _without_far(values, weights)
    return *_ends(values[inner], weights[inner], ends), far


def apart(summaries, counts, ends=(-math.inf, math.inf)):
    """Single values that are far from all others, though not far enough to be left out by `measure`.

    Returns
    -------
    low, high : float, the range of the others
    apart : list of float
    """
    values, weights = _pooled(summaries, counts)
    inner, _ = _without_far(values, weights)
    values, weights = values[inner], weights[inner]
    inner, found = _without_far(values, weights, APART)
    return *_ends(values[inner], weights[inner], ends), found


def beyond(summaries, counts, low, high):
    """Share of the pixels below `low` or above `high`, about; the others as in `measure`."""
    values, weights = np.asarray(summaries, np.float64), np.outer(counts, WEIGHTS)
    return float(weights[(values < low) | (values > high)].sum() / weights.sum())


def _pooled(summaries, counts):
    """The different values of all summaries, sorted, and the weight of each."""
    values = np.ravel(np.asarray(summaries, np.float64))
    weights = np.ravel(np.outer(counts, WEIGHTS))
    order = np.lexsort((weights, values))  # the images' order must not matter, not even to rounding
    values, first = np.unique(values[order], return_index=True)
    return values, np.add.reduceat(weights[order], first)


def _ends(values, weights, ends):
    low, high = (quantile(values, weights, share) for share in (TAIL, 1 - TAIL))
    if not high > low:
        low, high = values[0], values[-1]
    low, high = rounded(low, high if high > low else low + 1)
    return max(low, ends[0]), min(high, ends[1])


def quantile(values, weights, share):
    """The least of sorted `values` below or at which `share` of the weights are."""
    reached = np.cumsum(weights)
    return float(values[np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))])


def rounded(low, high):
    """The ends of a range, rounded outwards to multiples of 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10((high - low) / STEPS))
    step = max(f for f in (1, 2, 5) if f * 10.0**power <= (high - low) / STEPS * (1 + 1e-9))
    width = step * 10.0**power
    multiples = (math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9))
    return tuple(float(f"{multiple * step}e{power}") for multiple in multiples)


def _without_far(values, weights, times=FAR):
    """Slice of sorted values without single ones far below or above, and those values. 0 is a background, never far.

    A value is far if its distance from its neighbours is more than `times` the width of all values that are not far.
    Far values may be far from one another, too: -9999 and -32768.
    """
    often = (weights > TAIL * weights.sum()) & (values != 0)  # what is rare does not move the range
    ends = [(low, high) for low in range(SINGLE + 1) for high in range(SINGLE + 1) if low + high]
    for low, high in sorted(ends, key=sum, reverse=True):
        rest = slice(low, len(values) - high)
        if rest.stop - rest.start < VALUES or not (often[:low].all() and often[rest.stop :].all()):
            continue
        black, white = (quantile(values[rest], weights[rest], share) for share in (TAIL, 1 - TAIL))
        gaps = np.concatenate([np.diff(values[: low + 1]), np.diff(values[rest.stop - 1 :])])
        if white > black and gaps.min() > times * (white - black):
            return rest, [float(value) for value in (*values[:low], *values[rest.stop :])]
    return slice(0, len(values)), []
