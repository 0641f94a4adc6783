"""Image files that Pillow alone would cut to 8 bits, or would not check: 16-bit colour PNG, TIFF of all kinds, .npy."""

import io
import struct
import zlib

import numpy as np
import tifffile
from PIL import Image

from graft.errors import UserError

MAX_PIXELS = 178_956_970  # Pillow's own bound: three times this as bytes is half a gigabyte
WHITE = {"uint8": 255, "uint16": 65535}


def decode_deep_png(image, file):
    """PNG with 16 bits and several channels, which Pillow would cut to 8: the high bytes first, then the low ones.

    Pillow's unpacker for 16-bit colour keeps the high byte of each sample; told that the bytes stand in the other
    order, it keeps the low byte.
    """
    tile = image.tile[0]
    orientation = image.getexif().get(0x0112, 1)
    if tile.args == "LA;16B":
        raise UserError(
            "a 16-bit grey PNG with an alpha channel", allowed="16-bit grey or RGB", hint="save it without alpha"
        )
    if tile.args == "I;16B":
        image.load()
        return oriented(np.asarray(image).astype(np.uint16)[:, :, None], orientation)
    image.load()
    high = np.asarray(image).astype(np.uint16)
    file.seek(0)
    again = Image.open(file, formats=["PNG"])
    again.tile = [again.tile[0]._replace(args=tile.args.replace("16B", "16L"))]
    again.load()
    return oriented(_without_alpha(high << 8 | np.asarray(again)), orientation)


def decode_deep_tiff(data, frames, bands=None):
    """A TIFF of more than 8 bits through tifffile; None for the others, which Pillow reads with more codecs."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        refuse_bomb(page.imagewidth, page.imagelength)
        pages = sum(1 for other in tiff.pages if not other.is_reduced)
        stacked = tiff.series[0].size // max(page.size, 1) if tiff.series else 1  # ImageJ: one page, many images
        if max(pages, stacked) > 1:
            refuse_frames(max(pages, stacked), frames)
        shallow = page.dtype is None or page.dtype.itemsize == 1 and page.dtype.kind == "u" or page.bitspersample < 8
        if page.samplesperpixel > 4 and not bands:
            raise many_channels(page.samplesperpixel)
        if shallow and page.samplesperpixel <= 4:
            return None
        try:
            array = page.asarray()
        except Exception as error:
            if page.samplesperpixel == 1:
                return None  # Pillow knows LZW for grey images
            raise UserError(
                f"a {page.bitspersample}-bit colour TIFF that cannot be decoded ({short(error)})",
                hint="save it without compression, or with deflate",
            ) from None
        if array.shape != page.shape:
            raise UserError("a TIFF of several planes")
        if page.axes.startswith("S"):
            array = np.moveaxis(array, 0, -1)
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE and array.dtype == np.uint16:
            array = 65535 - array
        orientation = page.tags.get("Orientation")
    return oriented(from_array(array, bands), orientation.value if orientation else 1)


def from_array(array, bands=None):
    """Shape (height, width, channels) and one of the three dtypes, for arrays from TIFF and .npy."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise UserError(f"an array of shape {array.shape}", allowed="(height, width) or (height, width, 1 or 3)")
    refuse_bomb(array.shape[1], array.shape[0])
    if array.dtype.kind not in "uifb":
        raise UserError(f"pixels of type {array.dtype}", allowed="integers or floats")
    if array.dtype == bool:
        array = array.astype(np.uint8) * 255
    if array.dtype.kind in "ui" and array.dtype.itemsize == 4:
        array = narrow(array)
    elif array.dtype not in (np.uint8, np.uint16):
        array = array.astype(np.float32)
    else:
        array = array.astype(array.dtype.newbyteorder("="))
    return take_bands(array, bands) if bands else _without_alpha(array)


def take_bands(array, bands):
    """Some of the channels, counted from 1 as in remote sensing."""
    if max(bands) > array.shape[2]:
        raise UserError(
            f"{array.shape[2]} bands, but `bands` names band {max(bands)}", allowed=f"1 to {array.shape[2]}"
        )
    return array[:, :, [band - 1 for band in bands]]


def many_channels(count):
    """The error for images that are neither grey nor RGB."""
    return UserError(f"{count} channels", allowed="1 (grey) or 3 (RGB)", hint="`bands: [4, 3, 2]` takes three of them")


def narrow(array):
    """Integers that fit into 16 bits stay exact as uint16; others become float32."""
    array = array[:, :, None] if array.ndim == 2 else array
    if array.size and array.min() >= 0 and array.max() <= 65535:
        return array.astype(np.uint16)
    return array.astype(np.float32)


def _without_alpha(array):
    if array.shape[2] not in (2, 4) or str(array.dtype) not in WHITE:
        return array
    white = WHITE[str(array.dtype)]
    alpha = array[:, :, -1:].astype(np.float64) / white
    return np.rint(array[:, :, :-1] * alpha + white * (1 - alpha)).astype(array.dtype)


def oriented(array, orientation):
    """Apply an EXIF/TIFF orientation, 1..8."""
    if orientation in (5, 6, 7, 8):
        array = array.transpose(1, 0, 2)
    flips = {2: (1,), 3: (0, 1), 4: (0,), 6: (1,), 7: (0, 1), 8: (0,)}
    return np.flip(array, flips.get(orientation, ()))


def check_png(data):
    """Every critical chunk is whole and has its checksum: Pillow skips the one of the pixels."""
    position, kind = 8, b""
    while kind != b"IEND":
        if position + 8 > len(data):
            raise UserError("the PNG file is truncated")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise UserError("the PNG file is truncated")
        (checksum,) = struct.unpack_from(">I", data, end - 4)
        if kind[:1].isupper() and zlib.crc32(memoryview(data)[position + 4 : end - 4]) != checksum:
            raise UserError(f"the PNG file is damaged (checksum of its {kind.decode('latin-1')} chunk)")
        position = end


def refuse_bomb(width, height):
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{width} x {height} pixels: too large to decode safely",
            allowed=f"at most {MAX_PIXELS:,} pixels",
            hint="cut the image into tiles",
        )


def refuse_frames(count, frames):
    if frames != "first":
        raise UserError(f"{count} pages or frames in one file", hint="`frames: first` takes the first of each file")


def short(error):
    return f"{type(error).__name__}: {error}".split("\n")[0].replace("<_io.BytesIO object>", "the file")[:160]
