"""The loss on source rows. Rows similar to the target have more weight (Sugiyama et al. 2007, You et al. 2019)."""

import numpy as np

from graft.adaptation.validators import source_losses
from graft.heads import solvers
from graft.heads.principal_axes import rotate

CLASSES_ONLY = False
REFITS = False
SEES_TARGET = True
OF_SOURCE = ("validation", "train")

L2 = 0.01  # of the classifier of domains
LARGEST = 1e3  # the largest weight: one row does not decide


def score(seen):
    """mean(w l) + eta mean(w) - eta, with the sign turned: deep embedded validation (You et al. 2019, algorithm 1).

    The weights are w = P(target | x) / P(source | x) times the ratio of the rows (eq. 8). Their mean should be 1: eta =
    -Cov(w l, w) / Var(w) takes off what the loss differs because it is not. Few rows of large weights can make that larger than all of
    the loss; then it is the weighted mean sum(w l) / sum(w).
    """
    weights, losses = density_ratios(seen), source_losses(seen)
    weighted = weights * losses
    variance = weights.var(ddof=1)
    eta = -np.cov(weighted, weights)[0, 1] / variance if variance > 0 else 0.0
    loss = weighted.mean() + eta * weights.mean() - eta
    return -float(loss if loss >= 0 else weighted.sum() / weights.sum())


def density_ratios(seen):
    """The density of the target over that of the source at the source rows, by a logistic classifier of the domains, shape (n,)."""
    domains = [seen.train_embeddings, seen.target_embeddings]
    labels = np.repeat([0, 1], [len(one) for one in domains])
    weights, biases = solvers.solve_logistic(rotate(np.concatenate(domains)), labels, 2, [L2])
    logits = solvers.outputs(seen.source_embeddings, weights[0], biases[0])
    log_odds = logits[:, 1] - logits[:, 0] + np.log(len(domains[0]) / len(domains[1]))
    return np.exp(np.minimum(log_odds, np.log(LARGEST)))
