"""The linear probe: a convex head on stored embeddings, its L2 chosen by rows that the heads did not see."""

import logging
from dataclasses import dataclass

import numpy as np
import torch

from graft.heads import solvers
from graft.heads.calibration import fit_calibration, log_loss, log_shares
from graft.heads.principal_axes import DEAD, rotate

logger = logging.getLogger("graft")

VALIDATION = -2  # among the numbers of folds: the head of all train rows, which predicts the validation rows

# Exponents of L2 in half decades. The loss is a mean over rows and the features are standardised, so the best value hardly
# depends on the size of the data or on the backbone. But spectra, whose columns say nearly the same, want far less than
# embeddings. A logistic head takes more steps with a smaller penalty, so these begin with few values.
BEGIN = {"classification": (-4, 2), "regression": (-10, 4)}
LOWEST, HIGHEST = -20, 10  # below, rounding decides; above, the head is constant
BEYOND = 4  # where the value at an end wins clearly, so many more are tried beyond it
GAIN = 1e-3  # clearly: its loss is lower than its neighbour's by this share of it,
NATS = 1e-3  # and for classes also by so much: where they are separate, the loss falls towards 0 without end


def solve_probe(features, codes, splits, folds, target, settings, dead=DEAD, unit=None, refit=False, weights=None):
    """Fit the head of one target, with the L2 of the lowest loss on rows that the heads did not see.

    For each candidate there is a head of all train rows, judged by the validation rows. And for each fold there is a
    head of the train rows of the other folds, judged by the fold's rows. All these rows count equally. Logits are
    judged as they will be delivered, with a temperature of their own. Else a penalty that only makes them too flat
    would lose to one that decides worse. The heads of all candidates and folds are one batch of problems on one rotation of the
    features.

    Parameters
    ----------
    features : float array, shape (n, width); all labelled rows
    codes : array, shape (n,); class indices, or standardised values for regression
    splits : array of str, shape (n,)
    folds : array of int, shape (n,); -1 where a row has none
    target : dict of labels.json
    settings : dict with l2 (candidates or None) and class_weights
    dead : features whose spread is below this share of the widest count as constant (see principal_axes)
    unit : Tensor, shape (width,), what standardises the features; by default their own spread
    refit : whether the head is fitted again, with the L2 that was chosen, on train and validation rows
    weights : float array, shape (n,), of each row in the loss; None: all equal. What judges the L2 is not weighed

    Returns
    -------
    dict with
        "weight" (outputs, width), "bias" (outputs,) : the head
        "unseen" : heads that predict rows which they did not see: "folds" (k,), numbers of folds, "weight" (k, outputs,
            width), "bias" (k, outputs); with `refit` also the head of all train rows, as fold VALIDATION. None: no such head
        "outputs" (n, outputs) : what heads say of train and validation rows that they did not see; NaN where there is no
            such head, or it saw no row of that class
        "history" : one dict per candidate
        "l2" : the chosen one
    """
    probe = _Probe(features, codes, splits, folds, target, settings, dead, unit, refit, weights)
    tried = probe.search(settings["l2"])
    best = min(tried, key=lambda one: one.loss)
    weights, biases = best.heads
    weight, bias = probe.of_all_rows(best.l2) if refit else (weights[0], biases[0])
    first = 0 if refit else 1
    unseen = {"folds": torch.tensor(probe.numbers[first:]), "weight": weights[first:], "bias": biases[first:]}
    outputs = np.full((len(splits), best.outputs.shape[1]), np.nan)
    outputs[probe.rows] = best.outputs
    return {
        "weight": weight,
        "bias": bias,
        "unseen": unseen if len(unseen["folds"]) else None,
        "outputs": outputs,
        "history": [one.record(place + 1, one is best) for place, one in enumerate(tried)],
        "l2": best.l2,
    }


@dataclass
class _Tried:
    """A candidate: its losses, and what is needed of it if it is the best."""

    l2: float
    train_loss: float  # of train rows by the head that saw them
    val_loss: float
    loss: float  # of train and validation rows by heads that did not see them, with a temperature for all of these
    outputs: np.ndarray
    heads: tuple

    def record(self, number, best):
        """A row of the history."""
        losses = {"train_loss": self.train_loss, "val_loss": self.val_loss}
        return {"epoch": number, **losses, "stage": "probe", "l2": self.l2, "best": best, "unseen_loss": self.loss}


