"""Areas under the ROC and the precision-recall curve, and the influence of each row on them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Area:
    """An area and the influence of each row: mean 0; the area of a resample is near ``value + influence[rows].mean()``."""

    value: float
    influence: np.ndarray


def areas(labels, probabilities):
    """AUROC and average precision: of two classes that of the second one, else the macro average, one against the rest.

    Parameters
    ----------
    labels : array of int, shape (N,)
    probabilities : array of float, shape (N, C)

    Returns
    -------
    (Area, Area), or (None, None) if a class has no rows
    """
    rows, width = probabilities.shape
    if width < 2 or (np.bincount(labels, minlength=width) == 0).any():
        return None, None
    chosen = [1] if width == 2 else range(width)
    values, influences = np.zeros(2), np.zeros((2, rows))
    for index in chosen:
        positive = labels == index
        ranked = _Ranked(probabilities[:, index], positive)
        for place, one in enumerate((ranked.roc(), ranked.precision_recall())):
            values[place] += one.value / len(chosen)
            influences[place] += one.influence / len(chosen)
    return tuple(Area(float(value), influence) for value, influence in zip(values, influences, strict=True))


class _Ranked:
    """Scores in ascending order; equal scores form one step of both curves."""

    def __init__(self, scores, positive):
        self.order = np.argsort(scores)
        ranked = scores[self.order]
        begins = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
        ends = np.r_[begins[1:], len(ranked)]
        self.step = np.repeat(np.arange(len(begins)), ends - begins)
        self.positive = positive[self.order]
        counts = np.r_[0, np.cumsum(self.positive)]
        self.total, self.rows = counts[-1], len(ranked)
        self.below, self.upto, self.begins, self.ends = counts[begins], counts[ends], begins, ends

    def _area(self, value, influence):
        unsorted = np.empty(self.rows)
        unsorted[self.order] = influence
        return Area(float(value), unsorted)

    def roc(self):
        """Placements (DeLong et al. 1988): of a positive the share of negatives below it, of a negative the reverse."""
        negatives = self.rows - self.total
        lower = (self.begins - self.below + self.ends - self.upto) / 2 / negatives
        higher = 1 - (self.below + self.upto) / 2 / self.total
        placement = np.where(self.positive, lower[self.step], higher[self.step])
        value = placement[self.positive].mean()
        share = self.total / self.rows
        return self._area(value, (placement - value) / np.where(self.positive, share, 1 - share))

    def precision_recall(self):
        """Average precision: the mean of the precision at each positive's score.

        The derivative in a row's weight has two parts: the row's own precision, if it is positive, and what the row
        adds to or takes from the precision at all lower scores.
        """
        hits, called = self.total - self.below, self.rows - self.begins
        precision, own = hits / called, self.upto - self.below
        value = (own * precision).sum() / self.total
        raised, lowered = np.cumsum(own / called), np.cumsum(own * precision / called)
        gain = np.where(self.positive, (precision - value + raised)[self.step], 0.0) - lowered[self.step]
        return self._area(value, gain * self.rows / self.total)
