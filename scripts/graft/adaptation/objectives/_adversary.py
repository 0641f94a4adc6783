"""The domain discriminator of DANN and CDAN, and the gradient's reversal in front of it."""

import math

import torch
from torch import nn

HIDDEN = 256
STEEPNESS = 10.0  # gamma of Ganin et al. 2016, sec. 5.2.2


class Reversed(torch.autograd.Function):
    """The identity, whose gradient is turned round and multiplied by a factor (Ganin et al. 2016, eq. 16 and 17)."""

    @staticmethod
    def forward(context, values, factor):
        context.factor = factor
        return values.view_as(values)

    @staticmethod
    def backward(context, gradient):
        return -context.factor * gradient, None


def strength(progress):
    """2 / (1 + exp(-10 progress)) - 1: the adversary's weight rises from 0 to 1 (Ganin et al. 2016, sec. 5.2.2)."""
    return 2 / (1 + math.exp(-STEEPNESS * progress)) - 1


def discriminator(width):
    """A network with two hidden layers that tells the source (1) from the target (0)."""
    return nn.Sequential(
        nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Flatten(0)
    )


def domain_loss(network, source, target, factor, weights=None):
    """The discriminator's cross-entropy, a weighted mean over the rows of both domains, behind a reversed gradient."""
    values = Reversed.apply(torch.cat([source, target]), factor)
    domain = torch.cat([values.new_ones(len(source)), values.new_zeros(len(target))])
    return nn.functional.binary_cross_entropy_with_logits(network(values), domain, weights)
