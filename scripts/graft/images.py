"""Image files to arrays and to a network's input size, without losing what 16-bit and float images hold.

`decode` reads the whole file, so a truncated or damaged one is found here and not in the middle of a training.
Only formats that Pillow and tifffile decode by themselves are read (PostScript would start another program).
"""

import contextlib
import io

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from graft.deep_images import (
    check_png,
    decode_deep_png,
    decode_deep_tiff,
    from_array,
    many_channels,
    narrow,
    refuse_bomb,
    refuse_frames,
    short,
    take_bands,
)
from graft.errors import UserError

FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
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

Image.MAX_IMAGE_PIXELS = None  # `refuse_bomb` counts; Pillow's warning cannot be caught safely in threads
Image.init()


def decode(data, frames="error", bands=None):
    """Decode an image file that is given as bytes.

    Grey and RGB keep their depth: 8 bits as uint8, 16 bits as uint16, all else (float, 32-bit and signed integers) as
    float32. Palettes, CMYK and 1-bit images become 8-bit RGB or grey; an alpha channel is laid over white; the EXIF
    orientation is applied. NumPy's .npy files of shape (height, width[, channels]) are images too.

    Parameters
    ----------
    data : bytes
    frames : "error" refuses animations and multi-page files, "first" takes their first image
    bands : list of int, optional, one or three bands to take, counted from 1; for images of more than three channels

    Returns
    -------
    array, shape (height, width, 1 or 3), dtype uint8, uint16 or float32

    Raises
    ------
    UserError
        If the bytes are no image, are damaged or truncated, or hold what no network here takes.
    """
    if not data:
        raise UserError("the file is empty")
    try:
        return np.ascontiguousarray(_checked(_decode(bytes(data), frames, bands)))
    except UserError:
        raise
    except UnidentifiedImageError:
        start = ascii(bytes(data[:24]).decode("latin-1"))
        raise UserError(f"not an image of a kind that is read; the file begins with {start}") from None
    except Exception as error:  # Pillow and tifffile raise a dozen kinds of exceptions for damaged files
        raise UserError(f"not a readable image ({short(error)})") from None


def fit(array, size, mode="crop", crop=1.0, interpolation="bicubic"):
    """Resize an image to a square with antialiasing, in the image's own dtype.

    The part of the image that is kept is resized directly, so that an image of 1 x 10,000 pixels costs no more
    memory than any other.

    Parameters
    ----------
    array : array, shape (height, width, channels), dtype uint8, uint16 or float32
    size : int, pixels of the square
    mode : "crop" (the central square), "squash" (the aspect ratio is lost) or "pad" (zeros beside the image)
    crop : share of the short side (crop) or of both sides (squash) that is kept; timm's crop_pct
    interpolation : "bicubic", "bilinear", "nearest", "lanczos", "box" or "hamming"

    Returns
    -------
    array, shape (size, size, channels), dtype of `array`
    """
    height, width, channels = array.shape
    resample = Image.Resampling[interpolation.upper()]
    if mode == "pad":
        scale = size / max(height, width)
        inner = (max(1, round(width * scale)), max(1, round(height * scale)))
        small = _resize(array, inner, None, resample)
        top, left = (size - inner[1]) // 2, (size - inner[0]) // 2
        out = np.zeros((size, size, channels), array.dtype)
        out[top : top + inner[1], left : left + inner[0]] = small
        return out
    if mode == "crop":
        kept_height = kept_width = min(height, width) * crop
    elif mode == "squash":
        kept_height, kept_width = height * crop, width * crop
    else:
        raise ValueError(f"fit mode {mode!r}")
    left, top = (width - kept_width) / 2, (height - kept_height) / 2
    return _resize(array, (size, size), (left, top, left + kept_width, top + kept_height), resample)


def facts(array):
    """What the manifest's card says of an image: height, width, channels, dtype, low, high."""
    height, width, channels = array.shape
    return {
        "height": height,
        "width": width,
        "channels": channels,
        "dtype": str(array.dtype),
        "low": float(array.min()),
        "high": float(array.max()),
    }


def _resize(array, size, box, resample):
    if array.dtype == np.uint8:
        image = Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        out = np.asarray(image.resize(size, resample, box=box))
        return out[:, :, None] if out.ndim == 2 else out
    planes = [
        np.asarray(Image.fromarray(array[:, :, channel].astype(np.float32)).resize(size, resample, box=box))
        for channel in range(array.shape[2])
    ]
    out = np.stack(planes, axis=2)
    if array.dtype == np.uint16:  # bicubic overshoots at edges
        out = np.clip(np.rint(out), 0, 65535)
    return out.astype(array.dtype)


def _decode(data, frames, bands):
    if data.startswith(b"\x93NUMPY"):
        return from_array(np.load(io.BytesIO(data), allow_pickle=False), bands)
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        check_png(data)
    if data[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        deep = decode_deep_tiff(data, frames, bands)
        if deep is not None:
            return deep
    with io.BytesIO(data) as file:
        array = _decode_pillow(file, frames)
    return take_bands(array, bands) if bands else array


def _decode_pillow(file, frames):
    image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    refuse_bomb(*image.size)
    if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:  # phones write MPO: a photograph and a preview
        refuse_frames(image.n_frames, frames)
        image.seek(0)
    if image.format == "PNG" and image.tile and str(image.tile[0].args).endswith(";16B"):
        return decode_deep_png(image, file)
    image.load()
    with contextlib.suppress(Exception):  # garbage in the EXIF block does not spoil the pixels
        image = ImageOps.exif_transpose(image)
    return _pixels(image)


def _pixels(image):
    """A Pillow image of any mode as (height, width, 1 or 3)."""
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa", "L", "RGB", "P") and image.has_transparency_data:
        grey = image.mode in ("L", "LA", "La")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("L" if grey else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode == "I":
        return narrow(np.asarray(image))
    elif image.mode not in ("L", "RGB", "F") and not image.mode.startswith("I;16"):
        image = image.convert("RGB")  # P, CMYK, YCbCr, LAB, HSV
    array = np.asarray(image)
    if image.mode.startswith("I;16"):
        array = array.astype(np.uint16)
    return array[:, :, None] if array.ndim == 2 else array


def _checked(array):
    if array.shape[2] not in (1, 3):
        raise many_channels(array.shape[2])
    if array.dtype == np.float32 and not np.isfinite(array).all():
        raise UserError("pixels that are NaN or infinite")
    return array
