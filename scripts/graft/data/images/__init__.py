"""Image files to arrays and to a network's input size, without losing what 16-bit and float images hold.

`decode` reads the whole file, so a truncated or damaged one is found here and not in the middle of a training.
Only formats that Pillow and tifffile decode by themselves are read (PostScript would start another program).
"""

import io

import numpy as np
from PIL import Image, UnidentifiedImageError

from graft.common.errors import UserError
from graft.data.images import pixel_range
from graft.data.images.picture import (
    ALL,
    Picture,
    channels_last,
    check_png,
    decode_deep,
    many_channels,
    of_array,
    short,
)
from graft.data.images.pillow import decode_with_pillow
from graft.data.images.tiff import decode_tiff

DECODER = 5  # raised when `decode` refuses or gives something else than before: nothing stored is then read as new
TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG = b"\x89PNG\r\n\x1a\n"
SUFFIXES = frozenset(
    [
        ".png",
        ".jpg",
        ".jpeg",
        ".jpe",
        ".jfif",
        ".tif",
        ".tiff",
        ".bmp",
        ".gif",
        ".webp",
        ".ppm",
        ".pgm",
        ".pbm",
        ".pnm",
        ".jp2",
        ".j2k",
        ".avif",
        ".npy",
    ]
)


def decode(data, frames="error", bands=None):
    """Decode an image file that is given as bytes.

    Grey and RGB keep their depth: 8 bits as uint8, 16 bits as uint16, all else (float, signed and longer integers) as
    float32. Palettes, CMYK and 1-bit images become 8-bit RGB or grey; what a file calls alpha is blended with
    white; the EXIF orientation is applied. NumPy's .npy files of shape (height, width), (height, width, channels) or
    (channels, height, width) are images too.

    Parameters
    ----------
    data : bytes
    frames : "error" refuses animations and multi-page files, "first" takes their first image
    bands : list of int, optional, the file's own bands to take, counted from 1, or "all"; also pages that OME or ImageJ call
        channels, and a band that the file calls alpha

    Returns
    -------
    array, shape (height, width, 1, 3, or the number of the bands), dtype uint8, uint16 or float32
        A masked array where pixels were not measured: they are NaN, or the number that GDAL's tag names.

    Raises
    ------
    UserError
        If the bytes are no image, are damaged or truncated, or hold what no network here takes.
    """
    return read(data, frames, bands).pixels


def read(data, frames="error", bands=None):
    """The Picture (see deep_images) of an image file; `decode` gives its pixels alone."""
    if not data:
        raise UserError("the file is empty")
    try:
        picture = _decode(bytes(data), frames, bands)
    except UserError:
        raise
    except UnidentifiedImageError:
        start = ascii(bytes(data[:24]).decode("latin-1"))
        raise UserError(f"not an image of a kind that is read; the file begins with {start}") from None
    except Exception as error:  # Pillow and tifffile raise a dozen kinds of exceptions for damaged files
        raise UserError(f"not a readable image ({short(error)})") from None
    if not bands and picture.pixels.shape[2] not in (1, 3):
        raise many_channels(picture.pixels.shape[2])
    return picture


def image_format(card):
    """How the images of a data set are read, and what their numbers mean: all that a new image needs, JSON-like.

    Parameters
    ----------
    card : dict, data_card.json

    Returns
    -------
    dict
        dtype ("uint8", "uint16" or "float32"), channels, range ([low, high], what becomes black and white), where each band has
        its own band_ranges (a list of these), frames and, where they were chosen, bands (for `decode`), and decoder (its version)
    """
    facts = card["image"]
    keys = ("dtype", "channels", "range", "band_ranges", "frames", "bands", "decoder")
    return {"frames": "error"} | {key: facts[key] for key in keys if key in facts}


def values_of(form):
    """The part of an image format that the numbers of an image depend on: `frames` only says which files are taken."""
    return {key: value for key, value in form.items() if key != "frames"}


def in_bands(bands, channels):
    """Whether images are neither grey nor red, green and blue: then each band has its own range, and the network an input for it."""
    return bool(bands) and channels != 1 and (bands == ALL or channels != 3)


def limits_of(form):
    """What becomes black and white: two floats, or two arrays of one per band; `form` is what `image_format` gave."""
    return tuple(np.array(form["band_ranges"], np.float64).T if form.get("band_ranges") else form["range"])


def to_input(array, form, preprocessing, where=None):
    """A decoded image as a network's square: in the data set's channels and dtype, within its range.

    Pixels that were not measured become black, values beyond the range black or white, before anything is resized: else
    they would reach into their neighbours.

    Parameters
    ----------
    array : what `decode` gave
    form : dict, what `image_format` gave
    preprocessing : dict with size, fit, crop and interpolation, of backbone.json
    where : str, the file, for errors

    Returns
    -------
    array, shape (size, size, channels), dtype as `form` says
    """
    wide = in_bands(form.get("bands"), form["channels"])
    if array.shape[2] > form["channels"] or (wide and array.shape[2] < form["channels"]):
        kinds = (array.shape[2], form["channels"])
        what = "an image of {} bands in a data set of {}" if wide else "a colour image in a data set of grey ones"
        raise UserError(what.format(*kinds), where, hint="run prepare_data again")
    settings = preprocessing
    square = fit(
        array, settings["size"], settings["fit"], settings["crop"], settings["interpolation"], limits=limits_of(form)
    )
    square = np.repeat(square, form["channels"], axis=2) if square.shape[2] < form["channels"] else square
    return _rounded(square, np.dtype(form["dtype"]))


