"""Vectors are their own embedding. With `preprocess`, the result of its steps is the embedding."""

import torch
from torch import nn

from graft.networks.preprocessing import Preprocessing

MODALITY = "vector"


def describe(entry, folder):
    steps = entry.get("preprocess")
    preprocessing = {"steps": steps} if steps else {}
    names = "-".join(name for step in steps or () for name in step)
    return {"architecture": names or "identity", "modality": "vector", "preprocessing": preprocessing}


def build(spec, folder=None):
    return Preprocessing(spec["preprocessing"]) if spec["preprocessing"] else nn.Identity()


def take(state, spec, order):
    return {}


def example(spec):
    return torch.zeros(1, 1)
