"""Objectives of distillation. One file per objective, found by its name.

An objective has `losses(outputs, labels, settings, class_weights, teacher, share=1.0)`: the loss of each sample, a Tensor of shape
(n,), as the `losses` of a kind of target, but with the teacher's logits of the batch, shape (n, classes). Where a student learns from
rows without a label, these are in the batch, with label -1 (of questions: NaN). `share` is that of the taught rows which have a
label: what labels add to the loss is divided by it, so that its mean is over the labelled rows.
"""
