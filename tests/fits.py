"""Linear heads straight from features, as a lab would fit them: standardise, rotate, solve, for tests and benchmarks."""

import torch

from graft.heads import solvers
from graft.heads.principal_axes import DEAD, rotate

# Candidates for the L2 penalty: half decades. The loss is a mean over rows and the features are standardised, so
# the useful range depends little on the size of the data or on the backbone (1e-5: almost free, 100: almost constant).
L2S = tuple(10.0 ** (k / 2) for k in range(-10, 5))


def fit_logistic(features, labels, classes, l2s=L2S, sample_weight=None, dead=DEAD, unit=None, **settings):
    """Weights (L, C, D) and biases (L, C); `sample_weight` (N,) is for all penalties, (L, N) for each."""
    rotated, *subsets = rotated_for(features, sample_weight, len(l2s), dead, unit)
    return solvers.solve_logistic(rotated, labels, classes, l2s, *subsets, **settings)


def fit_ridge(features, targets, l2s=L2S, sample_weight=None, dead=DEAD):
    """The same for values: weights (L, T, D) and biases (L, T)."""
    rotated, *subsets = rotated_for(features, sample_weight, len(l2s), dead)
    return solvers.solve_ridge(rotated, targets, l2s, *subsets)


def rotated_for(features, sample_weight, problems, dead, unit=None):
    """Rotated features, weights of subsets, and the subset of each problem."""
    if sample_weight is None:
        return rotate(features, None, dead, unit), None, None
    weights = torch.atleast_2d(torch.as_tensor(sample_weight, dtype=torch.float64))
    return rotate(features, (weights > 0).any(0), dead, unit), weights, range(problems) if len(weights) > 1 else None


def scores(features, weights, biases):
    """Logits (or predicted values) of every head: float64, shape (L, N, C)."""
    features = torch.as_tensor(features).double()
    return torch.einsum("nd,lcd->lnc", features, weights.double()) + biases.double()[:, None]
