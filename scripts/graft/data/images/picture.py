"""What an image file holds, as a `Picture`: arrays of any layout, alpha, no-data, bands, and 16-bit PNG."""

import math
import re
import struct
import zlib
from dataclasses import dataclass

import imagecodecs
import numpy as np

from graft.common.errors import UserError

MAX_PIXELS = 178_956_970  # Pillow's own bound: three times this as bytes is half a gigabyte
FEW_BANDS = 16  # what a multispectral camera has; an axis that is no longer may be that of the bands
WHITE = {"uint8": 255, "uint16": 65535}
JPEG2000 = (b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")  # in boxes, and bare
ONE_OR_THREE = "1 (grey) or 3 (RGB)"
ALL = "all"  # of `bands`: every band of the file


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    pixels : array, shape (height, width, channels), uint8, uint16 or float32; masked where GDAL's no-data or NaN is
    whole : the pixels are integers of more than 16 bits
    alpha : the file has an alpha channel, which was blended with white
    frames : how many images the file holds
    page_channels : how many pages the image has, one for each channel
    stored : the type of the file's own numbers, such as int16, which are read as float32
    """

    pixels: np.ndarray
    whole: bool = False
    alpha: bool = False
    frames: int = 1
    page_channels: int = 1
    stored: str = "uint8"


def of_array(array, bands=None, alpha=None, nodata=None):
    """A picture of an array with the channels last.

    Parameters
    ----------
    array : array, shape (height, width, channels), numbers or bool
    bands : list of int, optional, the channels to take, counted from 1; or ALL
    alpha : "straight" or "premultiplied", if the last channel says how opaque a pixel is
    nodata : float, optional, the number of pixels that were not measured

    Raises
    ------
    UserError
        If there are no pixels, or pixels of a type that no network takes.
    """
    if array.ndim != 3 or 0 in array.shape:
        raise UserError(f"an array of shape {array.shape}", allowed="(height, width) or (height, width, 1 or 3)")
    refuse_bomb(array.shape[1], array.shape[0])
    if array.dtype.kind not in "uifb":
        raise UserError(f"pixels of type {array.dtype}", allowed="integers or floats")
    array = take_bands(array, bands) if bands else array
    missing = _missing(array, nodata)
    whole = array.dtype.kind in "ui" and array.dtype.itemsize > 2
    pixels = _depth(array if missing is None else np.where(missing, array.dtype.type(0), array))
    if alpha and str(pixels.dtype) in WHITE:
        pixels = _over_white(pixels, alpha)
        missing = None if missing is None else missing[:, :, :-1]
    if missing is not None:
        pixels = np.ma.masked_array(pixels, missing)
    return Picture(pixels, whole=whole, alpha=bool(alpha), stored=array.dtype.name)


def channels_last(array):
    """An array of one image as (height, width, channels), wherever its channels are.

    The last axis is read as the channels, as NumPy, Pillow and OpenCV have them. Where that cannot be, it is the
    first: PyTorch has (1, 48, 48) and (3, 48, 48), and satellite tiles (13, 64, 64). Where both may be, the array is
    refused.
    """
    if array.ndim == 2:
        return array[:, :, None]
    if array.ndim != 3:
        return array  # of_array refuses it
    first, middle, last = array.shape
    if last <= 4 or middle <= 4 or (first == middle != last):
        return array
    if first <= 4 or (middle == last != first):
        return np.moveaxis(array, 0, -1)
    if last <= FEW_BANDS and last < min(first, middle):
        return array
    if first <= FEW_BANDS < last and first < middle:
        return np.moveaxis(array, 0, -1)
    raise UserError(
        f"an array of shape {array.shape}: the first or the last axis may be the channels",
        allowed="(height, width) or (height, width, 1 or 3); channels last or first where the others are longer",
        hint="save each image as a TIFF, which says so: tifffile.imwrite('1.tif', array, photometric='minisblack', "
        "planarconfig='contig') for channels last, 'separate' for channels first",
    )


def decode_deep(data, bands=None):
    """The Picture of a JPEG 2000 or of a PGM or PPM of more than 8 bits, which Pillow would cut to 8; None for others.

    An AVIF of more than 8 bits is refused.

    Pillow also takes a fourth channel of JPEG 2000 for alpha whether the file says so or not.
    """
    if data.startswith(JPEG2000):
        refuse_bomb(*struct.unpack_from(">2I", data, data.index(JPEG2000[1]) + 8))
        return _of_channels(imagecodecs.jpeg2k_decode(data), bands, _alpha_of_jpeg2000(data))
    _refuse_deep_avif(data)
    pnm = _deep_pnm(data) if data.startswith((b"P2", b"P3", b"P5", b"P6")) else None
    return None if pnm is None else of_array(pnm, bands)


def decode_deep_png(data, bands=None):
    """The Picture of a PNG of 16 bits, which Pillow would cut to 8."""
    return _of_channels(imagecodecs.png_decode(data), bands, "straight")


def _of_channels(array, bands, alpha):
    array = array[:, :, None] if array.ndim == 2 else array
    return of_array(array, bands, alpha if not bands and array.shape[2] in (2, 4) else None)


def _alpha_of_jpeg2000(data):
    """Which kind of alpha the box "cdef" calls the last channel."""
    place = data.find(b"cdef", 0, 1 << 16)
    if place < 0 or data.startswith(JPEG2000[-1]):
        return None
    (count,) = struct.unpack_from(">H", data, place + 4)
    channels = [struct.unpack_from(">3H", data, place + 6 + 6 * i) for i in range(count)]
    return {1: "straight", 2: "premultiplied"}.get(max(channels)[1])


def _refuse_deep_avif(data):
    """Pillow cuts an AVIF to 8 bits, and what else reads it does not turn it as the file says."""
    place = data.find(b"av1C", 0, 1 << 16) if data[4:8] == b"ftyp" and b"avif" in data[8:64] else -1
    if place >= 0 and place + 6 < len(data) and data[place + 6] & 0x40:
        raise UserError("an AVIF of 10 or 12 bits", allowed="AVIF of 8 bits", hint="save it as a 16-bit PNG or TIFF")


def _deep_pnm(data):
    """The numbers of a PGM or PPM of more than 8 bits, as text (P2, P3) or bytes (P5, P6), else None."""
    header = re.match(rb"P[2356]" + 3 * rb"(?:\s|#[^\n]*\n)+(\d+)" + rb"\s", data)
    width, height, top = map(int, header.groups()) if header else (0, 0, 0)
    if top < 256:
        return None
    refuse_bomb(width, height)
    shape = height, width, 3 if data[1:2] in b"36" else 1
    if data[1:2] in b"56":
        found = np.frombuffer(data, ">u2", (len(data) - header.end()) // 2, header.end())
    else:
        found = _numbers(re.sub(rb"#[^\r\n]*", b" ", data[header.end() :]).split()[: math.prod(shape)], top)
    if len(found) < math.prod(shape):
        raise UserError("the file is truncated")
    return found[: math.prod(shape)].reshape(shape)


def _numbers(words, top):
    try:
        found = np.array(words, dtype=bytes).astype(np.int64)
    except (ValueError, OverflowError):
        found = np.array([-1])
    if len(found) and not 0 <= found.min() <= found.max() <= top:
        raise UserError(f"the file is damaged: not all of its values are whole numbers from 0 to {top}")
    return found.astype(np.uint16)


def take_bands(array, bands):
    """Some of the channels, counted from 1 as in remote sensing; or ALL."""
    if bands == ALL:
        return array
    refuse_bands(array.shape[2], bands)
    return array[:, :, [band - 1 for band in bands]]


def refuse_bands(count, bands):
    if max(bands) > count:
        raise UserError(f"{count} bands, but `bands` names band {max(bands)}", allowed=f"1 to {count}")


def many_channels(count):
    """The error for images that are neither grey nor RGB."""
    return UserError(f"{count} channels", allowed=ONE_OR_THREE, hint=_bands_of(count))


def refuse_frames(count, frames, page_channels=1):
    """Refuse a file of several images, and one image whose channels are pages, unless the first page is asked for."""
    if frames == "first":
        return
    what = f"{count * page_channels} pages or frames in one file"
    hint = "`frames: first` takes the first of each file"
    if page_channels > 1:
        what += ": " + (f"{count} images of {page_channels} channels" if count > 1 else "the channels of one image")
        also = "" if count == 1 else " (beside `frames: first`)"
        hint = f"{_bands_of(page_channels)}{also}; `frames: first` alone takes the first page of each file"
    raise UserError(what, hint=hint)


def _bands_of(count):
    one = "`bands: all` gives the network all of them; `bands: [1]` takes one as grey"
    return one if count < 3 else f"{one}; `bands: [1, 2, 3]` takes three as red, green and blue"


def _missing(array, nodata):
    """Where an array holds no measured number; None if nowhere."""
    missing = np.isnan(array) if array.dtype.kind == "f" else np.zeros(array.shape, bool)
    if nodata is not None and array.dtype.kind == "f":
        # GDAL writes the number with fewer digits than a float32 has: -3.40282306e+38 for -3.40282347e+38.
        missing |= np.isclose(array.astype(np.float64), nodata, rtol=1e-6, atol=0)
    elif nodata is not None and array.dtype.kind != "b":
        found = array == nodata
        # In 8 bits 0 and 255 are what a single channel often has: only a pixel that has it in all of them is meant.
        missing |= found.all(axis=2, keepdims=True) if array.dtype == np.uint8 else found
    if missing.all():
        raise UserError("no pixel was measured: all are NaN or the file's no-data number")
    return missing if missing.any() else None


def _depth(array):
    """uint8 and uint16 stay, the rest becomes float32, which holds all integers up to 16,777,216."""
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if array.dtype.kind == "u" and array.dtype.itemsize <= 2:
        return array.astype(array.dtype.newbyteorder("="))
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError("pixels that are infinite", hint="NaN means pixels that were not measured")
    return array


def _over_white(array, alpha):
    white = WHITE[str(array.dtype)]
    opaque = array[:, :, -1:].astype(np.float64) / white
    colour = array[:, :, :-1] * (opaque if alpha == "straight" else 1.0)
    return np.rint(np.clip(colour + white * (1 - opaque), 0, white)).astype(array.dtype)


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


def short(error):
    return f"{type(error).__name__}: {error}".split("\n")[0].replace("<_io.BytesIO object>", "the file")[:160]
