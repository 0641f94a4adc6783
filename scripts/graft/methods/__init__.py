"""Fine-tuning methods. One file per method, found by name.

A method has `train(run) -> (history, fold_heads)`, which leaves the trained weights in `run.network`, and two constants:
`USES_FEATURES` (it needs the stored embeddings of its backbone) and `FROZEN` (the backbone keeps its weights and is not
run: the method works on `run.embeddings`).
"""

from importlib import import_module


def load(name):
    """The module of a method."""
    return import_module(f"graft.methods.{name}")
