"""Images of 8 bits and fewer, and PFM, of all formats that Pillow decodes by itself."""

import contextlib
import io
from dataclasses import replace

import numpy as np
from PIL import Image, ImageOps

from graft.data.images.picture import decode_deep_png, of_array, oriented, refuse_bomb, refuse_frames

FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000", "AVIF")
DEEP = ("F", "I", "I;16", "I;16L", "I;16B", "I;16N")  # modes of more than 8 bits, which convert() would cut

Image.MAX_IMAGE_PIXELS = None  # `refuse_bomb` counts; Pillow's warning cannot be caught safely in threads
Image.init()


def decode_with_pillow(data, frames, bands=None, page=0, count=None, page_channels=1):
    """The Picture of an image file.

    Parameters
    ----------
    data : bytes
    frames, bands : see images.decode
    page : int, the page that is the image
    count, page_channels : int, of the Picture, where they are known
    """
    with io.BytesIO(data) as file:
        image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
        refuse_bomb(*image.size)
        count = _frames(image, frames) if count is None else count
        image.seek(page)
        if image.format == "PNG" and data[24] == 16:  # bits per channel
            picture = decode_deep_png(data, bands)
            return replace(picture, pixels=oriented(picture.pixels, image.getexif().get(0x0112, 1)), frames=count)
        image.load()
        with contextlib.suppress(Exception):  # garbage in the EXIF block does not spoil the pixels
            image = ImageOps.exif_transpose(image)
        picture = of_array(_own_bands(image), bands) if bands else _picture(image)
    return replace(picture, frames=count, page_channels=page_channels)


def _frames(image, frames):
    if image.format == "MPO":  # phones write it: a photograph and a preview
        return 1
    count = getattr(image, "n_frames", 1)
    if count > 1:
        refuse_frames(count, frames)
    return count


def _own_bands(image):
    """The channels of an image as they are in the file; of a palette, its colours."""
    if image.mode in ("1", "P", "PA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return _channels(image)


def _picture(image):
    """The picture of an image of any mode. Alpha is what the format says is alpha; it is blended with white."""
    alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa", "L", "RGB", "P") and image.has_transparency_data
    if alpha:
        grey = image.mode in ("L", "LA", "La")
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, image).convert("L" if grey else "RGB")
    elif image.mode == "1":
        image = image.convert("L")
    elif image.mode not in ("L", "RGB", *DEEP):
        image = image.convert("RGB")  # P, CMYK, YCbCr, LAB, HSV
    return replace(of_array(_channels(image)), alpha=bool(alpha))


def _channels(image):
    array = np.asarray(image)
    return array[:, :, None] if array.ndim == 2 else array
