"""Features standardised and turned onto their principal axes, once for all heads that are solved on them."""

from dataclasses import dataclass

import torch

from graft.common.errors import UserError
from graft.heads.lbfgs import ROWS

# A column whose spread is below this share of the widest column's is a dead unit of the network and gets weight 0:
# three of MiniLM's 384 are, at 1e-33 to 1e-8. Scaled up, it would be noise with a weight of a million, which a training
# that starts from the head would wake. Feature vectors of the user's own have units: give 0 for them.
DEAD = 1e-5
# Among columns with units, a narrow one may be measured in a large unit. What is left of a dead unit differs from it by
# its few spikes: fewer than so many rows make its spread.
SPIKES = 3


def steadied(features):
    """What to divide the columns of a network's embeddings by, which have one unit: Tensor of float64, shape (width,).

    A unit of a network that few of the rows wake has a small spread by luck. Divided by that, it outweighs all others
    in rows that wake it. So the variance of the median column is added to each column's own. Columns that are dead in
    these rows do not count for the median, since more than half of them may be dead. One that other rows wake is then
    scaled like the rest.
    """
    columns = torch.as_tensor(features).split(64, 1)  # some at a time, since their float64 copies are large
    spread = torch.cat([some.double().std(0, correction=0) for some in columns])
    living = spread[spread > DEAD * spread.max()]
    return (spread.square() + living.median().square()).sqrt() if len(living) else torch.ones_like(spread)


@dataclass(frozen=True)
class Rotated:
    """Features on their principal axes: ``values = (features - mean) @ unrotate``.

    values : Tensor, shape (N, rank); their second moments over the used rows are diag(variance)
    constant : Tensor of bool, shape (D,), columns that get weight 0
    used : Tensor of bool, shape (N,), the rows that problems may use
    """

    values: torch.Tensor
    variance: torch.Tensor
    unrotate: torch.Tensor
    mean: torch.Tensor
    constant: torch.Tensor
    used: torch.Tensor

    def fold_back(self, theta):
        """Heads of the features as they are, from heads (L, rank + 1, C) whose last row holds the biases."""
        weights = (self.unrotate @ theta[:, :-1]).transpose(1, 2).contiguous()
        return weights, theta[:, -1] - weights @ self.mean


def rotate(features, used=None, dead=DEAD, unit=None):
    """Standardise features and rotate them, once for all problems that are to be solved on them.

    Parameters
    ----------
    features : array or Tensor, shape (N, D)
    used : array of bool, shape (N,), optional
        The rows that problems may use, which give means and spreads; by default all.
    dead : float
        Columns whose spread is below this share of the widest column's get weight 0; 0 for columns with units: of these
        only the ones below DEAD whose spread fewer than 3 rows make.
    unit : Tensor of float64 > 0, shape (D,), optional
        What each column is divided by to standardise it; by default its own spread.

    Returns
    -------
    Rotated

    Raises
    ------
    UserError
        If a feature is not finite, or there is no row.
    """
    features = torch.as_tensor(features)
    if not torch.isfinite(features).all():
        row = int((~torch.isfinite(features)).any(1).nonzero()[0])
        raise UserError(f"the features of row {row} are not finite numbers", hint="look at this sample and its reader")
    used = torch.ones(len(features), dtype=torch.bool) if used is None else torch.as_tensor(used)
    if not used.any():
        raise UserError("a head cannot be fitted without train rows of positive weight")
    return Rotated(*_principal(features, used, dead, unit), used)


def _principal(features, used, dead, unit):
    """Standardise and rotate: z = (x - mean) @ unrotate, whose second moment over the used rows is diag(variance)."""
    share = used.double() / used.sum()
    blocks = list(zip(features.split(ROWS), share.split(ROWS), strict=True))
    mean = sum(part @ rows.double() for rows, part in blocks)
    spread = sum(part @ (rows.double() - mean).square() for rows, part in blocks).sqrt()
    # A column that is constant up to float32 rounding carries no information, and scaling it up would be noise.
    constant = (spread <= 1e-6 * mean.abs()) | (spread <= dead * spread.max())
    narrow = ~constant & (spread <= DEAD * spread.max())
    if narrow.any():
        fourth = sum(part @ (rows[:, narrow].double() - mean[narrow]).pow(4) for rows, part in blocks)
        constant[narrow] = used.sum() * spread[narrow].pow(4) < SPIKES * fourth
    scale = torch.where(constant, 0.0, 1 / torch.where(constant, 1.0, spread if unit is None else unit))

    rows, width = features.shape
    few = int(used.sum()) < width
    if few:  # rows that are not used would make as many eigenvalues of 0 more, at which the solver may fail
        standard = (features[used].double() - mean) * scale * share[used].sqrt()[:, None]
        variance, left = torch.linalg.eigh(standard @ standard.T)
    else:
        moment = torch.zeros(width, width, dtype=torch.float64)
        for block, part in blocks:
            standard = (block.double() - mean) * scale * part.sqrt()[:, None]
            moment.addmm_(standard.T, standard)
        variance, axes = torch.linalg.eigh(moment)
    kept = variance > 1e-12 * variance.max().clamp_min(1e-300)
    variance = variance[kept]
    axes = standard.T @ left[:, kept] / variance.sqrt() if few else axes[:, kept]

    unrotate = scale[:, None] * axes
    # Above 400 MB the rotated copy is kept in float32, like the embeddings themselves; sums stay in float64.
    dtype = torch.float64 if rows * len(variance) <= 50_000_000 else torch.float32
    rotated = torch.empty(rows, len(variance), dtype=dtype)
    for block, out in zip(features.split(ROWS), rotated.split(ROWS), strict=True):
        out.copy_((block.double() - mean) @ unrotate)
    return rotated, variance, unrotate, mean, constant
