"""Trains on the surest rows of the target in each class, with the predicted label (CBST, Zou et al. 2018)."""

import torch
import torch.nn.functional as functional

CLASSES_ONLY = True
SOURCE_FREE = False

FIRST, LAST = (
    0.2,
    0.8,
)  # share of the rows predicted as a class that is taken, at the start and at the end of the training


class Objective(torch.nn.Module):
    """Cross-entropy of the rows with a pseudo-label, a mean over the batch.

    A class's threshold is the confidence that a share of the rows predicted as it reach (algorithm 2): with one threshold for
    all, the classes that are easy to move would be the only ones. The share rises with the training.
    """

    def __init__(self, sizes, settings):
        super().__init__()
        self.register_buffer("labels", torch.full((sizes.rows,), -1))
        self.register_buffer("order", torch.ones(sizes.rows))

    def look(self, embeddings, logits):
        """Note each row's predicted class, and its place among the rows of that class: 0 the surest, near 1 the last."""
        confidence, labels = logits.softmax(1).max(1)
        for label in labels.unique():
            rows = (labels == label).nonzero()[:, 0]
            surest = rows[confidence[rows].argsort(descending=True, stable=True)]
            self.order[surest] = torch.arange(len(rows), device=rows.device) / len(rows)
        self.labels.copy_(labels)

    def forward(self, pair, progress):
        share = FIRST + (LAST - FIRST) * progress
        labels = torch.where(self.order < share, self.labels, -1)[pair.target_rows]
        lost = functional.cross_entropy(pair.target_logits, labels, ignore_index=-1, reduction="sum")
        return lost / len(labels)
