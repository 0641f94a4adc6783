"""Estimates the target's class shares by maximum likelihood, with EM (Saerens, Latinne and Decaestecker 2002)."""

import torch

CLASSES_ONLY = True

STEPS, TOLERANCE = 100_000, 1e-10


def priors(source, labels, target):
    """q(c) <- mean over the target's rows of q(c) / p(c) P(c | x), normalised per row (eq. 2.2); p is the source's.

    p is the mean of the source's probabilities, as Alexandari et al. (2020, sec. 3) recommend.
    """
    before = source.mean(0)
    ratios = torch.where(before > 0, target / before, 0.0)
    shares = before
    for _ in range(STEPS):
        joint = shares * ratios
        found = (joint / joint.sum(1, keepdim=True)).mean(0)
        if (found - shares).abs().max() < TOLERANCE:
            return found
        shares = found
    return shares
