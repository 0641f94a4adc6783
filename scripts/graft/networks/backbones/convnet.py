"""A small convolutional network without pretrained weights, for small images and for trials.

`architecture: 32-64-128` says the channels of each layer. With `grey-` in front of them the network takes the mean of the colours:
three that are alike would let the first layer learn three times as fast as the others.
"""

import re

import torch
from torch import nn

from graft.common.errors import UserError
from graft.networks.backbones import image_preprocessing
from graft.networks.own_training import network_in
from graft.networks.weights import take as take_strictly

MODALITY = "image"
DEFAULTS = {"size": 32, "mean": 0.5, "std": 0.5, "interpolation": "bilinear", "fit": "squash", "crop": 1.0}
ARCHITECTURE = "32-64-128"


def describe(entry, folder):
    name = entry.get("architecture") or ARCHITECTURE
    if not re.fullmatch(r"(grey-)?[1-9]\d{0,3}(-[1-9]\d{0,3}){0,7}", name):
        raise UserError(
            f"'{name}' does not say the channels of each layer",
            where="architecture",
            allowed=f"such as {ARCHITECTURE} or grey-{ARCHITECTURE}",
        )
    return {
        "architecture": name,
        "modality": "image",
        "licence": None,
        "preprocessing": image_preprocessing(entry, DEFAULTS),
    }


def build(spec, folder=None):
    """Per layer a convolution of 3 x 3, BatchNorm, ReLU and the largest of 2 x 2; then the mean over the image."""
    *grey, widths = re.split(r"(?<=grey)-", spec["architecture"])
    layers, before = ([Grey()], 1) if grey else ([], 3)
    for width in map(int, widths.split("-")):
        convolution = nn.Conv2d(before, width, 3, padding=1, bias=False)
        layers += [convolution, nn.BatchNorm2d(width), nn.ReLU(), nn.MaxPool2d(2, ceil_mode=True)]
        before = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Grey(nn.Module):
    """The mean of the colours, shape (n, 1, side, side)."""

    def forward(self, pixels):
        return pixels.mean(1, keepdim=True)


def take(state, spec, order):
    full = build(spec).state_dict()
    return take_strictly(state if order else network_in(state, full, set()), full, set(), order)


def example(spec):
    size = spec["preprocessing"]["size"]
    return torch.zeros(1, 3, size, size)
