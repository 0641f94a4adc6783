"""LogME: how probable the labels are under the best Bayesian linear model of the embeddings (You et al. 2021)."""

import numpy as np

STEPS, CLOSE = 100, 1e-6


def score(rows):
    """The evidence per row, in nats; the mean over the classes, each against the others (algorithm 1 of the paper)."""
    left, singular, _ = np.linalg.svd(rows.features, full_matrices=False)
    answers = answers_of(rows.codes, rows.kind)
    known = np.isfinite(answers).all(0)
    if not known.any():
        return None
    return float(
        np.mean([_evidence(left.T @ one, one @ one, singular**2, rows.features.shape) for one in answers.T[known]])
    )


def answers_of(codes, kind):
    """One column of numbers for each question that is asked, shape (n, questions)."""
    if kind == "multilabel":
        return codes
    if kind in ("regression", "ordinal"):
        return codes[:, None].astype(np.float64)
    return np.eye(codes.max() + 1)[codes]


def _evidence(projected, square, eigenvalues, shape):
    """The maximum over both precisions of log p(y | F) / n; Tipping's fixed point, as the authors' code computes it."""
    count, width = shape
    squares = projected**2
    outside = max(square - squares.sum(), 0.0)  # of y, what no direction of the embeddings reaches
    prior, noise = 1.0, 1.0
    for _ in range(STEPS):
        ratio = prior / noise
        effective = (eigenvalues / (eigenvalues + ratio)).sum()
        norm = (eigenvalues * squares / (eigenvalues + ratio) ** 2).sum()
        residual = (squares / (1 + eigenvalues / ratio) ** 2).sum() + outside
        prior, noise = effective / max(norm, 1e-12), (count - effective) / max(residual, 1e-12)
        if abs(prior / noise - ratio) <= CLOSE * ratio:
            break
    ratio = prior / noise
    norm = (eigenvalues * squares / (eigenvalues + ratio) ** 2).sum()
    residual = (squares / (1 + eigenvalues / ratio) ** 2).sum() + outside
    determinant = np.log(prior + noise * eigenvalues).sum() + (width - len(eigenvalues)) * np.log(prior)
    found = width * np.log(prior) + count * np.log(noise / (2 * np.pi)) - determinant - noise * residual - prior * norm
    return found / 2 / count
