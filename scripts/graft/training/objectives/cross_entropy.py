"""Cross-entropy against the labels."""

import torch.nn.functional as functional

from graft.training.objectives import weighted_mean


def loss(logits, labels, settings, class_weights=None, teacher=None):
    """Mean of the samples' cross-entropies, each times its class's weight; logits (n, classes), labels int64 (n,)."""
    losses = functional.cross_entropy(logits, labels, label_smoothing=settings["label_smoothing"], reduction="none")
    return weighted_mean(losses, labels, class_weights)
