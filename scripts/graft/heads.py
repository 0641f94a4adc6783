"""Linear heads on stored embeddings, solved exactly: every L2 value (and every fold) in one go.

Both solvers standardise the features, rotate them onto their principal axes, solve there, and fold the
standardisation and the rotation back, so that a head applies to the embeddings as they are. The penalty does not
change under a rotation, and in that basis a diagonal preconditioner is nearly the inverse Hessian.
"""

import torch

from graft import lbfgs
from graft.errors import UserError
from graft.lbfgs import MEMORY, ROWS

# Candidates for the L2 penalty: half decades. The loss is a mean over rows and the features are standardised, so
# the useful range hardly depends on the size of the data or on the backbone (1e-5: almost free, 100: almost constant).
L2S = tuple(10.0 ** (k / 2) for k in range(-10, 5))

# A column whose spread is below this share of the widest column's is a dead unit of the network (three of MiniLM's
# 384 are, at 1e-33 to 1e-8) and gets weight 0: scaled up, it would be noise with a weight of a million, which
# training that starts from the head would wake. Feature vectors of the user's own have units: give 0 for them.
DEAD = 1e-5

NUMBERS = 1 << 25  # float64 numbers that the solver's state may hold per batch of problems (256 MB)


def fit_logistic(
    features, labels, classes, l2s=L2S, sample_weight=None, tolerance=1e-6, max_iter=1000, dead=DEAD, unit=None
):
    """Multinomial logistic regression for all problems at once, by batched L-BFGS.

    Problem p minimises ``sum_i w[p, i] * cross_entropy_i / sum_i w[p, i] + l2s[p] / 2 * ||weights||^2`` over
    standardised features, with unpenalised biases. Against scikit-learn: ``C = 1 / (l2 * sum(w))``, and twice
    that for two classes, where scikit-learn has one weight vector and this function two.

    Parameters
    ----------
    features : array or Tensor, shape (N, D)
    labels : array or Tensor of int, shape (N,), values 0..classes-1
    classes : int
        Number of classes C.
    l2s : sequence of L floats > 0
        One penalty per problem.
    sample_weight : array or Tensor, shape (N,) or (L, N), optional
        Weight of each row, for all problems or for each; 0 leaves a row out. For k folds repeat every L2 value k
        times and give each copy the mask of its training rows. All problems share one standardisation (that of
        the rows that any problem uses), which sees no label.
    tolerance : float
        A problem is solved when its next quasi-Newton step is below this share of its largest weight (or of 1),
        on principal axes.
    max_iter : int
        At most this many steps; an unsolved problem then keeps its best weights.
    dead : float
        Columns whose spread is below this share of the widest column's get weight 0; 0 for columns with units.
    unit : Tensor of float64 > 0, shape (D,), optional
        What each column is divided by to standardise it; by default its own spread.

    Returns
    -------
    weights : Tensor of float64, shape (L, C, D)
    biases : Tensor of float64, shape (L, C), sum 0

    Raises
    ------
    UserError
        If a feature is not finite, an L2 value is not positive, or a problem has no row.
    """
    features, l2s = _checked(features, l2s)
    labels = torch.as_tensor(labels, dtype=torch.int64)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        raise ValueError(f"labels must lie in 0..{classes - 1}, got {int(labels.min())}..{int(labels.max())}")
    share = _shares(sample_weight, len(features), len(l2s))
    used = torch.ones(len(features), dtype=torch.bool) if share is None else (share > 0).any(0)
    rotated, variance, unrotate, mean = _principal(features, used, dead, unit)

    size = (len(variance) + 1) * classes
    batch = max(1, NUMBERS // (size * 2 * (MEMORY + 4) + ROWS * classes * 3))
    solved = [
        lbfgs.solve(
            rotated,
            labels,
            classes,
            variance,
            l2s[start : start + batch],
            None if share is None else share[start : start + batch],
            tolerance,
            max_iter,
        )
        for start in range(0, len(l2s), batch)
    ]
    theta = torch.cat(solved)  # (L, rank + 1, C), the last row holds the biases
    return _fold_back(theta, unrotate, mean)


def fit_ridge(features, targets, l2s=L2S, sample_weight=None, dead=DEAD, unit=None):
    """Ridge regression for all problems at once: every L2 value of a subset from one eigendecomposition.

    Problem p minimises ``sum_i w[p, i] * (target_i - prediction_i)^2 / sum_i w[p, i] + l2s[p] * ||weights||^2`` over
    standardised features, with an unpenalised intercept (scikit-learn's ``alpha`` is ``l2 * sum(w)``).

    Parameters
    ----------
    features : array or Tensor, shape (N, D)
    targets : array or Tensor of float, shape (N,) or (N, T)
    l2s : sequence of L floats > 0
    sample_weight : array or Tensor, shape (N,) or (L, N), optional
        As for `fit_logistic`, the shared standardisation included.
    dead, unit
        As for `fit_logistic`.

    Returns
    -------
    weights : Tensor of float64, shape (L, T, D)
    biases : Tensor of float64, shape (L, T)

    Raises
    ------
    UserError
        If a feature or target is not finite, an L2 value is not positive, or a problem has no row.
    """
    features, l2s = _checked(features, l2s)
    targets = torch.as_tensor(targets, dtype=torch.float64)
    targets = targets[:, None] if targets.ndim == 1 else targets
    if not torch.isfinite(targets).all():
        raise UserError("a target value is not a finite number", hint="give those rows no label")
    share = _shares(torch.ones(len(features)) if sample_weight is None else sample_weight, len(features), len(l2s))
    used = (share > 0).any(0)
    rotated, variance, unrotate, mean = _principal(features, used, dead, unit)

    theta = torch.empty(len(l2s), len(variance) + 1, targets.shape[1], dtype=torch.float64)
    subsets, subset_of = torch.unique(share, dim=0, return_inverse=True)
    for number, subset in enumerate(subsets):
        here = subset_of == number
        theta[here] = _solve_ridge(rotated, variance, targets, subset, used, l2s[here])
    return _fold_back(theta, unrotate, mean)


def _solve_ridge(rotated, variance, targets, share, used, l2s):
    """Every L2 value of one subset: shape (L, rank + 1, T), the last row holds the intercepts.

    The second moments of all used rows are known to be diag(variance), so only the rows that the subset leaves out
    (or weighs less) are looked at: they are taken off. Where there are none, nothing is left to decompose.
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


def scores(features, weights, biases):
    """Logits (or predicted values) of every head: float64, shape (L, N, C)."""
    features = torch.as_tensor(features).double()
    return torch.einsum("nd,lcd->lnc", features, weights.double()) + biases.double()[:, None]


def balanced_weights(labels, classes):
    """Sample weights that give every class present the same total: float64, shape (N,), mean 1."""
    labels = torch.as_tensor(labels, dtype=torch.int64)
    counts = torch.bincount(labels, minlength=classes).double()
    return len(labels) / ((counts > 0).sum() * counts[labels])


def _checked(features, l2s):
    features = torch.as_tensor(features)
    l2s = torch.as_tensor(l2s, dtype=torch.float64)
    if not torch.isfinite(features).all():
        row = int((~torch.isfinite(features)).any(1).nonzero()[0])
        raise UserError(f"the features of row {row} are not finite numbers", hint="look at this sample and its reader")
    if not (l2s > 0).all():
        raise UserError(f"an L2 value is {l2s.min():g}", where="l2", allowed="numbers above 0")
    return features, l2s


def _shares(sample_weight, rows, problems):
    """Weights that sum to 1 per problem, shape (problems, rows); None stands for equal weights."""
    if rows == 0:
        raise UserError("a head cannot be fitted without labelled train rows")
    if sample_weight is None:
        return None
    weight = torch.as_tensor(sample_weight, dtype=torch.float64)
    if weight.shape not in ((rows,), (problems, rows)):
        raise ValueError(f"sample_weight has shape {tuple(weight.shape)}, not ({rows},) or ({problems}, {rows})")
    total = weight.sum(-1, keepdim=True)
    if not (total > 0).all():
        raise UserError("a head cannot be fitted without train rows of positive weight")
    return (weight / total).expand(problems, rows)


def _principal(features, used, dead, unit):
    """Standardise and rotate: z = (x - mean) @ unrotate, whose second moment over the used rows is diag(variance)."""
    share = used.double() / used.sum()
    blocks = list(zip(features.split(ROWS), share.split(ROWS), strict=True))
    mean = sum(part @ rows.double() for rows, part in blocks)
    spread = sum(part @ (rows.double() - mean).square() for rows, part in blocks).sqrt()
    # A column that is constant up to float32 rounding carries no information, and scaling it up would be noise.
    constant = (spread <= 1e-6 * mean.abs()) | (spread <= dead * spread.max())
    scale = torch.where(constant, 0.0, 1 / torch.where(constant, 1.0, spread if unit is None else unit))

    rows, width = features.shape
    if rows < width:
        standard = (features.double() - mean) * scale * share.sqrt()[:, None]
        variance, left = torch.linalg.eigh(standard @ standard.T)
    else:
        moment = torch.zeros(width, width, dtype=torch.float64)
        for block, part in blocks:
            standard = (block.double() - mean) * scale * part.sqrt()[:, None]
            moment.addmm_(standard.T, standard)
        variance, axes = torch.linalg.eigh(moment)
    kept = variance > 1e-12 * variance.max().clamp_min(1e-300)
    variance = variance[kept]
    axes = standard.T @ left[:, kept] / variance.sqrt() if rows < width else axes[:, kept]

    unrotate = scale[:, None] * axes
    # Above 400 MB the rotated copy is kept in float32, like the embeddings themselves; sums stay in float64.
    dtype = torch.float64 if rows * len(variance) <= 50_000_000 else torch.float32
    rotated = torch.empty(rows, len(variance), dtype=dtype)
    for block, out in zip(features.split(ROWS), rotated.split(ROWS), strict=True):
        out.copy_((block.double() - mean) @ unrotate)
    return rotated, variance, unrotate, mean


def _fold_back(theta, unrotate, mean):
    weights = (unrotate @ theta[:, :-1]).transpose(1, 2).contiguous()
    return weights, theta[:, -1] - weights @ mean
