"""How a network is run on a device: number formats, and on a CPU what is faster there than torch's own way.

`inference` and `training` give a function that opens the context for one forward pass: `with running(): network(batch)`.
"""

import logging
from contextlib import contextmanager

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


def inference(network, example, device, precision):
    """For running forward only, with fixed weights: embeddings stay within cosine 0.999 of float32.

    Parameters
    ----------
    network : Module, on `device`
    example : inputs of one sample, on `device`
    precision : 'bf16' or 'fp32'
    """
    forward = fused.Forward(fused.trace(network, example), precision) if device.type == "cpu" else None

    @contextmanager
    def running():
        table = forward.start() if forward else fused.thin_in_float32(device.type)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"), fused.Replacing(table):
            yield

    return running


def training(network, example, device, precision, frozen_batchnorm):
    """For training steps, which autocast already surrounds.

    frozen_batchnorm : whether BatchNorm keeps its statistics
    """
    table = {}
    if device.type == "cpu":
        table |= fused.Training(fused.trace(network, example), precision, frozen_batchnorm).start()
        table |= {functional.dropout: dropout, functional.scaled_dot_product_attention: plain_attention}
    return lambda: fused.Replacing(table)


def _contiguous(inputs):
    return inputs.contiguous() if isinstance(inputs, torch.Tensor) else inputs
