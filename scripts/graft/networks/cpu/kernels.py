"""How a network is placed on a device and trained there; on a CPU in ways that are faster than torch's own."""

import logging
from contextlib import nullcontext

import torch
import torch.nn.functional as functional

from graft.networks.cpu import fused
from graft.networks.cpu.dropout import dropout, plain_attention

logger = logging.getLogger("graft")


def place(network, device, layout="channels_last"):
    """Move a network to a device and lay out its weights, and what it reads, as `layout` says ('contiguous' or not)."""
    if layout == "contiguous":
        network.register_forward_pre_hook(lambda module, inputs: tuple(map(_contiguous, inputs)))
        return network.to(device)
    return network.to(device, memory_format=torch.channels_last)


def compiled(model, example, device, precision):
    """`model` through torch.compile; as it is, with a line in the log, where a step on `example` fails.

    The step leaves no trace: neither gradients nor BatchNorm statistics.
    """
    fast, before = torch.compile(model), {name: value.clone() for name, value in model.state_dict().items()}
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            outputs = fast(example)
        sum(output.float().sum() for output in outputs.values()).backward()
    except Exception as error:  # any failure of the compiler: training needs none
        logger.info("torch.compile failed, training continues without it: %s", " ".join(str(error).split())[:300])
        return model
    finally:
        model.zero_grad(set_to_none=True)
        model.load_state_dict(before)
    return fast


def training(network, example, device, precision, frozen_batchnorm):
    """For training steps, which autocast already surrounds: `with running(): network(batch)`, and for judging between them.

    frozen_batchnorm : whether BatchNorm keeps its statistics
    """
    if device.type != "cpu":
        return nullcontext
    table = fused.Training(fused.trace(network, example), precision, frozen_batchnorm).start()
    table |= {functional.dropout: dropout, functional.scaled_dot_product_attention: plain_attention}
    return lambda: fused.Replacing(table)


def _contiguous(inputs):
    return inputs.contiguous() if isinstance(inputs, torch.Tensor) else inputs
