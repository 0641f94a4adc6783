"""Decoding keeps what a file holds; fitting keeps the dtype and costs no memory for odd shapes."""

import io
import struct
import tracemalloc
import zlib

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from graft.common.errors import UserError
from graft.data.images import decode, facts, fit, read
from tiny_data import encoded, npy, pixels, png16, tiff


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_eight_bit_images_come_back_bit_for_bit(kind, channels):
    array = pixels(0, channels=channels)
    out = decode(encoded(array, kind))
    assert out.dtype == np.uint8
    assert out.shape == (12, 16, channels)
    assert (out.squeeze() == array).all()


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bit_images_keep_all_their_bits(channels):
    array = pixels(0, channels=3, dtype=np.uint16)[:, :, :channels]
    photometric = "rgb" if channels == 3 else "minisblack"
    for data in (png16(array), tiff(array.squeeze(), photometric=photometric)):
        out = decode(data)
        assert out.dtype == np.uint16
        assert (out == array).all()
    deflated = tiff(array.squeeze(), photometric=photometric, compression="zlib", predictor=True)
    assert (decode(deflated) == array).all()


def test_sixteen_bit_colour_png_is_read_the_same_when_the_file_holds_other_chunks():
    array = pixels(1, channels=3, dtype=np.uint16)
    data = png16(array)
    text = b"tEXtkey\0value"
    chunk = struct.pack(">I", len(text) - 4) + text + struct.pack(">I", zlib.crc32(text))
    assert (decode(data[:33] + chunk + data[33:]) == array).all()


def test_planar_and_big_endian_tiff_are_read():
    array = pixels(2, channels=3, dtype=np.uint16)
    planar = tiff(np.moveaxis(array, -1, 0), photometric="rgb", planarconfig="separate")
    assert (decode(planar) == array).all()
    assert (decode(tiff(array, photometric="rgb", byteorder=">")) == array).all()


def test_white_is_zero_tiff_is_turned_round():
    array = pixels(3, channels=1, dtype=np.uint16)
    assert (decode(tiff(array, photometric="miniswhite")).squeeze() == 65535 - array).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_is_zero_keeps_its_depth_where_pixels_were_not_measured(dtype):
    array = pixels(3, channels=1, dtype=dtype)
    array[:, :5] = 0
    out = decode(tiff(array, photometric="miniswhite", extratags=[(42113, 2, 0, "0", True)]))
    assert out.dtype == dtype
    assert (np.ma.getmaskarray(out)[:, :, 0] == (array == 0)).all()
    assert (out[:, :, 0] == np.iinfo(dtype).max - array).all()


@pytest.mark.parametrize("dtype", [np.uint32, np.int16, np.int32, np.float32])
def test_white_is_zero_is_refused_where_nothing_says_what_black_is_and_the_hint_reads_the_numbers(dtype):
    array = pixels(3, channels=1).astype(dtype)
    with pytest.raises(UserError, match=f"white is 0, of type {np.dtype(dtype)}") as error:
        decode(tiff(array, photometric="miniswhite"))
    assert "`bands: [1]`" in error.value.hint
    assert (decode(tiff(array, photometric="miniswhite"), bands=[1])[:, :, 0] == array).all()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16])
def test_floats_and_signed_integers_become_float32(dtype):
    array = (pixels(4, channels=1, dtype=np.float32) * 100 - 50).astype(dtype)
    out = decode(tiff(array))
    assert out.dtype == np.float32
    assert (out.squeeze() == array.astype(np.float32)).all()


def test_integers_of_more_than_16_bits_are_exact_and_told_from_floats():
    for dtype in (np.int32, np.uint32, np.int64, np.uint64):
        for top in (60_000, 1_000_000):
            array = np.full((4, 4), top, dtype)
            for data in (tiff(array), npy(array)):
                picture = read(data)
                assert (picture.pixels == top).all() and picture.pixels.dtype == np.float32
                assert facts(picture)["dtype"] == "int32"
    assert facts(read(tiff(np.ones((4, 4), np.float32))))["dtype"] == "float32"
    assert facts(read(tiff(np.ones((4, 4), np.int16))))["dtype"] == "float32"


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("compression", ["lzw", "deflate", "zstd", "packbits"])
def test_compressed_tiff_is_read_grey_and_in_colour_in_every_depth(compression, channels, dtype):
    array = pixels(5, channels=3, dtype=dtype)[:, :, :channels]
    photometric = "rgb" if channels == 3 else "minisblack"
    for predictor in (False, True):
        file = tiff(array.squeeze(), photometric=photometric, compression=compression, predictor=predictor)
        out = decode(file)
        assert out.dtype == dtype
        assert (out == array).all()
        assert (decode(file, bands=[1]) == array[:, :, :1]).all()


