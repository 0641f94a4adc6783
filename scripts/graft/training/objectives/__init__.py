"""Objectives of distillation. One file per objective, found by its name.

An objective has `losses(outputs, labels, settings, class_weights, teacher)`: the loss of each sample, a Tensor of shape (n,), as
the `losses` of a kind of target, but with the teacher's logits of the batch, shape (n, classes).
"""
