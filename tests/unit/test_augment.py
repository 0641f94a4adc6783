"""Augmentation: a function of content and seed, the same at every size, exact for the symmetries of the square."""

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torchvision.transforms import InterpolationMode
from torchvision.transforms.functional import affine

from graft.common.outputs import sha256_of
from graft.networks.augment import UNCHANGED, VIEW, apply_views, draw_views, view_seed

CONTENTS = [sha256_of(str(i)) for i in range(4000)]
FEW = CONTENTS[:64]
LEFT = [VIEW.index(name) for name in ("quarter_turns", "angle", "stretch")]  # what standard views leave as it is


@pytest.mark.parametrize("kind", ["flip", "dihedral", "standard", "zoom"])
def test_a_view_depends_on_content_and_seed_alone(kind):
    views = draw_views(kind, FEW, (1, 2))
    assert np.array_equal(views[20:10:-1], draw_views(kind, FEW[20:10:-1], (1, 2)))
    assert not np.array_equal(views, draw_views(kind, FEW, (1, 3)))


def test_views_are_spread_as_the_docs_say():
    views = draw_views("standard", CONTENTS, (0, 0)).astype(np.float64)
    mirror, turns, scale, shift_x, shift_y, brightness, contrast, *unchanged = views.T
    assert (UNCHANGED[7:] == np.array(unchanged).T).all()
    room = 1 - scale
    uniform = [(scale - 0.7) / 0.3, shift_x / room / 2 + 0.5, shift_y / room / 2 + 0.5]
    uniform += [(brightness - 0.8) / 0.4, (contrast - 0.8) / 0.4]
    steps = np.arange(len(CONTENTS)) / len(CONTENTS)
    assert all(np.abs(np.sort(one) - steps).max() < 0.03 for one in uniform)
    assert abs(mirror.mean() - 0.5) < 0.03 and not turns.any()
    symmetries = draw_views("dihedral", CONTENTS, (0, 0))[:, :2]
    _, counts = np.unique(symmetries, axis=0, return_counts=True)
    assert len(counts) == 8 and np.abs(counts / len(CONTENTS) - 1 / 8).max() < 0.02


def test_numbers_of_one_view_and_of_different_seeds_have_nothing_in_common():
    drawn = [draw_views("standard", CONTENTS, seed) for seed in [(0,), (1,), (0, 1), (1, 1)]]
    columns = np.concatenate([np.delete(views, LEFT, 1) for views in drawn], 1)
    assert np.abs(np.corrcoef(columns.T) - np.eye(columns.shape[1])).max() < 0.06


def test_fine_tuning_draws_anew_and_distillation_goes_round_whatever_the_seed():
    finetune, distill = {"stage": "finetune"}, {"stage": "distill", "epochs": 4}
    assert len({view_seed(finetune, seed, epoch) for seed in range(3) for epoch in range(4)}) == 12
    sets = [
        [view_seed(distill | {"views": k}, seed, epoch) for epoch in range(4)] for seed in (0, 7) for k in (None, 3)
    ]
    assert sets == [[(0,), (1,), (2,), (3,)], [(0,), (1,), (2,), (0,)]] * 2


def test_no_augmentation_is_no_view():
    assert draw_views("none", FEW, (0, 0)) is None


def test_dihedral_views_are_the_eight_symmetries_to_the_pixel():
    pixels = torch.rand(1, 3, 9, 9).expand(64, -1, -1, -1)
    seen = apply_views(pixels, draw_views("dihedral", FEW, (0, 0)))
    turned = [torch.rot90(pixels[0], k, (1, 2)) for k in range(4)]
    symmetries = [*turned, *(image.flip(2) for image in turned)]
    found = [[torch.allclose(image, symmetry, atol=1e-5) for symmetry in symmetries] for image in seen]
    assert all(sum(row) == 1 for row in found)
    assert all(any(column) for column in zip(*found, strict=True))


@pytest.mark.parametrize("kind", ["flip", "dihedral", "standard", "zoom"])
def test_a_teacher_and_a_student_of_different_sizes_see_the_same_view(kind):
    coarse = torch.rand(8, 3, 4, 4)
    small, large = (functional.interpolate(coarse, size, mode="bicubic", align_corners=False) for size in (32, 64))
    views = draw_views(kind, FEW[:8], (0, 0))
    shrunk = functional.interpolate(apply_views(large, views), 32, mode="area")
    assert (apply_views(small, views) - shrunk).abs().mean() < 0.02
    assert (small - shrunk).abs().mean() > 0.05