@pytest.mark.parametrize("compression", ["jpeg2000", "jpegxl", "jpegxr", "png", "lerc", "webp"])
def test_a_tiff_of_8_bits_is_read_in_every_code_in_which_its_bands_are(compression):
    file = tiff(pixels(5), photometric="rgb", compression=compression)
    assert (decode(file) == decode(file, bands=[1, 2, 3])).all()
    assert decode(file).dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_tiff_that_is_cut_off_is_said_to_be(dtype, compression):
    file = tiff(pixels(5, 64, 64, 1, dtype), compression=compression)
    with pytest.raises(UserError, match="cut off") as error:
        decode(file[: len(file) - 500])
    assert "copy or write it again" in error.value.hint
    assert decode(file).shape == (64, 64, 1)


def test_colour_of_16_bits_is_kept_in_jpeg_2000_and_ppm():
    array = pixels(5, channels=3, dtype=np.uint16)
    ppm = b"P6\n# written by a camera\n16 12\n65535\n" + array.astype(">u2").tobytes()
    for data in (imagecodecs.jpeg2k_encode(array, level=0), ppm):
        assert decode(data).dtype == np.uint16
        assert (decode(data) == array).all()
        with pytest.raises(UserError):
            decode(data[: len(data) // 2])
    assert (decode(b"P5 16 12 1000 " + array[:, :, 0].astype(">u2").tobytes())[:, :, 0] == array[:, :, 0]).all()
    assert (decode(b"P5 16 12 255 " + array[:, :, 0].astype(np.uint8).tobytes())[:, :, 0] == array[:, :, 0] % 256).all()


@pytest.mark.parametrize("top", [1023, 4095, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_pgm_and_ppm_keep_their_numbers_written_as_text_or_as_bytes(top, channels):
    array = np.minimum(pixels(7, channels=3, dtype=np.uint16)[:, :, :channels], top)
    text = b" ".join(b"%d" % value for value in array.ravel()).replace(b" ", b" # a remark\n", 1)
    for kind, body in ((b"P2" if channels == 1 else b"P3", text), (b"P5" if channels == 1 else b"P6", None)):
        data = kind + b"\n# written by a camera\n16 12\n%d\n" % top + (body or array.astype(">u2").tobytes())
        assert decode(data).dtype == np.uint16
        assert (decode(data) == array).all()
        assert (decode(data, bands=[channels]) == array[:, :, channels - 1 :]).all()
        with pytest.raises(UserError, match="truncated"):
            decode(data[: len(data) // 2])
    for wrong in (b"-1", b"70000", b"x"):
        with pytest.raises(UserError, match="damaged"):
            decode(b"P2 2 1 65535 1 " + wrong)


def test_floats_of_a_pfm_are_kept():
    array = pixels(8, channels=1, dtype=np.float32) * 5000 - 100
    data = b"Pf\n16 12\n-1.0\n" + array[::-1].tobytes()
    for out in (decode(data), decode(data, bands=[1])):
        assert out.dtype == np.float32
        assert (out[:, :, 0] == array).all()


def test_an_avif_of_more_than_8_bits_is_refused_and_the_hint_keeps_its_numbers():
    array = pixels(9, 32, 32, dtype=np.uint16) % 1024
    for bits in (10, 12):
        with pytest.raises(UserError, match="AVIF of 10 or 12 bits") as error:
            decode(imagecodecs.avif_encode(array, level=100, bitspersample=bits, speed=8))
        assert "16-bit PNG" in error.value.hint
    assert (decode(png16(array)) == array).all()
    assert decode(imagecodecs.avif_encode(array.astype(np.uint8), speed=8)).dtype == np.uint8


@pytest.mark.parametrize(
    ("mode", "channels"), [("1", 1), ("L", 1), ("LA", 1), ("P", 3), ("RGB", 3), ("RGBA", 3), ("CMYK", 3), ("YCbCr", 3)]
)
def test_every_mode_becomes_grey_or_rgb(mode, channels):
    file = io.BytesIO()
    Image.fromarray(pixels(6)).convert(mode).save(file, format="JPEG" if mode == "YCbCr" else "TIFF")
    out = decode(file.getvalue())
    assert out.dtype == np.uint8
    assert out.shape == (12, 16, channels)


def test_transparent_pixels_are_white_and_half_transparent_ones_mixed():
    array = np.zeros((1, 3, 4), np.uint8)
    array[0, :, 3] = [0, 128, 255]
    assert decode(encoded(array))[0, :, 0].tolist() == [255, 127, 0]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    file = io.BytesIO()
    palette.save(file, format="PNG", transparency=0)
    assert decode(file.getvalue())[0].tolist() == [[255, 255, 255], [40, 50, 60]]
    deep = np.zeros((1, 2, 4), np.uint16)
    deep[0, :, 3] = [0, 65535]
    assert decode(png16(deep))[0, :, 0].tolist() == [65535, 0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_exif_orientation_is_applied(orientation):
    upright = Image.fromarray(pixels(7, channels=1))
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if back is None else upright.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    stored.save(file, format="PNG", exif=exif)
    assert (decode(file.getvalue()).squeeze() == np.asarray(upright)).all()
    deep = np.asarray(stored).astype(np.uint16) * 257
    tagged = tiff(deep, extratags=[(274, 3, 1, orientation, True)])
    assert (decode(tagged).squeeze() == np.asarray(upright).astype(np.uint16) * 257).all()


def test_numbers_of_24_bits_are_refused_and_the_hint_works():
    array = pixels(0, channels=1, dtype=np.uint16).astype(np.uint32) * 200
    data = tiff(array).replace(struct.pack("<HHIHH", 258, 3, 1, 32, 0), struct.pack("<HHIHH", 258, 3, 1, 24, 0))
    for bands in (None, [1]):
        with pytest.raises(UserError, match="24 bits per number") as error:
            decode(data, bands=bands)
    assert error.value.hint == "save it with 32 bits"
    assert (decode(tiff(array)).squeeze() == array).all()


@pytest.mark.parametrize("index", [np.uint8, np.uint16])
@pytest.mark.parametrize("longest", [255, 65535])
def test_a_palette_has_the_colours_that_it_was_given_whether_they_go_to_255_or_to_65535(index, longest):
    colours = np.random.default_rng(0).integers(0, 256, (3, np.iinfo(index).max + 1), dtype=np.uint16)
    array = pixels(0, channels=1, dtype=index)
    out = decode(tiff(array, photometric="palette", colormap=colours * (longest // 255)))
    wanted = np.moveaxis(colours[:, array], 0, -1)
    deep = index == np.uint16 and longest == 65535
    assert out.dtype == (np.uint16 if deep else np.uint8)
    assert (out == wanted * (257 if deep else 1)).all()


@pytest.mark.parametrize(
    ("photometric", "channels", "dtype"),
    [("cielab", 3, np.uint16), ("icclab", 3, np.uint8), ("ycbcr", 3, np.uint16), ("separated", 4, np.uint16)],
)
def test_colours_that_are_no_red_green_and_blue_are_refused_and_both_hints_work(photometric, channels, dtype):
    array = pixels(0, channels=channels, dtype=dtype)
    data = tiff(array, photometric=photometric)
    with pytest.raises(UserError, match="a TIFF of ") as error:
        decode(data)
    assert error.value.hint.startswith("save it as RGB; or `bands: [1, 2, 3]`")
    assert (decode(data, bands=[1, 2, 3]) == array[:, :, :3]).all()
    assert (decode(tiff(array[:, :, :3], photometric="rgb")) == array[:, :, :3]).all()


def test_a_numpy_file_is_an_image_too():
    array = pixels(8, channels=1, dtype=np.float32)
    assert (decode(npy(array)).squeeze() == array).all()


def test_the_first_frame_is_taken_where_asked():
    frames = [Image.fromarray(pixels(i)) for i in range(3)]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        file = io.BytesIO()
        frames[0].save(file, format=kind, save_all=True, append_images=frames[1:], lossless=True)
        assert decode(file.getvalue(), frames="first").shape == (12, 16, 3)
    stack = np.stack([pixels(i, channels=1, dtype=np.uint16) for i in range(3)])
    for options in ({}, {"imagej": True}):
        first = decode(tiff(stack, photometric="minisblack", **options), frames="first")
        assert (first.squeeze() == stack[0]).all()


def test_a_photograph_with_a_preview_is_one_image():
    file = io.BytesIO()
    Image.fromarray(pixels(0)).save(file, format="MPO", save_all=True, append_images=[Image.fromarray(pixels(1))])
    assert decode(file.getvalue()).shape == (12, 16, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 10_000), (10_000, 1), (7, 3), (3, 500)])
@pytest.mark.parametrize("mode", ["crop", "squash", "pad"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_shape_fits_in_little_memory(shape, mode, dtype):
    array = pixels(9, *shape, channels=3, dtype=dtype)
    tracemalloc.start()
    out = fit(array, 32, mode)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert out.shape == (32, 32, 3)
    assert out.dtype == dtype
    assert peak < 2_000_000


def test_fitting_keeps_a_constant_image_constant_in_every_dtype():
    for dtype, value in ((np.uint8, 200), (np.uint16, 40_000), (np.float32, -3.25)):
        array = np.full((50, 31, 1), value, dtype)
        for mode in ("crop", "squash"):
            assert np.allclose(fit(array, 20, mode, crop=0.9), value, atol=1e-4)


def test_sixteen_bit_edges_do_not_wrap_round():
    array = np.zeros((64, 64, 1), np.uint16)
    array[:, 32:] = 65535
    out = fit(array, 24)
    assert out[:, :11].max() < 8000
    assert out[:, 13:].min() > 57_000


def test_crop_takes_the_middle_and_pad_keeps_everything():
    array = np.zeros((20, 60, 1), np.uint8)
    array[:, 20:40] = 255
    assert fit(array, 20, "crop").min() == 255
    padded = fit(array, 60, "pad", interpolation="nearest")
    assert (padded[20:40] == array).all()
    assert padded[:20].max() == padded[40:].max() == 0


def test_fit_agrees_with_the_libraries_own_resize_and_centre_crop():
    from torchvision.transforms import functional as T

    image = Image.fromarray(pixels(10, 90, 120))
    theirs = T.center_crop(T.resize(image, 48, T.InterpolationMode.BICUBIC), [40, 40])
    ours = fit(np.asarray(image), 40, "crop", crop=40 / 48)
    assert np.abs(ours.astype(int) - np.asarray(theirs).astype(int)).mean() < 2


def test_facts_tell_size_depth_range_and_what_the_file_holds():
    array = pixels(11, channels=3, dtype=np.uint16)
    found = facts(read(npy(array)))
    quantiles = found.pop("quantiles")
    assert found == {
        "height": 12,
        "width": 16,
        "channels": 3,
        "dtype": "uint16",
        "stored": "uint16",
        "low": float(array.min()),
        "high": float(array.max()),
        "missing": 0,
        "alpha": False,
        "frames": 1,
        "page_channels": 1,
    }
    assert (quantiles[0], quantiles[-1]) == (array.min(), array.max())
    assert quantiles == sorted(quantiles) and set(quantiles) <= set(array.ravel())
    assert facts(read(npy(array.astype(np.uint8))))["quantiles"] is None  # black and white are 0 and 255


@pytest.mark.parametrize("layout", ["contig", "separate", "npy", "8-bit"])
def test_some_of_many_bands_are_taken_in_the_order_given(layout):
    bands = np.random.default_rng(0).integers(0, 256, (9, 11, 7)).astype(np.uint8 if layout == "8-bit" else np.uint16)
    file = io.BytesIO()
    if layout == "npy":
        np.save(file, bands)
    else:
        values = np.moveaxis(bands, -1, 0) if layout == "separate" else bands
        planar = "separate" if layout == "separate" else "contig"
        tifffile.imwrite(file, values, planarconfig=planar, photometric="minisblack")
    assert (decode(file.getvalue(), bands=[4, 3, 2]) == bands[:, :, [3, 2, 1]]).all()
    assert (decode(file.getvalue(), bands=[7]) == bands[:, :, [6]]).all()
    with pytest.raises(UserError, match="7 bands, but `bands` names band 8"):
        decode(file.getvalue(), bands=[8])
    with pytest.raises(UserError, match="7 channels") as error:
        decode(file.getvalue())
    assert "bands" in error.value.hint


def test_the_reason_of_a_file_that_is_no_image_shows_how_it_begins():
    with pytest.raises(UserError, match="begins with '<html>404</html>'"):
        decode(b"<html>404</html>")
