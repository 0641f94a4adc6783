"""Names of files, columns, classes and samples: one spelling for what looks the same. Only the standard library.

Some systems write ü as one character, others as u and two dots. Names are compared and kept composed (Unicode NFC).
"""

# A million files: pathlib is several times slower.
# ruff: noqa: PTH118

import functools
import math
import os
import re
import unicodedata
from decimal import Decimal, InvalidOperation

PLAIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "µ": "u"}
)


def nfc(value):
    """A text composed; in lists and dicts (also their keys) every text, other values as they are."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, dict):
        return {nfc(key): nfc(one) for key, one in value.items()}
    return type(value)(nfc(one) for one in value) if isinstance(value, list | tuple) else value


def plain(text):
    """Letters without accents, as far as they have such: Zürich -> Zurich."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.translate(PLAIN)) if not unicodedata.combining(c))


def look_alike(words):
    """Lists of words that people mistake for one.

    They differ in case, in blanks, in marks that nobody sees, in how a letter is encoded (µ is two characters), or are one
    number: 0.1 and 0.10, 01 and 1.
    """
    found = {}
    for word in sorted(words):
        seen = (c for c in unicodedata.normalize("NFKC", word) if unicodedata.category(c) != "Cf")
        found.setdefault(_as_number("".join("".join(seen).casefold().split())), []).append(word)
    return [alike for alike in found.values() if len(alike) > 1]


def _as_number(word):
    try:
        return str(Decimal(word).normalize())
    except InvalidOperation:
        return word


def on_disk(root, path):
    """The path below `root` as its folders spell it, where they compose letters otherwise; None if there is no such."""
    at = os.fspath(root)
    for part in path.split("/"):
        try:
            name = _spelled(at, os.stat(at).st_mtime_ns).get(nfc(part))  # noqa: PTH116
        except OSError:
            return None
        if name is None:
            return None
        at = os.path.join(at, name)
    return at


@functools.lru_cache(maxsize=256)
def _spelled(folder, mtime_ns):
    """{composed name: name} of what is in a folder."""
    return {nfc(name): name for name in sorted(os.listdir(folder), reverse=True)}  # noqa: PTH208


def natural_sort(words):
    """Words in the order a person puts them: 1, 2, 10; numbers by their value, "01" after "1".

    Parameters
    ----------
    words : iterable of str

    Returns
    -------
    list of str
    """
    words = list(words)
    numbers = [as_number(word) for word in words]
    if all(number is not None for number in numbers):
        return [word for _, word in sorted(zip(numbers, words, strict=True))]
    return sorted(words, key=lambda word: (_pieces(word), word))


def as_number(word):
    """The finite number that a word is, or None."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _pieces(word):
    return [(0, int(piece), "") if piece.isdecimal() else (1, 0, piece) for piece in re.split(r"(\d+)", word) if piece]
