"""What is minimised. One file per objective, found by name: a class with (settings, ...) and `loss(logits, targets)`."""

from importlib import import_module


def load(name):
    """The module of an objective."""
    return import_module(f"graft.objectives.{name}")
