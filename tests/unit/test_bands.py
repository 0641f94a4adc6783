"""A channel is alpha only where the file says so; `bands` reads the file's own channels; others are refused by a true hint."""

import itertools
import re

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from graft.common.errors import UserError
from graft.data.images import decode, image_format, read, to_input
from tiny_data import encoded, npy, pixels, png16, prepared, tiff

EXTRA = {"unspecified": 0, "assocalpha": 1, "unassalpha": 2}


def channels(count, dtype=np.uint8):
    return np.stack([pixels(seed, channels=1, dtype=dtype) for seed in range(count)], axis=2)


def as_tiff(array, photometric, extra=None, planar=False):
    options = {"extrasamples": [extra] * (array.shape[2] - {"rgb": 3}.get(photometric, 1))} if extra else {}
    values = np.moveaxis(array, -1, 0) if planar else array
    return tiff(values, photometric=photometric, planarconfig="separate" if planar else "contig", **options)


def follow(hint, data):
    """Decode as each of the settings that a message names says; list of arrays."""
    found = [[int(number) for number in text.split(",")] for text in re.findall(r"`bands: \[([\d, ]+)\]`", hint)]
    assert found, hint
    return [(bands, decode(data, bands=bands)) for bands in found]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.int32, np.float32])
@pytest.mark.parametrize(
    ("kind", "count"),
    [*itertools.product(["minisblack", "planar", "npy"], [2, 4, 5, 9]), *itertools.product(["rgb"], [4, 5, 9])],
)
def test_channels_that_no_file_calls_alpha_are_refused_and_the_hint_reads_them(kind, count, dtype):
    array = channels(count, dtype)
    data = (
        npy(array)
        if kind == "npy"
        else as_tiff(array, "rgb" if kind == "rgb" else "minisblack", "unspecified", kind == "planar")
    )
    with pytest.raises(UserError, match=f"{count} channels") as error:
        decode(data)
    for bands, picture in follow(error.value.hint, data):
        assert (picture == array[:, :, [band - 1 for band in bands]].astype(picture.dtype)).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("extra", list(EXTRA))
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize(("photometric", "count"), [("rgb", 4), ("minisblack", 4), ("minisblack", 2)])
def test_bands_are_the_files_own_numbers_whatever_it_calls_them(photometric, count, planar, extra, dtype):
    array = channels(count, dtype)
    data = as_tiff(array, photometric, extra, planar)
    for bands in ([count, 1, 2], [count], [1]):
        assert (decode(data, bands=bands) == array[:, :, [band - 1 for band in bands]]).all()
    with pytest.raises(UserError, match=f"{count} bands, but `bands` names band 9"):
        decode(data, bands=[9])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("colours", [1, 3])
def test_alpha_that_the_file_declares_is_laid_over_white(colours, dtype):
    white = int(np.iinfo(dtype).max)
    array = np.zeros((5, 6, colours + 1), dtype)
    array[:, :3, :-1], array[:, 3:, :-1] = white // 5, white
    array[0, :, -1], array[1, :, -1], array[2:, :, -1] = white, 0, white // 3
    opaque = array[:, :, -1:] / white
    straight = array[:, :, :-1] * opaque + white * (1 - opaque)
    premultiplied = np.minimum(array[:, :, :-1] + white * (1 - opaque), white)
    photometric = "rgb" if colours == 3 else "minisblack"
    for extra, expected in (("unassalpha", straight), ("assocalpha", premultiplied)):
        picture = read(as_tiff(array, photometric, extra))
        assert picture.alpha and picture.pixels.dtype == dtype
        assert np.abs(picture.pixels.astype(float) - expected).max() <= 0.5
    png = png16(array) if dtype == np.uint16 else encoded(array)
    assert np.abs(decode(png).astype(float) - straight).max() <= 1
    assert (decode(png, bands=[1]) == array[:, :, :1]).all()
    assert (decode(png, bands=[colours + 1]) == array[:, :, -1:]).all()


