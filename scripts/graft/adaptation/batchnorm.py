"""AdaBN (Li et al. 2017): a network's BatchNorm statistics, taken from the target's rows."""

from contextlib import contextmanager

import torch
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def take_statistics(network, batches):
    """Replace the running mean and variance of each BatchNorm layer by those of the target's rows (algorithm 1).

    All other layers are in eval mode, so that dropout disturbs nothing. Batches count by their rows.

    Parameters
    ----------
    network : Module, changed in place, and left in eval mode
    batches : iterable of (inputs, number of rows), such that network(inputs) runs
    """
    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    seen = 0
    with _collecting(network, layers):
        for inputs, rows in batches:
            if rows < 2:  # torch refuses the variance of one row
                continue
            seen += rows
            for layer in layers:
                layer.momentum = rows / seen
            network(inputs)


@contextmanager
def _collecting(network, layers):
    """BatchNorm layers in train mode, with their momentum put back at the end."""
    before = [layer.momentum for layer in layers]
    network.eval()
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    try:
        yield
    finally:
        network.eval()
        for layer, momentum in zip(layers, before, strict=True):
            layer.momentum = momentum
