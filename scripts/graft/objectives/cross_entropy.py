"""Cross-entropy against the labels."""

import torch.nn.functional as functional


def loss(logits, labels, settings, class_weights=None, teacher=None):
    """Mean weighted cross-entropy; logits (n, classes), labels int64 (n,)."""
    return functional.cross_entropy(logits, labels, class_weights, label_smoothing=settings["label_smoothing"])
