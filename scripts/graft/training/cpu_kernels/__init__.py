"""Training on a CPU in ways that are faster than torch's own; `device.cpu_kernels: false` turns them off.

The results are the same up to rounding. What they gain is in docs/benchmarks.md (P2, P3).
"""

from contextlib import nullcontext

import torch.nn.functional as functional

from graft.training.cpu_kernels import fused
from graft.training.cpu_kernels.dropout import dropout, plain_attention


def training(network, example, device, precision, frozen_batchnorm, wanted=True):
    """For training steps, which autocast already surrounds: `with running(): network(batch)`, and for judging between them.

    Parameters
    ----------
    example : inputs of one sample
    frozen_batchnorm : whether BatchNorm keeps its statistics
    wanted : what the config says under `device.cpu_kernels`; GPUs have none
    """
    if device.type != "cpu" or not wanted:
        return nullcontext
    table = fused.Training(fused.trace(network, example), precision, frozen_batchnorm).start()
    table |= {functional.dropout: dropout, functional.scaled_dot_product_attention: plain_attention}
    return lambda: fused.Replacing(table)
