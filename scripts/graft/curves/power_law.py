"""POW4, the power law ``error(n) = c + (a n + b)^-d`` through a learning curve, for many curves at once.

Of the curves that were compared on hundreds of data sets, it extrapolates best (Mohr et al. 2022, LCDB). Written as
``c + A (n / scale + r)^-d``, it is linear in c and A, which are solved for each pair of a grid of r and d. From the best pair of each
curve a search goes on to its neighbours, and in steps half as long where none of these is better (Hooke and Jeeves 1961).
"""

from dataclasses import dataclass

import numpy as np

EXPONENTS = np.log(np.geomspace(0.02, 3.0, 31))  # d
OFFSETS = np.log(np.geomspace(1e-3, 3.0, 31))  # r = b / (a scale), a share of the largest measured size
ROUNDS = 60  # of the search


@dataclass(frozen=True)
class PowerLaw:
    """B curves. c, height, offset, exponent : float arrays, shape (B,); scale : float, labels"""

    c: np.ndarray
    height: np.ndarray
    offset: np.ndarray
    exponent: np.ndarray
    scale: float

    def at(self, sizes):
        """The errors at these numbers of labels, shape (B, sizes)."""
        base = np.asarray(sizes, np.float64) / self.scale + self.offset[:, None]
        return self.c[:, None] + self.height[:, None] * base ** -self.exponent[:, None]


def fit(sizes, errors, weights):
    """The curves of the least weighted squares with c >= 0 and A >= 0: errors never fall below 0, and never grow.

    Parameters
    ----------
    sizes : float array, shape (m,), numbers of labels
    errors : float array, shape (B, m), of each curve
    weights : float array, shape (m,), inverse variances
    """
    sizes, weights = np.asarray(sizes, np.float64), np.asarray(weights, np.float64) / np.sum(weights)
    errors = np.atleast_2d(errors)
    pairs = np.stack(np.meshgrid(OFFSETS, EXPONENTS), -1).reshape(1, -1, 2)  # logarithms of r and d
    lowest, highest = pairs[0, 0], pairs[0, -1]
    steps = np.array([(i, j) for i in (0, -1, 1) for j in (0, -1, 1)]) * (
        OFFSETS[1] - OFFSETS[0],
        EXPONENTS[1] - EXPONENTS[0],
    )
    length, rows = np.full((len(errors), 1, 1), 0.5), np.arange(len(errors))
    for _ in range(ROUNDS + 1):
        c, height, loss = _solve(sizes / sizes.max(), np.exp(pairs), errors, weights)
        best = loss.argmin(1)
        pair = np.broadcast_to(pairs, (*loss.shape, 2))[rows, best]
        pairs = np.clip(pair[:, None] + length * steps, lowest, highest)  # the pair itself is first
        length = np.where(best == 0, length.ravel() / 2, length.ravel())[:, None, None]
    return PowerLaw(c[rows, best], height[rows, best], *np.exp(pair).T, sizes.max())


def _solve(sizes, pairs, errors, weights):
    """c, A and the weighted squares of each curve and pair, shape (B, G): a regression on one column, both held at 0 from below.

    pairs : float array, shape (B, G, 2) or (1, G, 2), of r and d
    """
    bases = (sizes + pairs[..., :1]) ** -pairs[..., 1:]
    mean, squares, error = bases @ weights, bases**2 @ weights, (errors @ weights)[:, None]
    cross = np.einsum("bgm,bm->bg", np.broadcast_to(bases, (len(errors), *bases.shape[1:])), errors * weights)
    height = np.maximum((cross - error * mean) / np.maximum(squares - mean**2, 1e-300), 0.0)
    c = error - height * mean
    height, c = np.where(c < 0, np.maximum(cross / squares, 0.0), height), np.maximum(c, 0.0)
    loss = (errors**2 @ weights)[:, None] - 2 * (c * error + height * cross)
    return c, height, loss + c**2 + 2 * c * height * mean + height**2 * squares
