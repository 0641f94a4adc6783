"""Augmentation as a function of (content, seed): views are drawn on the CPU, applied in batches on the device.

A view is described in fractions of the image, so a teacher and a student of different input sizes see the same one.
It depends on nothing else, neither on the other samples nor on their order: what a network made of it stays valid when
the data grow.
"""

import math

import numpy as np
import torch
import torch.nn.functional as functional

VIEW = ("mirror", "quarter_turns", "scale", "shift_x", "shift_y", "brightness", "contrast", "angle", "stretch")
UNCHANGED = np.float32([0, 0, 1, 0, 0, 1, 1, 0, 1])
SMALLEST, LARGEST, TILT, STRETCH, SHIFT = 0.64, 1.6, math.radians(25), 1.15, 0.075  # of zoom


def view_seed(settings, seed, epoch):
    """The seed of the views that a training with `settings` and `seed` sees in `epoch`; a tuple of int.

    Fine-tuning draws again for every seed and epoch. Distillation goes round through `views` sets of views (by default
    one per epoch) that no training seed changes, so that all students share what their teacher says of them.
    """
    if settings["stage"] != "distill":
        return seed, epoch
    return (epoch % (settings["views"] or settings["epochs"]),)


def draw_views(kind, contents, seed):
    """One view per sample.

    Parameters
    ----------
    kind : 'flip' (left-right), 'dihedral' (the eight symmetries of a square; for images without an up), or 'standard'
        (flip, 70-100 % of the side at a random place, brightness and contrast by up to 20 %), or 'zoom' (64 to 160 % of the
        side, stretched by up to 15 %, tilted by up to 25 degrees, moved by up to 7.5 %; black around it)
    contents : sequence of n hex sha256, the samples' contents
    seed : sequence of int, from view_seed

    Returns
    -------
    float32 array, shape (n, len(VIEW)), or None for kind 'none'
    """
    if kind == "none":
        return None
    drawn = _uniform(contents, seed, len(VIEW))
    mirror, turns, scale, shift_x, shift_y, brightness, contrast, angle, stretch = drawn
    views = np.tile(UNCHANGED, (len(contents), 1))
    if kind == "zoom":
        views[:, 2] = SMALLEST * (LARGEST / SMALLEST) ** scale
        views[:, 3:5] = (2 * np.stack([shift_x, shift_y], 1) - 1) * 2 * SHIFT  # the side is 2 long
        views[:, 7] = (2 * angle - 1) * TILT
        views[:, 8] = STRETCH ** (2 * stretch - 1)
        return views
    views[:, 0] = mirror < 0.5
    if kind == "dihedral":
        views[:, 1] = np.floor(4 * turns)
    if kind == "standard":
        views[:, 2] = 0.7 + 0.3 * scale
        views[:, 3:5] = (2 * np.stack([shift_x, shift_y], 1) - 1) * (1 - views[:, 2:3])
        views[:, 5:7] = 0.8 + 0.4 * np.stack([brightness, contrast], 1)
    return views


def _uniform(contents, seed, count):
    """`count` numbers in [0, 1) per content, float64, shape (count, n): SplitMix64 (Steele et al. 2014), vectorised."""
    state = np.array([int(content[:16], 16) for content in contents], np.uint64)
    state ^= np.random.SeedSequence(seed).generate_state(1, np.uint64)
    bits = state + np.arange(1, count + 1, dtype=np.uint64)[:, None] * np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((bits ^ (bits >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def apply_views(pixels, views, per_band=False):
    """Apply one view to each image.

    Parameters
    ----------
    pixels : Tensor, shape (n, channels, side, side), 0 is black
    views : array from draw_views, or the same as a Tensor on the CPU; shape (n, len(VIEW))
    per_band : whether contrast is about the mean of each channel, as of bands on scales of their own, and not of all
    """
    known = np.asarray(views)  # on the CPU: a GPU need not be waited for
    lit, zoomed = (known[:, 5:7] != 1).any(), (known[:, 7:] != UNCHANGED[7:]).any()
    views = torch.as_tensor(views).to(pixels.device, non_blocking=True)
    mirror, turns, scale, shift_x, shift_y, brightness, contrast, tilt, stretch = views.unbind(1)
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
    if zoomed:
        theta[:, :, :2] = theta[:, :, :2] @ _tilted(tilt, stretch)
    # What is behind the edge is mirrored; but a smaller image has a background.
    padding = "zeros" if zoomed else "reflection"
    with torch.autocast(pixels.device.type, enabled=False):  # in bfloat16 a grid of 260 px is a quarter pixel off
        grid = functional.affine_grid(theta, list(pixels.shape), align_corners=False)
        pixels = functional.grid_sample(pixels, grid, mode="bilinear", padding_mode=padding, align_corners=False)
    if lit:
        mean = pixels.mean((2, 3) if per_band else (1, 2, 3), keepdim=True)
        pixels = (pixels - mean) * contrast.view(-1, 1, 1, 1) + mean * brightness.view(-1, 1, 1, 1)
    return pixels


def _tilted(angle, stretch):
    """Matrices that tilt by an angle in radians what is stretched along one side and squeezed along the other, (n, 2, 2)."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack(
        [torch.stack([cosine * stretch, -sine / stretch], 1), torch.stack([sine * stretch, cosine / stretch], 1)], 1
    )