def test_zoomed_views_are_spread_as_the_docs_say():
    views = draw_views("zoom", CONTENTS, (0, 0)).astype(np.float64)
    scale, shift_x, shift_y, angle, stretch = (
        views[:, VIEW.index(name)] for name in ("scale", "shift_x", "shift_y", "angle", "stretch")
    )
    uniform = [np.log(scale / 0.64) / np.log(1.6 / 0.64), *((one / 0.15 + 1) / 2 for one in (shift_x, shift_y))]
    uniform += [(np.degrees(angle) / 25 + 1) / 2, (np.log(stretch) / np.log(1.15) + 1) / 2]
    steps = np.arange(len(CONTENTS)) / len(CONTENTS)
    assert all(np.abs(np.sort(one) - steps).max() < 0.03 for one in uniform)


def test_a_tilted_image_is_the_rotation_that_torchvision_makes_and_has_black_around_it():
    pixels = torch.rand(1, 3, 33, 33)
    seen = apply_views(pixels, one_view(angle=np.radians(20), scale=1.2))
    expected, inside = (
        affine(one, -20, [0, 0], 1 / 1.2, [0.0], interpolation=InterpolationMode.BILINEAR, fill=0)
        for one in (pixels, torch.ones_like(pixels))
    )
    assert (inside == 1).float().mean() > 0.5
    torch.testing.assert_close(seen[inside == 1], expected[inside == 1], atol=1e-3, rtol=0)
    assert not seen[0, :, 0, 0].any()


def test_a_stretched_image_is_longer_on_one_side_by_as_much_as_it_is_shorter_on_the_other():
    pixels = torch.zeros(1, 1, 64, 64)
    pixels[..., 16:48, 16:48] = 1
    seen = apply_views(pixels, one_view(stretch=1.15))[0, 0]
    assert seen[32].sum() == pytest.approx(32 / 1.15, abs=1) and seen[:, 32].sum() == pytest.approx(32 * 1.15, abs=1)


def test_standard_views_stay_inside_the_image():
    views = draw_views("standard", CONTENTS[:500], (0, 0))
    scale, shift = views[:, 2], np.abs(views[:, 3:5]).max(1)
    assert (scale + shift <= 1 + 1e-6).all() and (scale >= 0.7).all()


def test_views_are_exact_where_a_network_computes_in_bfloat16():
    pixels, views = torch.rand(64, 3, 96, 96), draw_views("standard", FEW, (0, 0))
    exact = apply_views(pixels.clone(), views)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(apply_views(pixels.clone(), views), exact)


def one_view(**own):
    return np.float32([[own.get(name, same) for name, same in zip(VIEW, UNCHANGED, strict=True)]])


def test_quarter_turns_go_one_way():
    pixels = torch.rand(1, 3, 9, 9)
    for turns in range(4):
        turned = apply_views(pixels, one_view(quarter_turns=turns))
        torch.testing.assert_close(turned, torch.rot90(pixels, turns, (2, 3)), atol=1e-5, rtol=0)


def test_brightness_scales_the_mean_and_contrast_the_distance_from_it():
    pixels = torch.rand(2, 3, 16, 16)
    lit = apply_views(pixels, np.concatenate([one_view(brightness=1.2, contrast=0.8), one_view(brightness=0.9)]))
    for before, after, brightness, contrast in zip(pixels, lit, (1.2, 0.9), (0.8, 1), strict=True):
        assert float(after.mean()) == pytest.approx(brightness * float(before.mean()), rel=1e-5)
        assert float(after.std()) == pytest.approx(contrast * float(before.std()), rel=1e-5)


def test_the_border_of_a_view_is_no_darker_than_the_image():
    views = draw_views("standard", FEW, (0, 0))
    views[:, 5:7] = 1
    torch.testing.assert_close(apply_views(torch.ones(64, 3, 12, 12), views), torch.ones(64, 3, 12, 12))


def test_contrast_and_brightness_of_bands_do_not_mix_their_scales():
    """A band of small numbers beside one of large ones: each is changed about its own mean."""
    pixels = torch.rand(5, 4, 8, 8) * torch.tensor([1e4, 1e4, 1e4, 10.0]).view(4, 1, 1)
    views = draw_views("standard", FEW[:5], (0, 0))
    views[:, :5] = UNCHANGED[:5]
    own = torch.cat([apply_views(band[:, None], views) for band in pixels.unbind(1)], 1)
    torch.testing.assert_close(apply_views(pixels, views, per_band=True), own)
    assert not torch.allclose(apply_views(pixels, views)[:, 3], own[:, 3], rtol=0.5)
