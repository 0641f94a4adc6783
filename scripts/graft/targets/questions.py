"""What targets share whose outputs are logits of yes-or-no questions: several labels, and the steps of an order."""

import numpy as np
import torch
import torch.nn.functional as functional
from scipy.special import expit

from graft.heads.calibration import fit_temperature, log_loss


def losses(logits, answers, settings, class_weights=None):
    """Binary cross-entropy of each sample, summed over its answered questions and divided by all; (n, K), answers with NaN."""
    known = torch.isfinite(answers)
    each = functional.binary_cross_entropy_with_logits(
        logits, torch.where(known, answers, 0.0).to(logits.dtype), reduction="none"
    )
    return torch.where(known, each, 0.0).sum(1) / logits.shape[1]


def chance_loss(answers):
    """The loss of answering each question with the share of its yeses: entropies in nats, weighed by how many answer it."""
    known = np.isfinite(answers)
    counts = np.maximum(known.sum(0), 1)
    shares = np.clip(np.where(known, answers, 0.0).sum(0) / counts, 1e-12, 1 - 1e-12)
    entropies = -(shares * np.log(shares) + (1 - shares) * np.log(1 - shares))
    return float((entropies * known.sum(0)).sum() / known.any(1).sum() / answers.shape[1])


def fit_temperatures(logits, answers):
    """A temperature for each question (see calibration.fit_temperature), list of K floats; rows without an answer or a logit
    are left out."""
    found = []
    for own, known in zip(logits.T, answers.T, strict=True):
        rows = np.isfinite(known) & np.isfinite(own)
        found.append(fit_temperature(two_logits(own[rows]), known[rows].astype(np.int64)))
    return found


def chances_of(logits, temperatures=1.0):
    """Probabilities of a yes, float64, shape (n, K)."""
    return expit(np.asarray(logits, np.float64) / np.asarray(temperatures))


def mean_loss(logits, answers, temperatures=None):
    """The mean over the answered questions, in nats."""
    scaled = np.asarray(logits, np.float64) / np.asarray(1.0 if temperatures is None else temperatures)
    rows, places = np.nonzero(np.isfinite(answers) & np.isfinite(scaled))
    return float(log_loss(two_logits(scaled[rows, places]), answers[rows, places].astype(np.int64)).mean())


def two_logits(logits):
    """The same as logits of no and yes, shape (n, 2)."""
    return np.stack([np.zeros(len(logits)), np.asarray(logits, np.float64)], 1)
