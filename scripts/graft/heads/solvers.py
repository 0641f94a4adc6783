"""Linear heads on stored embeddings, solved exactly: every L2 value (and every fold) in one go.

Both solvers work on standardised features, rotated onto their principal axes. Both steps are then folded back into the
head, so that it applies to the embeddings as they are. The penalty does not change under a rotation, and in that basis
a diagonal preconditioner is nearly the inverse Hessian.
"""

import numpy as np
import torch

from graft.common.errors import UserError
from graft.heads import lbfgs
from graft.heads.lbfgs import MEMORY, ROWS

NUMBERS = 1 << 25  # float64 numbers that the solver's state may hold per batch of problems (256 MB)


def solve_logistic(rotated, labels, classes, l2s, weights=None, subset_of=None, tolerance=1e-6, max_iter=1000):
    """Multinomial logistic regression for all problems at once, by batched L-BFGS.

    Problem p minimises ``sum_i w[p, i] * cross_entropy_i / sum_i w[p, i] + l2s[p] / 2 * ||weights||^2`` over
    standardised features, with unpenalised biases. Against scikit-learn: ``C = 1 / (l2 * sum(w))``, and twice
    that for two classes, where scikit-learn has one weight vector and this function two.

    Parameters
    ----------
    rotated : principal_axes.Rotated, of N rows and D columns
    labels : array or Tensor of int, shape (N,), values 0..classes-1
    classes : int, the number of classes C
    l2s : sequence of L floats > 0, one penalty per problem
    weights : array or Tensor, shape (S, N), optional
        Row weights of S subsets (train rows without a fold, say); None: all rows equal.
    subset_of : sequence of L ints, optional
        The subset of each problem.
    tolerance : float
        A problem is solved when its next quasi-Newton step is below this share of its largest weight (or of 1),
        on principal axes.
    max_iter : int
        At most this many steps; an unsolved problem then keeps its best weights.

    Returns
    -------
    weights : Tensor of float64, shape (L, C, D)
    biases : Tensor of float64, shape (L, C), sum 0

    Raises
    ------
    UserError
        If an L2 value is not positive, or a subset has no row of positive weight.
    """
    labels = torch.as_tensor(labels, dtype=torch.int64)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must be in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}")
    l2s, share = _penalties(l2s), _shares(weights)
    subset_of = torch.as_tensor(subset_of if subset_of is not None else [0] * len(l2s))
    size = (len(rotated.variance) + 1) * classes
    rows = 0 if share is None else len(labels)
    batch = max(1, NUMBERS // (size * 2 * (MEMORY + 4) + ROWS * classes * 3 + rows))
    solved = [
        lbfgs.solve(
            rotated.values,
            labels,
            classes,
            rotated.variance,
            l2s[start : start + batch],
            None if share is None else share[subset_of[start : start + batch]],
            tolerance,
            max_iter,
        )
        for start in range(0, len(l2s), batch)
    ]
    return rotated.fold_back(torch.cat(solved))


def solve_ridge(rotated, targets, l2s, weights=None, subset_of=None):
    """Ridge regression for all problems at once: every L2 value of a subset from one eigendecomposition.

    Problem p minimises ``sum_i w[p, i] * (target_i - prediction_i)^2 / sum_i w[p, i] + l2s[p] * ||weights||^2`` over
    standardised features, with an unpenalised intercept (scikit-learn's ``alpha`` is ``l2 * sum(w)``).

    Parameters
    ----------
    targets : array or Tensor of float, shape (N,) or (N, T)
    rotated, l2s, weights, subset_of : as for `solve_logistic`

    Returns
    -------
    weights : Tensor of float64, shape (L, T, D)
    biases : Tensor of float64, shape (L, T)

    Raises
    ------
    UserError
        If a target is not finite, or as for `solve_logistic`.
    """
    targets = torch.as_tensor(targets, dtype=torch.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if not torch.isfinite(targets).all():
        raise UserError("a target value is not a finite number", hint="give those rows no label")
    l2s, share = _penalties(l2s), _shares(torch.ones(1, len(targets)) if weights is None else weights)
    subset_of = torch.as_tensor(subset_of if subset_of is not None else [0] * len(l2s))
    theta = torch.empty(len(l2s), len(rotated.variance) + 1, targets.shape[1], dtype=torch.float64)
    distinct, place = torch.unique(share, dim=0, return_inverse=True)
    for number, subset in enumerate(distinct):
        here = place[subset_of] == number
        if here.any():
            theta[here] = _solve_ridge(rotated.values, rotated.variance, targets, subset, rotated.used, l2s[here])
    return rotated.fold_back(theta)


def _solve_ridge(rotated, variance, targets, share, used, l2s):
    """Every L2 value of one subset: shape (L, rank + 1, T), the last row holds the intercepts.

    The second moments of all used rows are known: diag(variance). So only what the subset leaves out (or weighs less)
    is computed, and subtracted. Where there are none, nothing is left to decompose.
    """
    intercept = share @ targets
    centre, moment = torch.zeros_like(variance), torch.zeros(len(variance), targets.shape[1], dtype=torch.float64)
    lacking = torch.where(used, share.max() - share, 0.0)
    off = torch.zeros(len(variance), len(variance), dtype=torch.float64)
    for start in range(0, len(rotated), ROWS):
        block = slice(start, start + ROWS)
        rows, part, less = rotated[block].double(), share[block], lacking[block]
        centre += part @ rows
        moment += rows.T @ (part[:, None] * (targets[block] - intercept))
        less, taken = less[less > 0], rows[less > 0]
        off.addmm_(taken.T * less, taken)
    spread = share.max() * used.sum() * variance
    if lacking.any():
        spread, axes = torch.linalg.eigh(spread.diag() - off - torch.outer(centre, centre))
        weights = axes @ (axes.T @ moment / (spread.clamp_min(0)[:, None] + l2s[:, None, None]))
    else:
        weights = moment / (spread[:, None] + l2s[:, None, None])
    return torch.cat([weights, (intercept - centre @ weights)[:, None]], 1)


def outputs(features, weight, bias):
    """Logits (or predicted values) of one head: float64 array, shape (N, C)."""
    features, weight, bias = np.asarray(features), np.asarray(weight, np.float64), np.asarray(bias, np.float64)
    found = np.empty((len(features), len(bias)))
    for start in range(0, len(features), ROWS):
        block = slice(start, start + ROWS)
        found[block] = features[block].astype(np.float64) @ weight.T + bias
    return found


def balanced_weights(labels, classes):
    """Sample weights that give every class present the same total: float64, shape (N,), mean 1."""
    labels = torch.as_tensor(labels, dtype=torch.int64)
    counts = torch.bincount(labels, minlength=classes).double()
    return len(labels) / ((counts > 0).sum() * counts[labels])


def _penalties(l2s):
    l2s = torch.as_tensor(l2s, dtype=torch.float64)
    if not (l2s > 0).all():
        raise UserError(f"an L2 value is {l2s.min():g}", where="l2", allowed="numbers above 0")
    return l2s


def _shares(weights):
    """Weights that sum to 1 per subset; None means equal weights."""
    if weights is None:
        return None
    weights = torch.as_tensor(weights, dtype=torch.float64)
    total = weights.sum(-1, keepdim=True)
    if not (total > 0).all():
        raise UserError("a head cannot be fitted without train rows of positive weight")
    return weights / total
