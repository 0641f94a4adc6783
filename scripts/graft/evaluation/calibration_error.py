"""How far probabilities are from the shares that come true, freed of what chance alone would show."""

import numpy as np
from scipy.special import ndtr

from graft.evaluation.intervals import half_width

BINS = 15
FAR = 30.0  # standard deviations


def top_label_error(right, confidence, units=None):
    """Expected calibration error of the confidence (Guo et al. 2017), debiased.

    Parameters
    ----------
    right : array of bool, shape (N,)
    confidence : array of float, shape (N,)
    units : array of int or None, see intervals.units_of

    Returns
    -------
    {"value", "low", "high"}
    """
    return _interval([signed_gaps(right, confidence, units)], units)


def class_wise_error(labels, probabilities, units=None):
    """Class-wise calibration error (Kull et al. 2019): the mean over classes of the error of each class's probability."""
    width = probabilities.shape[1]
    return _interval((signed_gaps(labels == c, probabilities[:, c], units) for c in range(width)), units)


def signed_gaps(true, probability, units=None):
    """The calibration error over 15 equally wide bins, as it is and debiased.

    The gap of a bin is never 0, even if every probability is right, so the mean of the gaps' sizes is too large: by
    0.05 for 500 rows. Debiased: halve a bin, take the sign of the gap from one half and its size from the other. This
    is 0 on average for right probabilities, and the same as before where gaps are larger than chance. Its mean
    over all halvings is ``sd * h(gap / sd)`` with ``h(z) = z (2 Phi(z) - 1) - 2 phi(z)``, sd being the gap's standard
    deviation: for right probabilities sum p (1 - p), over groups the sum of the squares of the groups' gaps.

    Returns
    -------
    raw, debiased : float; debiased may be below 0
    signed : array, shape (N,), each row's part of `raw`: their mean is `raw`
    """
    gap, place = true - probability, _bin(probability)
    total = np.bincount(place, weights=gap, minlength=BINS)
    if units is None:
        variance = np.bincount(place, weights=probability * (1 - probability), minlength=BINS)
    else:
        each = np.bincount(units * BINS + place, weights=gap, minlength=(units.max() + 1) * BINS)
        variance = (each.reshape(-1, BINS) ** 2).sum(0)
    spread = np.sqrt(np.maximum(variance, 0))
    z = np.divide(np.abs(total), spread, out=np.full(BINS, FAR), where=spread > 0).clip(max=FAR)
    far = z == FAR  # there h(z) is z
    shrunk = z * (2 * ndtr(z) - 1) - np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2)
    debiased = np.where(far, np.abs(total), spread * shrunk).sum() / len(gap)
    return float(np.abs(total).sum() / len(gap)), float(debiased), np.sign(total)[place] * gap


def _interval(parts, units):
    """The mean of several errors. Its ends are on the safe side of both: the debiased is too small, the raw too large."""
    raw = debiased = count = 0
    signed = 0.0
    for one in parts:
        raw, debiased, signed, count = raw + one[0], debiased + one[1], signed + one[2], count + 1
    raw, debiased, signed = raw / count, max(debiased / count, 0.0), signed / count
    return ends(raw, debiased, half_width(signed - raw, units))


def ends(raw, debiased, half):
    """The interval of a calibration error; `half` is half the width of the raw one's, None if it has none."""
    value = min(max(debiased, 0.0), 1.0)
    if half is None:
        return {"value": value, "low": None, "high": None}
    return {"value": value, "low": max(value - half, 0.0), "high": min(max(raw + half, value), 1.0)}


def _bin(probability):
    return np.clip((probability * BINS).astype(np.int64), 0, BINS - 1)
