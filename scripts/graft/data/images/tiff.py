"""TIFF files: which of their pages is the image, which are its channels, and what their tags say of the numbers."""

import io
import logging
import math
from dataclasses import replace

import numpy as np
import tifffile
from tifffile import COMPRESSION, PHOTOMETRIC

from graft.common.errors import UserError
from graft.data.images.picture import (
    ALL,
    many_channels,
    of_array,
    oriented,
    refuse_bands,
    refuse_bomb,
    refuse_frames,
    short,
)

GDAL_NODATA = 42113
ALPHA = {1: "premultiplied", 2: "straight"}  # what the tag ExtraSamples calls alpha
COLOURS = {PHOTOMETRIC.RGB: 3, PHOTOMETRIC.YCBCR: 3, PHOTOMETRIC.CIELAB: 3, PHOTOMETRIC.SEPARATED: 4}
MEANT_OTHERWISE = {
    PHOTOMETRIC.YCBCR: "YCbCr",
    PHOTOMETRIC.CIELAB: "CIELAB",
    PHOTOMETRIC.ICCLAB: "CIELAB",
    PHOTOMETRIC.ITULAB: "CIELAB",
    PHOTOMETRIC.SEPARATED: "inks (CMYK)",
}  # channels that are no red, green and blue
PLAIN = (PHOTOMETRIC.RGB, PHOTOMETRIC.MINISBLACK, PHOTOMETRIC.MINISWHITE)  # numbers that need no table to be colours
CODES = (COMPRESSION.NONE, COMPRESSION.LZW, COMPRESSION.ADOBE_DEFLATE, COMPRESSION.DEFLATE, COMPRESSION.PACKBITS)
CODES += (COMPRESSION.LZMA, COMPRESSION.ZSTD)
CODES += (COMPRESSION.JPEG2000, COMPRESSION.JPEG_2000_LOSSY, COMPRESSION.JPEGXL, COMPRESSION.JPEGXL_DNG)
CODES += (COMPRESSION.JPEGXR, COMPRESSION.JPEGXR_NDPI, COMPRESSION.PNG, COMPRESSION.LERC, COMPRESSION.WEBP)

# It writes a line per file for tags that no image needs. What cannot be read is said by the error.
logging.getLogger("tifffile").setLevel(logging.CRITICAL + 1)


def decode_tiff(data, frames, bands=None):
    """The picture of a TIFF; or the number of the page that holds it, where Pillow reads it well.

    Pillow knows palettes, CMYK, single bits, JPEG and codes that nobody writes any more. All else is tifffile's: more than
    8 bits, bands, alpha, and pixels that were not measured.

    Parameters
    ----------
    data : bytes
    frames, bands : see images.decode

    Returns
    -------
    Picture; or (page, frames, page_channels), int
    """
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        pages = [page for page in tiff.pages if not (page.is_reduced or page.is_mask)] or [tiff.pages.first]
        page = pages[0]
        refuse_bomb(page.imagewidth, page.imagelength)
        count, channels = _layout(tiff, pages)
        if bands == ALL and page.photometric == PHOTOMETRIC.PALETTE:
            bands = None  # what a file of colours has is these, not their numbers
        if count > 1 or (len(channels) > 1 and not bands):
            refuse_frames(count, frames, len(channels))
        if page.samplesperpixel > 4 and not bands:
            raise many_channels(page.samplesperpixel)
        if not bands and _is_pillows(page):
            return page.index, count, len(channels)
        if bands:
            picture = _read_bands(channels, bands)
        else:
            _refuse_other_colours(page)
            picture = of_array(_coloured(page), None, _alpha(page), _nodata(page))
        pixels = picture.pixels
        if not bands and page.photometric == PHOTOMETRIC.MINISWHITE:
            pixels = _turned_round(pixels, page)
        orientation = page.tags.get("Orientation")
    pixels = oriented(pixels, orientation.value if orientation else 1)
    return replace(picture, pixels=pixels, frames=count, page_channels=len(channels))


def _layout(tiff, pages):
    """How many images the file itself holds, and the channels of the first: pages, or planes of one page.

    OME, ImageJ and others say which pages are channels. OME may also name pages of other files, which do not count.
    """
    try:
        series = next(one for one in tiff.series if _holds(one, pages[0]))
        axes, shape = series.axes[: -series.keyframe.ndim], series.shape[: -series.keyframe.ndim]
        planes = _planes(tiff, series, shape, {page.index: page for page in pages})
    except Exception:  # what describes the file is damaged or says what the file does not hold
        return len(pages), pages[:1]
    others = max(0, len(pages) - len(planes))
    if "C" not in axes:
        return len(planes) + others, pages[:1]
    rest = axes.replace("C", "")
    places = {number: dict(zip(axes, np.unravel_index(number, shape), strict=True)) for number in planes}
    first = next(iter(places.values()))
    channels = [planes[number] for number, at in places.items() if all(at[axis] == first[axis] for axis in rest)]
    images = {tuple(int(at[axis]) for axis in rest) for at in places.values()}
    return len(images) + others, channels


