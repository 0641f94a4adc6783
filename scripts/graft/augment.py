"""Augmentation as a function of (sample, seed): views are drawn on the CPU, applied in batches on the device.

A view is described in fractions of the image, so a teacher and a student of different input sizes see the same one.
"""

import math

import numpy as np
import torch
import torch.nn.functional as functional

VIEW = ("mirror", "quarter_turns", "scale", "shift_x", "shift_y", "brightness", "contrast")
KINDS = ("none", "flip", "dihedral", "standard")


def draw_views(kind, rows, seed):
    """One view per sample.

    Parameters
    ----------
    kind : 'flip' (left-right), 'dihedral' (the eight symmetries of a square; for images without an up), or 'standard'
        (flip, 70-100 % of the side at a random place, brightness and contrast by up to 20 %)
    rows : array of int, shape (n,); the samples' indices
    seed : sequence of int, e.g. (seed, epoch)

    Returns
    -------
    float32 array, shape (n, len(VIEW)), or None for kind 'none'
    """
    if kind == "none":
        return None
    views = np.tile(np.float32([0, 0, 1, 0, 0, 1, 1]), (len(rows), 1))
    for view, row in zip(views, rows, strict=True):
        draw = np.random.default_rng([*seed, int(row)])
        view[0] = draw.integers(2)
        if kind == "dihedral":
            view[1] = draw.integers(4)
        if kind == "standard":
            view[2] = draw.uniform(0.7, 1.0)
            view[3:5] = draw.uniform(-1, 1, 2) * (1 - view[2])
            view[5:7] = draw.uniform(0.8, 1.2, 2)
    return views


def apply_views(pixels, views):
    """Apply one view to each image.

    Parameters
    ----------
    pixels : Tensor, shape (n, channels, side, side), values about 0..1
    views : array, shape (n, len(VIEW)), from draw_views
    """
    views = torch.as_tensor(views, device=pixels.device)
    mirror, turns, scale, shift_x, shift_y, brightness, contrast = views.unbind(1)
    angle = turns * (math.pi / 2)
    cosine, sine = torch.cos(angle).round(), torch.sin(angle).round()
    sign = 1 - 2 * mirror
    theta = torch.stack(
        [
            torch.stack([scale * cosine * sign, -scale * sine, shift_x], 1),
            torch.stack([scale * sine * sign, scale * cosine, shift_y], 1),
        ],
        1,
    )
    with torch.autocast(pixels.device.type, enabled=False):  # in bfloat16 a grid of 260 px is a quarter pixel off
        grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
        pixels = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="reflection", align_corners=False)
    if (brightness != 1).any() or (contrast != 1).any():
        mean = pixels.mean((1, 2, 3), keepdim=True)
        pixels = (pixels - mean) * contrast.view(-1, 1, 1, 1) + mean * brightness.view(-1, 1, 1, 1)
    return pixels
