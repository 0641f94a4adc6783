"""How a network lies in a device's memory."""

import torch


def place(network, device, layout="channels_last"):
    """Move a network to a device and lay out its weights, and what it reads, as `layout` says ('contiguous' or not)."""
    if layout == "contiguous":
        network.register_forward_pre_hook(lambda module, inputs: tuple(map(_contiguous, inputs)))
        return network.to(device)
    return network.to(device, memory_format=torch.channels_last)


def _contiguous(inputs):
    return inputs.contiguous() if isinstance(inputs, torch.Tensor) else inputs
