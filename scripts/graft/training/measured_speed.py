"""How fast a backbone embeds and trains on this machine, measured on a few samples."""

import time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from graft.embedding import features
from graft.embedding.engines.torch import first_of
from graft.networks.network import Network
from graft.training import cpu_kernels
from graft.training.loop import set_train

FORWARDS, BATCH = 64, 16  # samples; few, so that a look stays a look


def spread(rows, count):
    """At most `count` rows, evenly over the table: every class and kind of file has its chance."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    return rows.iloc[places].reset_index(drop=True)


def embedding_rate(engine, inputs):
    """Samples per second, after a first pass that no one counts."""
    features.forward(engine, inputs)
    start = time.perf_counter()
    features.forward(engine, inputs)
    return len(inputs.lengths) / (time.perf_counter() - start)


def cost_of_one(network, inputs, device):
    """Operations of a forward pass of one sample of usual length, and the parameters."""
    usual = int(np.argsort(inputs.lengths)[len(inputs.lengths) // 2])
    batch = inputs.prepare(inputs.batch(np.array([usual])), device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(batch)
    return {
        "operations": counter.get_total_flops(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def training_rate(network, batch, device, precision, size, with_kernels=True):
    """Samples per second of two steps, after one that no one counts, and what a sample keeps for the backward."""
    model, kept = Network(network, {"label": 2}).to(device), []
    set_train(model, freeze_batchnorm=True)
    running = cpu_kernels.training(model, first_of(batch), device, precision, True, with_kernels)

    def keep(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"), running():
            loss = model(batch)["label"].float().logsumexp(1).mean()
        loss.backward()
        return float(loss.detach())

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    start = time.perf_counter()
    step(), step()
    return {
        "trained_per_s": 2 * size / (time.perf_counter() - start),
        "activation_bytes": sum(kept) / size,
    }
