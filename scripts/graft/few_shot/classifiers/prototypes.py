"""Prototypical network: the class with the nearest mean support embedding (Snell et al. 2017, eq. 1 and 2)."""

import torch

from graft.few_shot.classifiers import one_hot


def fit_predict(support, support_labels, query, ways, distance="euclidean", **_):
    """Minus the squared distance to each class's prototype, or the cosine with it."""
    indicator = one_hot(support_labels, ways)
    prototypes = (indicator / indicator.sum(1, keepdim=True)).transpose(1, 2) @ support
    if distance == "cosine":
        prototypes = torch.nn.functional.normalize(prototypes, dim=-1)
        return torch.nn.functional.normalize(query, dim=-1) @ prototypes.transpose(1, 2)
    return negative_squared_distance(query, prototypes)


def negative_squared_distance(query, points):
    """-||q - p||^2 through one matrix product: shape (episodes, m, n)."""
    product = torch.baddbmm(points.square().sum(-1)[:, None], query, points.transpose(1, 2), beta=-1, alpha=2)
    return product - query.square().sum(-1, keepdim=True)
