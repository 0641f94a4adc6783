"""What the optimizer does with each weight: its learning rate, the course of that, and its weight decay."""

import math
import re

import torch

POSITIONS = re.compile("pos|rel|wpe|distance")  # in the names that transformers has for tables of positions


def parameter_groups(network, settings):
    """Backbone and heads, each with and without weight decay."""
    groups, layers = {}, dict(network.named_modules())
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            lr = settings["head_lr"] if name.startswith("heads.") else settings["lr"]
            place, _, own = name.rpartition(".")
            decay = settings["weight_decay"] if decays(layers[place], place, own, parameter) else 0.0
            groups.setdefault((lr, decay), []).append(parameter)
    return [{"params": params, "lr": lr, "weight_decay": decay} for (lr, decay), params in groups.items()]


def decays(layer, place, name, parameter):
    """Whether weight decay is for a parameter, called `name` in the layer at `place`: for the weights of layers that multiply.

    Not for biases, norms, scales, the class token and what encodes positions, which no small numbers make simpler
    (timm's `no_weight_decay` lists them for its networks).
    """
    if parameter.ndim < 2 or "weight" not in name or "Norm" in type(layer).__name__:
        return False
    return not (isinstance(layer, torch.nn.Embedding) and POSITIONS.search(place.rpartition(".")[2]))


def warmup_and_cosine(steps, warmup):
    """Factor of the learning rate per step: linear up over the first `warmup` share, then half a cosine to zero."""
    up = max(1, round(steps * warmup))

    def factor(step):
        if step < up:
            return (step + 1) / up
        return 0.5 * (1 + math.cos(math.pi * (step - up) / max(1, steps - up)))

    return factor
