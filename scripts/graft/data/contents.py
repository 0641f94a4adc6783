"""One sample's content: from what is in the file to an array or a text, and to the hash that names it."""

import hashlib
import io
import unicodedata

import numpy as np

from graft.common.errors import UserError
from graft.data import images
from graft.data.tables.delimited import decode


def understand(raw, modality, frames="error", bands=None):
    """The content that a network gets.

    Parameters
    ----------
    raw : bytes of an image, of a text or of a .npy file; or an array
    modality : "image", "text" or "vector"
    frames, bands : see images.decode

    Returns
    -------
    array (height, width, channels), masked where pixels were not measured; str; or float32 array (width,)

    Raises
    ------
    UserError
        If the sample cannot be used: damaged, empty, not finite.
    """
    if modality == "image":
        return images.decode(raw, frames, bands)
    if modality == "text":
        text = _text(raw)
        if not text.strip():
            raise UserError("the text is empty")
        return text
    return _finite(_vector(raw))


def digest_of_content(raw, modality):
    """sha256 (hex): of an image file's bytes, of a text's UTF-8, of a vector's little-endian float32 without -0.0."""
    if modality == "text":
        raw = _text(raw).encode("utf-8")
    elif modality == "vector":
        raw = np.ascontiguousarray(_vector(raw) + 0.0, dtype="<f4").tobytes()
    return hashlib.sha256(raw).hexdigest()


def digest_of_copies(text):
    """The digest that a text shares with those that only differ in outer blanks, line ends or Unicode composition.

    It says which rows stay together, not what is embedded: a tokenizer may see the difference.
    """
    plain = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).strip()
    return digest_of_content(plain, "text")


def _text(raw):
    return clean_text(raw if isinstance(raw, str) else decode(bytes(raw))[0])


def clean_text(text):
    """Text without NUL bytes and lone surrogates, which no tokenizer takes: both become U+FFFD."""
    text = text.replace("\0", "\ufffd")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _vector(raw):
    if isinstance(raw, bytes):
        try:
            raw = np.load(io.BytesIO(raw), allow_pickle=False)
        except (ValueError, EOFError, OSError) as error:
            raise UserError(f"not a readable .npy file ({str(error)[:120]})") from None
    vector = np.asarray(raw)
    if vector.ndim != 1 or vector.dtype.kind not in "uifb":
        raise UserError(f"{vector.dtype} of shape {vector.shape}", allowed="a vector of numbers")
    with np.errstate(over="ignore"):
        return vector.astype(np.float32)


def _finite(vector):
    bad = np.flatnonzero(~np.isfinite(vector))
    if len(bad) or not len(vector):
        where = f"feature {bad[0] + 1}" if len(bad) else "a vector of width 0"
        raise UserError(f"{where} is missing, NaN, infinite or not a number" if len(bad) else where)
    return vector