class _Probe:
    """The rows of a probe, rotated, and the subsets that heads are fitted on: all train rows, then without each fold."""

    def __init__(self, features, codes, splits, folds, target, settings, dead, unit, refit, weights):
        self.rows = np.flatnonzero((splits == "train") | (splits == "validation"))
        self.features, self.codes = torch.as_tensor(features[self.rows]), codes[self.rows]
        train, folds = splits[self.rows] == "train", folds[self.rows]
        numbers = np.unique(folds[train & (folds >= 0)]).tolist()
        numbers = numbers if len(numbers) > 1 else []
        self.numbers = [VALIDATION, *numbers]  # whose rows the head of each subset predicts
        self.subsets = np.stack([train, *(train & (folds != number) for number in numbers)])
        self.predicted = np.stack([~train, *(train & (folds == number) for number in numbers)])
        self.rotated = rotate(self.features, np.ones(len(train), bool) if refit else train, dead, unit)
        if (count := int(self.rotated.constant.sum())) and not dead:
            first = ", ".join(str(place + 1) for place in self.rotated.constant.nonzero()[:10, 0].tolist())
            more = ", .." if count > 10 else ""
            logger.info("%d columns say nothing over the train rows and get weight 0: number %s%s", count, first, more)
        self.weights = np.ones(len(train)) if weights is None else weights[self.rows]
        self.classes = len(target["classes"]) if target["kind"] == "classification" else None
        self.balanced = self.classes is not None and settings["class_weights"] == "balanced"
        # As the model will be delivered: class weights are removed from its probabilities.
        self.shift = log_shares(np.bincount(self.codes[train], minlength=self.classes)) if self.balanced else None

    def search(self, l2s):
        """The candidates, tried. Where none are given, the grid continues while one of its ends wins."""
        least = 0.0 if self.classes is None else NATS
        if l2s:
            tried = self.try_(l2s)
            if end := _winning_end(tried, least):
                logger.info("l2: the %s of your values wins, %g; one beyond may be better", *end)
            return tried
        low, high = BEGIN["regression" if self.classes is None else "classification"]
        tried = self.try_(_half_decades(low, high))
        while end := _winning_end(tried, least):
            below, above = max(LOWEST, low - BEYOND), min(HIGHEST, high + BEYOND)
            more = (below, low - 1) if end[0] == "lowest" else (high + 1, above)
            if more[0] > more[1]:
                break
            logger.info("l2: the %s of the values wins, %g, so values beyond are tried, too", *end)
            tried = sorted(tried + self.try_(_half_decades(*more)), key=lambda one: one.l2)
            low, high = min(low, more[0]), max(high, more[1])
        return tried

    def try_(self, l2s):
        """Solve and judge candidates, as many at a time as memory takes."""
        size = len(self.subsets) * (self.classes or 1) * self.features.shape[1]
        step = max(1, solvers.NUMBERS // size)
        return [one for start in range(0, len(l2s), step) for one in self._try(list(l2s[start : start + step]))]

    def of_all_rows(self, l2):
        """The head of train and validation rows."""
        weights, biases = self._solve([l2], np.ones((1, len(self.rows)), bool))
        return weights[0, 0], biases[0, 0]

    def _try(self, l2s):
        weights, biases = self._solve(l2s, self.subsets)
        return [self._judge(l2, *head) for l2, *head in zip(l2s, weights, biases, strict=True)]

    def _solve(self, l2s, subsets):
        """Heads of each penalty and subset: weights (L, S, outputs, width), biases (L, S, outputs)."""
        weight = subsets * self.weights
        if self.balanced:
            for row, subset in zip(weight, subsets, strict=True):
                row[subset] *= solvers.balanced_weights(self.codes[subset], self.classes).numpy()
        problems = np.repeat(l2s, len(subsets)), weight, np.tile(np.arange(len(subsets)), len(l2s))
        if self.classes is None:
            weights, biases = solvers.solve_ridge(self.rotated, self.codes, *problems)
        else:
            weights, biases = solvers.solve_logistic(self.rotated, self.codes, self.classes, *problems)
        shape = (len(l2s), len(subsets))
        return weights.unflatten(0, shape), biases.unflatten(0, shape)

    def _judge(self, l2, weights, biases):
        outputs = np.full((len(self.rows), weights.shape[1]), np.nan)
        for predicted, *head in zip(self.predicted, weights, biases, strict=True):
            outputs[predicted] = solvers.outputs(self.features[predicted], *head)
        validation, train = self.predicted[0], self.subsets[0]
        seen = solvers.outputs(self.features[train], weights[0], biases[0])
        val_loss = self._loss(outputs[validation], self.codes[validation])
        outputs[~self._fair()] = np.nan
        known = np.isfinite(outputs[:, 0])
        loss = self._calibrated_loss(outputs[known], self.codes[known]) if known.any() else val_loss
        return _Tried(l2, self._loss(seen, self.codes[train]), val_loss, loss, outputs, (weights, biases))

    def _fair(self):
        """The rows whose class was among those that the head which predicts them was fitted on."""
        fair = np.ones(len(self.rows), bool)
        if self.classes is not None:
            for predicted, subset in zip(self.predicted, self.subsets, strict=True):
                fair[predicted] = np.isin(self.codes[predicted], self.codes[subset & (self.weights > 0)])
        return fair

    def _loss(self, outputs, codes):
        if self.classes is None:
            return float(np.mean((outputs[:, 0] - codes) ** 2))
        return float(log_loss(outputs, codes, intercepts=self.shift).mean())

    def _calibrated_loss(self, outputs, codes):
        if self.classes is None:
            return self._loss(outputs, codes)
        return float(log_loss(outputs, codes, **fit_calibration(outputs, codes, self.shift)).mean())


def _winning_end(tried, least):
    """("lowest" or "highest", its L2) where that wins clearly, by more than `least`, among several candidates; else None."""
    tried = sorted(tried, key=lambda one: one.l2)
    best = min(tried, key=lambda one: one.loss)
    for name, end, neighbour in (("lowest", *tried[:2]), ("highest", *tried[:-3:-1])) if len(tried) > 1 else ():
        if best is end and neighbour.loss - end.loss > max(least, GAIN * end.loss):
            return name, end.l2
    return None


def _half_decades(low, high):
    return [10.0 ** (k / 2) for k in range(low, high + 1)]
