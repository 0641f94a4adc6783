"""Means, spreads and covariances, block by block in float64, and powers of symmetric matrices."""

import torch

from graft.heads.lbfgs import ROWS


def mean_and_spread(features):
    """Mean and standard deviation of each column: two Tensors of float64, shape (width,)."""
    mean = sum(block.double().sum(0) for block in features.split(ROWS)) / len(features)
    square = sum((block.double() - mean).square().sum(0) for block in features.split(ROWS))
    return mean, (square / len(features)).sqrt()


def covariance(features, mean, unit, used):
    """The covariance of the used columns of features / unit: Tensor of float64, shape (k, k) for k used columns."""
    mean, unit = mean[used], unit[used]
    moment = torch.zeros(len(unit), len(unit), dtype=torch.float64)
    for block in features.split(ROWS):
        standard = (block[:, used].double() - mean) / unit
        moment.addmm_(standard.T, standard, alpha=1 / len(features))
    return moment


def shrunk_covariance(features, mean, spread, unit, used):
    """The same, shrunk as Ledoit and Wolf (2004) prove best: that of the standardised columns, scaled back."""
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


def power(matrix, exponent):
    """A power of a symmetric matrix that is positive up to rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-12 * values.max()) ** exponent) @ vectors.T


def principal(matrix, share):
    """The eigenvectors of a covariance, largest first, that hold a share of the variance: Tensor, shape (k, components).

    Parameters
    ----------
    share : float, at most 1. What is below 1e-12 of the largest variance is rounding, and never among them.
    """
    values, vectors = torch.linalg.eigh(matrix)
    values, vectors = values.flip(0).clamp_min(0), vectors.flip(1)
    before = (values.cumsum(0) - values) / values.sum().clamp_min(1e-300)
    return vectors[:, (before < share) & (values > 1e-12 * values[0])]