def _planes(tiff, series, shape, pages):
    """{number in the series: page or array} of what is in this very file."""
    if len(series.pages) < math.prod(shape):  # ImageJ describes one page and writes many images after it
        stack = series.asarray(maxworkers=1)
        planes = enumerate(stack.reshape(-1, *stack.shape[len(shape) :]))
        return {number: _samples_last(plane, series.keyframe.axes) for number, plane in planes}
    own = {number: page for number, page in enumerate(series.pages) if page is not None and page.parent is tiff}
    return {number: pages[page.index] for number, page in own.items()}


def _holds(series, page):
    return any(other is not None and other.index == page.index for other in series.pages)


def _is_pillows(page):
    """Whether Pillow is to read a page: at most 8 bits, in colours that need a table, or in a code that Pillow knows better."""
    shallow = page.dtype is None or page.dtype == np.uint8 or page.bitspersample < 8
    usual = page.samplesperpixel == COLOURS.get(page.photometric, 1)
    plain = page.photometric in PLAIN and page.bitspersample == 8 and page.compression in CODES
    return shallow and usual and not plain and not _has_short_palette(page)


def _refuse_other_colours(page):
    """Refuse colours that only Pillow turns into RGB, where it does not read them: of more than 8 bits, or with alpha."""
    name = MEANT_OTHERWISE.get(page.photometric)
    if name and page.samplesperpixel > 1:
        hint = (
            "save it as RGB; or `bands: [1, 2, 3]` reads the numbers as they are, as if they were red, green and blue"
        )
        raise UserError(f"a TIFF of {name}, of {page.bitspersample} bits", allowed="RGB or grey", hint=hint)


def _has_short_palette(page):
    """Whether a palette's colours go to 255 and not, as the standard says, to 65535: Pillow makes them all black."""
    return page.photometric == PHOTOMETRIC.PALETTE and page.colormap is not None and page.colormap.max() < 256


def _alpha(page):
    """Which kind of alpha the last channel is, by the file's own word; None for no alpha.

    Raises
    ------
    UserError
        If the channels are not those of a grey or colour image.
    """
    count, extra = page.samplesperpixel, page.extrasamples
    kind = ALPHA.get(int(extra[-1])) if extra and count in (2, 4) else None
    if count not in (1, 3) and (kind is None or page.dtype not in (np.uint8, np.uint16)):
        raise many_channels(count)
    return kind


def _nodata(page):
    """The number of pixels that were not measured, as GDAL writes it; None if there is none that can be read."""
    tag = page.tags.get(GDAL_NODATA)
    try:
        return float(str(tag.value).strip().strip("\0")) if tag else None
    except ValueError:
        return None


def _read_bands(channels, bands):
    """The chosen bands of a page, or of pages that are channels, as they are in the file."""
    page = channels[0]
    in_memory = isinstance(page, np.ndarray)
    samples = page.shape[2] if in_memory else page.samplesperpixel
    bands = range(1, len(channels) * samples + 1) if bands == ALL else bands
    refuse_bands(len(channels) * samples, bands)
    wanted = sorted({(band - 1) // samples for band in bands})
    array = np.concatenate([channels[i] if in_memory else _values(channels[i]) for i in wanted], axis=2)
    taken = [wanted.index((band - 1) // samples) * samples + (band - 1) % samples + 1 for band in bands]
    return of_array(array, taken, None, None if in_memory else _nodata(page))


def _values(page):
    """The numbers of a page as (height, width, samples)."""
    hint = "save each plane as an image of its own"
    if set(page.axes) - set("SYX"):
        raise UserError("a TIFF of several planes", hint=hint)
    if page.bitspersample == 24:  # tifffile takes the bytes of a number in another order than the file has
        raise UserError("a TIFF of 24 bits per number", allowed="8, 16 or 32 bits", hint="save it with 32 bits")
    end = max(map(sum, zip(page.dataoffsets, page.databytecounts, strict=True)), default=0)
    if end > page.parent.filehandle.size:
        what = f"the file is cut off: {page.parent.filehandle.size:,} of at least {end:,} bytes are there"
        raise UserError(what, hint="copy or write it again")
    try:
        array = page.asarray(maxworkers=1)
    except Exception as error:
        what = f"a {page.bitspersample}-bit TIFF that cannot be decoded ({short(error)})"
        raise UserError(what, hint="save it without compression, or with deflate") from None
    if array.shape != page.shape:
        raise UserError("a TIFF of several planes", hint=hint)
    return _samples_last(array, page.axes)


def _turned_round(pixels, page):
    """The pixels of a page whose 0 is white, with 0 as black."""
    if page.dtype.kind != "u" or page.dtype.itemsize > 2:
        raise UserError(
            f"a TIFF whose white is 0, of type {page.dtype}",
            allowed="integers from 0 to 255 or to 65535, where white is 0",
            hint="`bands: [1]` reads the numbers as they are, 0 as black",
        )
    top = pixels.dtype.type((1 << page.bitspersample) - 1)  # a Python integer makes masked pixels int64
    return top - pixels


def _samples_last(array, axes):
    array = np.moveaxis(array, 0, -1) if axes.startswith("S") else array
    return array[:, :, None] if array.ndim == 2 else array


def _coloured(page):
    """The numbers of a page, or the colours that its palette gives them."""
    array = _values(page)
    if page.photometric != PHOTOMETRIC.PALETTE or page.colormap is None:
        return array
    colours = np.moveaxis(page.colormap[:, array[:, :, 0].astype(np.intp)], 0, -1)
    return colours.astype(np.uint8) if _has_short_palette(page) else colours
