"""`linear` on labelled embeddings aligned with the pool's: for a new instrument or site (CORAL, Sun et al. 2016).

Correlation alignment (Sun, Feng and Saenko 2016, algorithm 1): the embeddings of the labelled rows (the source domain)
get the means and the covariance of those of the pool (the target domain: rows without a label, such as a new
instrument's or site's), and the head is solved on these. It acts on the target's embeddings as they are.

Train and validation rows are of the source: the L2 and the temperature are chosen on aligned rows, and heads that contain
the alignment predict them, the out-of-fold ones train rows, a copy of the model's own the validation rows. Give test rows of
the target domain, by your split column: they, like all rows that are predicted, are taken as they are. Test rows that were
drawn from the labelled rows are of the source, and have no metrics (see predict).
"""

import logging
from dataclasses import replace

import torch

from graft.common.errors import UserError
from graft.heads.lbfgs import ROWS
from graft.heads.probe import VALIDATION

USES_FEATURES = True
USES_POOL = True
FROZEN = True

logger = logging.getLogger("graft")


def train(trainer):
    """Align the train and validation embeddings with the pool's, then solve the linear probe on them."""
    data = trainer.data
    if data.pool is None or len(data.pool_embeddings) < 2:
        raise UserError(
            "the data set has no pool, and coral aligns the labelled rows with one",
            where=data.settings["name"],
            allowed="at least 2 rows without a label, of the domain that the model is for",
            hint="add rows of the new instrument or site without labels; without a new domain use `method: linear`",
        )
    source, target = torch.from_numpy(data.embeddings), torch.from_numpy(data.pool_embeddings)
    matrix, shift, unit = align(source[data.places("train")], target, data.dead)
    logger.info("aligning %d labelled rows with the %d of the pool", len(source), len(target))
    # The temperature, too, is fitted on aligned rows, so that it suits rows of the target domain.
    trained = trainer.probe(embeddings=moved(source, matrix, shift).numpy(), unit=unit)
    heads = {name: _before_alignment(_with_own(trained, name), matrix, shift) for name in data.targets}
    return replace(trained, fold_heads=heads)


def align(source, target, dead):
    """The map `x @ matrix + shift` that gives the source the means and the covariance of the target.

    Covariances are shrunk as Ledoit and Wolf (2004) prove best, and taken in units of each column's spread over both
    domains, so that the units of the columns don't matter.

    Parameters
    ----------
    source, target : Tensor of float, shape (n, width), (m, width)
    dead : float, columns whose spread is below this share of the widest column's are constant (see heads)

    Returns
    -------
    matrix (width, width), shift (width,), and the columns' spread over both domains (width,); all of float64
    """
    mean, spread = _moments(source)
    target_mean, target_spread = _moments(target)
    share = len(source) / (len(source) + len(target))
    apart = share * (1 - share) * (mean - target_mean).square()
    unit = (share * spread.square() + (1 - share) * target_spread.square() + apart).sqrt()
    used = (unit > dead * unit.max()) & (unit > 1e-6 * target_mean.abs())
    whiten = _power(_covariance(source, mean, spread, unit, used), -0.5)
    colour = _power(_covariance(target, target_mean, target_spread, unit, used), 0.5)
    matrix = torch.zeros(len(unit), len(unit), dtype=torch.float64)
    matrix[used.nonzero(), used.nonzero().T] = whiten @ colour / unit[used, None] * unit[used]
    return matrix, target_mean - mean @ matrix, torch.where(used, unit, 1.0)


def moved(features, matrix, shift):
    """`features @ matrix + shift`, computed in float64; float32, shape (n, width)."""
    return torch.cat([(block.double() @ matrix + shift).float() for block in features.split(ROWS)])


def _moments(features):
    """Mean and standard deviation of each column, in float64."""
    mean = sum(block.double().sum(0) for block in features.split(ROWS)) / len(features)
    square = sum((block.double() - mean).square().sum(0) for block in features.split(ROWS))
    return mean, (square / len(features)).sqrt()


def _covariance(features, mean, spread, unit, used):
    """The shrunk covariance of the used columns of features / unit: that of the standardised ones, scaled back."""
    mean, spread, unit = mean[used], spread[used], unit[used]
    rows, width = len(features), len(unit)
    spread = torch.where(spread > 1e-6 * unit, spread, unit)  # constant in this domain
    moment, fourth = torch.zeros(width, width, dtype=torch.float64), 0.0
    for block in features.split(ROWS):
        standard = (block[:, used].double() - mean) / spread
        moment.addmm_(standard.T, standard, alpha=1 / rows)
        fourth += standard.square().sum(1).square().sum() / rows  # sums every product of two squared columns
    average = moment.trace() / width
    noise = (fourth - moment.square().sum()) / (rows * width)
    far = moment.square().sum() / width - average**2
    shrinkage = (noise / far.clamp_min(1e-300)).clamp(0, 1)
    moment *= 1 - shrinkage
    moment.diagonal().add_(shrinkage * average)
    scale = spread / unit
    return scale[:, None] * moment * scale


def _power(matrix, exponent):
    """A power of a symmetric matrix that is positive up to rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-12 * values.max()) ** exponent) @ vectors.T


def _with_own(trained, target):
    """The heads of a target's folds, and before them the model's own as the one that predicts validation rows."""
    own, found = trained.network.heads[target], trained.fold_heads.get(target)
    heads = {
        "folds": torch.tensor([VALIDATION]),
        "weight": own.weight.detach().cpu()[None],
        "bias": own.bias.detach().cpu()[None],
    }
    return {key: torch.cat([one, found[key]]) if found else one for key, one in heads.items()}


def _before_alignment(head, matrix, shift):
    """The head of aligned embeddings as one of the embeddings before; weight (folds, outputs, width) and bias."""
    weight, bias = head["weight"].double(), head["bias"].double()
    return {**head, "weight": (weight @ matrix.T).float(), "bias": (bias + weight @ shift).float()}
