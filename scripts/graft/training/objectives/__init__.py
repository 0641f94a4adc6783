"""Objectives of distillation. One file per objective, found by its name, with a `loss` as those of training/losses.py.

`teacher` holds the teacher's logits of the batch, shape (n, classes).
"""
