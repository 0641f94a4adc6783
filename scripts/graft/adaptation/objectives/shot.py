"""A second stage without source rows. The head stays. Predictions on the target become sure, over all classes (SHOT, Liang et al. 2020)."""

import torch
import torch.nn.functional as functional

from graft.adaptation.objectives import entropy

CLASSES_ONLY = True
SOURCE_FREE = True

PSEUDO = 0.3  # beta of eq. 7


class Objective(torch.nn.Module):
    """Mean entropy, less the entropy of the mean (eq. 3), plus 0.3 times the cross-entropy of pseudo-labels (eq. 7)."""

    def __init__(self, sizes, settings):
        super().__init__()
        self.register_buffer("labels", torch.zeros(sizes.rows, dtype=torch.int64))

    def look(self, embeddings, logits):
        """Pseudo-labels of all target rows."""
        self.labels.copy_(nearest_centroids(embeddings, logits.softmax(1)))

    def forward(self, pair, progress):
        logits = pair.target_logits
        mean = logits.softmax(1).mean(0)
        spread = -(mean * mean.clamp_min(1e-12).log()).sum()
        pseudo = functional.cross_entropy(logits, self.labels[pair.target_rows])
        return entropy(logits).mean() - spread + PSEUDO * pseudo


def nearest_centroids(embeddings, chances):
    """The class whose centroid is nearest by the cosine: first of all rows weighted by their chances, then of its own rows.

    A class that no row is nearest to keeps no centroid (eq. 4 to 6).

    Parameters
    ----------
    embeddings : Tensor, shape (n, width)
    chances : Tensor, shape (n, classes)

    Returns
    -------
    Tensor of int64, shape (n,)
    """
    units, weights = functional.normalize(embeddings, dim=1), chances
    for _ in range(2):
        centroids = functional.normalize(weights.T @ embeddings, dim=1)
        closeness = (units @ centroids.T).masked_fill(weights.sum(0) == 0, -2.0)
        labels = closeness.argmax(1)
        weights = functional.one_hot(labels, chances.shape[1]).to(embeddings.dtype)
    return labels