def test_a_file_without_alpha_says_so():
    for data in (encoded(pixels(0)), as_tiff(channels(3), "rgb"), as_tiff(channels(3), "minisblack"), npy(channels(3))):
        assert not read(data).alpha and decode(data).shape == (12, 16, 3)


@pytest.mark.parametrize("count", [2, 4, 5])
def test_channels_of_jpeg_2000_are_bands_unless_it_defines_them_as_alpha(count):
    array = channels(count, np.uint16)
    data = imagecodecs.jpeg2k_encode(array, level=0, codecformat="jp2")
    with pytest.raises(UserError, match=f"{count} channels"):
        decode(data)
    assert (decode(data, bands=[count, 1, 2]) == array[:, :, [count - 1, 0, 1]]).all()
    with_alpha = np.dstack([channels(3), np.zeros((12, 16), np.uint8)])
    assert (decode(encoded(with_alpha, "JPEG2000")) == 255).all()
    assert (decode(encoded(with_alpha, "JPEG2000"), bands=[1, 2, 3]) == with_alpha[:, :, :3]).all()


def test_cmyk_of_16_bits_is_no_colour_with_alpha():
    with pytest.raises(UserError, match="inks .CMYK., of 16 bits"):
        decode(tiff(channels(4, np.uint16), photometric="separated", planarconfig="contig"))


FOUR = {"frames": "error", "bands": "all", "range": "measured"}


def card_of(folder, pictures, **entry):
    """The card's `image` of float images of several bands, or the words of the refusal."""
    for number, array in enumerate(pictures):
        place = folder / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.tif").write_bytes(as_tiff(array, "minisblack"))
    return prepared(folder, **{**FOUR, **entry}).card["image"]


def around(level, seed, count=4):
    draw = np.random.default_rng(seed)
    return np.float32(level + draw.normal(size=(6, 7, count)))


def test_each_band_has_a_range_that_an_image_without_it_does_not_change(tmp_path):
    pictures = [around(np.float32([10, 100, 1000, 300]), seed) for seed in range(20)]
    wanted = card_of(tmp_path / "whole", pictures)["band_ranges"]
    pictures[3][:, :, 3] = np.nan
    found = card_of(tmp_path / "part", pictures)["band_ranges"]
    assert found[:3] == wanted[:3] and found[3] == pytest.approx(wanted[3], abs=4)


def test_a_band_that_is_never_measured_is_named(tmp_path):
    pictures = [around(300, seed) for seed in range(20)]
    for one in pictures:
        one[:, :, 1] = np.nan
    with pytest.raises(UserError, match="measured pixel in band 2"):
        card_of(tmp_path, pictures)


@pytest.mark.parametrize(("count", "channels"), [(3, 1), (4, 3), (4, 5), (2, 1)])
def test_an_image_of_other_bands_than_its_data_set_is_refused(tmp_path, count, channels):
    form = image_format({"image": card_of(tmp_path, [around(5, seed, count) for seed in range(20)])})
    square = {"size": 8, "fit": "pad", "crop": 1.0, "interpolation": "bilinear"}
    assert to_input(around(5, 50, count), form, square).shape == (8, 8, count)
    with pytest.raises(UserError, match=f"an image of {channels} bands in a data set of {count}"):
        to_input(around(5, 50, channels), form, square)


def test_all_bands_of_a_palette_are_its_colours(tmp_path):
    image = Image.fromarray(pixels(0)).quantize(8)
    files = [tmp_path / "p.tif", tmp_path / "p.png"]
    for path in files:
        image.save(path)
        assert (decode(path.read_bytes(), bands="all") == np.asarray(image.convert("RGB"))).all()


def test_values_beyond_a_range_that_is_given_are_said_of_bands_too(tmp_path):
    for number in range(20):
        place = tmp_path / "ab"[number % 2]
        place.mkdir(exist_ok=True)
        (place / f"{number}.tif").write_bytes(as_tiff(around(np.float32([10, 100, 1000, 300]), number), "minisblack"))
    notes = prepared(tmp_path, **FOUR | {"range": [0, 500]}).card["notes"]
    assert any("about 25.00% of the pixels" in note for note in notes)
