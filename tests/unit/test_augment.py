"""Augmentation: a function of sample and seed, the same at every size, exact for the symmetries of the square."""

import numpy as np
import pytest
import torch
import torch.nn.functional as functional

from graft.augment import KINDS, apply_views, draw_views

ROWS = np.arange(64)


@pytest.mark.parametrize("kind", ["flip", "dihedral", "standard"])
def test_a_view_depends_on_sample_and_seed_alone(kind):
    views = draw_views(kind, ROWS, (1, 2))
    assert np.array_equal(views[10:20], draw_views(kind, ROWS[10:20], (1, 2)))
    assert not np.array_equal(views, draw_views(kind, ROWS, (1, 3)))


def test_no_augmentation_is_no_view():
    assert draw_views("none", ROWS, (0, 0)) is None and "none" in KINDS


def test_dihedral_views_are_the_eight_symmetries_to_the_pixel():
    pixels = torch.rand(1, 3, 9, 9).expand(64, -1, -1, -1)
    seen = apply_views(pixels, draw_views("dihedral", ROWS, (0, 0)))
    turned = [torch.rot90(pixels[0], k, (1, 2)) for k in range(4)]
    symmetries = [*turned, *(image.flip(2) for image in turned)]
    found = [[torch.allclose(image, symmetry, atol=1e-5) for symmetry in symmetries] for image in seen]
    assert all(sum(row) == 1 for row in found)
    assert all(any(column) for column in zip(*found, strict=True))


@pytest.mark.parametrize("kind", ["flip", "dihedral", "standard"])
def test_a_teacher_and_a_student_of_different_sizes_see_the_same_view(kind):
    coarse = torch.rand(8, 3, 4, 4)
    small, large = (functional.interpolate(coarse, size, mode="bicubic", align_corners=False) for size in (32, 64))
    views = draw_views(kind, ROWS[:8], (0, 0))
    shrunk = functional.interpolate(apply_views(large, views), 32, mode="area")
    assert (apply_views(small, views) - shrunk).abs().mean() < 0.02
    assert (small - shrunk).abs().mean() > 0.05


def test_standard_views_stay_inside_the_image():
    views = draw_views("standard", np.arange(500), (0, 0))
    scale, shift = views[:, 2], np.abs(views[:, 3:5]).max(1)
    assert (scale + shift <= 1 + 1e-6).all() and (scale >= 0.7).all()


def test_views_are_exact_where_a_network_computes_in_bfloat16():
    pixels, views = torch.rand(64, 3, 96, 96), draw_views("standard", ROWS, (0, 0))
    exact = apply_views(pixels.clone(), views)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apply_views(pixels.clone(), views), exact)