def fit(array, size, mode="crop", crop=1.0, interpolation="bicubic", limits=None):
    """Resize an image to a square with antialiasing, in the image's own dtype.

    The part of the image that is kept is resized directly, so that an image of 1 x 10,000 pixels costs no more
    memory than any other.

    Parameters
    ----------
    array : array or masked array, shape (height, width, channels), dtype uint8, uint16 or float32
    size : int, pixels of the square
    mode : "crop" (the central square), "squash" (the aspect ratio is lost) or "pad" (black beside the image)
    crop : share of the short side (crop) or of both sides (squash) that is kept; timm's crop_pct
    interpolation : "bicubic", "bilinear", "nearest", "lanczos", "box" or "hamming"
    limits : (low, high), optional, the values of black and white, floats or arrays of one per channel, to which all others are
        cut; masked pixels are black

    Returns
    -------
    array, shape (size, size, channels), dtype of `array`
    """
    height, width, channels = array.shape
    resample = Image.Resampling[interpolation.upper()]
    if mode == "pad":
        scale = size / max(height, width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = _resize(array, inner, None, resample, limits)
        top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
        black = _rounded(np.asarray(limits[0] if limits else 0, np.float64), array.dtype)
        out = np.full((size, size, channels), black)
        out[top : top + inner[1], left : left + inner[0]] = small
        return out
    if mode == "crop":
        kept_height = kept_width = min(height, width) * crop
    elif mode == "squash":
        kept_height, kept_width = height * crop, width * crop
    else:
        raise ValueError(f"fit mode {mode!r}")
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return _resize(array, (size, size), (left, top, left + kept_width, top + kept_height), resample, limits)


def facts(picture, bands=None):
    """What the manifest's card is made of: size, depth and values of a picture, and what was found in its file.

    The quantiles are those of all pixels; or, if each band has its own range (`in_bands`), those of the bands one after another.
    """
    pixels = picture.pixels
    height, width, channels = pixels.shape
    deep = pixels.dtype != np.uint8
    planes = np.moveaxis(pixels, 2, 0) if in_bands(bands, channels) else [pixels]
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "dtype": "int32" if picture.whole else str(pixels.dtype),
        "stored": picture.stored,
        "low": float(pixels.min()),
        "high": float(pixels.max()),
        "missing": int(np.ma.count_masked(pixels)),
        "alpha": picture.alpha,
        "frames": picture.frames,
        "page_channels": picture.page_channels,
        "quantiles": [value for plane in planes for value in _quantiles(plane)] if deep else None,
    }


def _quantiles(plane):
    """Of a band without any measured pixel, NaN."""
    measured = np.ma.compressed(plane)
    return pixel_range.quantiles(measured) if len(measured) else [np.nan] * len(pixel_range.SHARES)


def _resize(array, size, box, resample, limits):
    whole = limits is None or all(np.array_equal(*ends) for ends in zip(limits, (0, 255), strict=True))
    if array.dtype == np.uint8 and not np.ma.isMaskedArray(array) and whole and array.shape[2] in (1, 3):
        image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        out = np.asarray(image.resize(size, resample, box=box))
        return out[:, :, None] if out.ndim == 2 else out
    planes = [
        np.asarray(
            Image.fromarray(_plane(array[:, :, channel], _of_channel(limits, channel))).resize(size, resample, box=box)
        )
        for channel in range(array.shape[2])
    ]
    out = np.stack(planes, axis=2)
    return _rounded(np.clip(out, *limits) if limits else out, array.dtype)  # bicubic overshoots at edges


def _of_channel(limits, channel):
    return limits and tuple(end if np.ndim(end) == 0 else end[channel] for end in limits)


def _plane(plane, limits):
    """One channel as float32 within the limits, black where it is masked."""
    low = limits[0] if limits else 0
    plane = np.ma.filled(plane.astype(np.float32), low)
    return np.clip(plane, *limits) if limits else plane


def _rounded(values, dtype):
    """Values as `dtype`; integers are rounded and cut at its ends."""
    if dtype.kind == "u" and values.dtype.kind == "f":
        values = np.clip(np.rint(values), 0, np.iinfo(dtype).max)
    return values.astype(dtype, copy=False)


def _decode(data, frames, bands):
    if data.startswith(b"\x93NUMPY"):
        return of_array(channels_last(np.load(io.BytesIO(data), allow_pickle=False)), bands)
    if data.startswith(TIFF):
        found = decode_tiff(data, frames, bands)
        return found if isinstance(found, Picture) else decode_with_pillow(data, frames, None, *found)
    if data.startswith(PNG):
        check_png(data)
    deep = decode_deep(data, bands)
    return decode_with_pillow(data, frames, bands) if deep is None else deep
