"""Which pixel values become black and white: quantiles of all train images, from a few numbers kept of each.

Each image is summed up by its own quantiles, close together at both ends, so that what is known of an image needs no
second look at its file. A quantile of all images is that of their quantiles, each weighted by the pixels it stands for;
its rank is right to within a fifth.
"""

import math

import numpy as np

TAIL = 0.001  # share of the pixels below black, and above white
FAR = 10  # times the width of all other values, from which a single value is no measurement
VALUES = 10  # different ones among the others, below which nothing is called far
STEPS = 50  # of the range, at most: its ends are rounded, so that a few more images rarely change it
_HALF = np.append(0.0, 1e-4 * 1.4 ** np.arange(26))
SHARES = np.concatenate([_HALF[_HALF < 0.5], [0.5], 1 - _HALF[_HALF < 0.5][::-1]])
WEIGHTS = np.diff(
    np.concatenate([[0.0], (SHARES[1:] + SHARES[:-1]) / 2, [1.0]])
)  # share of pixels that each stands for


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
    low, high : float, 0.1 % of the pixels lie below and above before rounding outwards; low < high
    far : list of float, values that were left out
    """
    values = np.ravel(np.asarray(summaries, np.float64))
    weights = np.ravel(np.outer(counts, WEIGHTS))
    order = np.lexsort((weights, values))  # the images' order must not matter, not even to rounding
    values, first = np.unique(values[order], return_index=True)
    weights = np.add.reduceat(weights[order], first)
    inner, far = _without_far(values, weights)
    low, high = (quantile(values[inner], weights[inner], share) for share in (TAIL, 1 - TAIL))
    if not high > low:
        low, high = values[inner][0], values[inner][-1]
    low, high = rounded(low, high if high > low else low + 1)
    return max(low, ends[0]), min(high, ends[1]), far


def beyond(summaries, counts, low, high):
    """Share of the pixels below `low` or above `high`, about; the others as in `measure`."""
    values, weights = np.asarray(summaries, np.float64), np.outer(counts, WEIGHTS)
    return float(weights[(values < low) | (values > high)].sum() / weights.sum())


def quantile(values, weights, share):
    """The least of sorted `values` below or at which `share` of the weights stand."""
    reached = np.cumsum(weights)
    return float(values[np.searchsorted(reached, share * reached[-1] * (1 - 1e-12))])


def rounded(low, high):
    """The ends of a range, rounded outwards to multiples of 1, 2 or 5 times a power of ten."""
    power = math.floor(math.log10((high - low) / STEPS))
    step = max(f for f in (1, 2, 5) if f * 10.0**power <= (high - low) / STEPS * (1 + 1e-9))
    width = step * 10.0**power
    multiples = (math.floor(low / width + 1e-9), math.ceil(high / width - 1e-9))
    return tuple(float(f"{multiple * step}e{power}") for multiple in multiples)


def _without_far(values, weights):
    """Slice of sorted values without single ones far below or above, and those values. 0 is a background, never far."""
    start, stop, far = 0, len(values), []
    while stop - start > VALUES:
        for at, rest in ((start, slice(start + 1, stop)), (stop - 1, slice(start, stop - 1))):
            low, high = (quantile(values[rest], weights[rest], share) for share in (TAIL, 1 - TAIL))
            gap = max(values[rest][0] - values[at], values[at] - values[rest][-1])
            often = weights[at] > TAIL * weights[start:stop].sum()  # what is rare does not move the range
            if values[at] and often and high > low and gap > FAR * (high - low):
                far.append(float(values[at]))
                start, stop = rest.start, rest.stop
                break
        else:
            break
    return slice(start, stop), far
