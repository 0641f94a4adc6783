"""Columns that are an axis: their names are wavelengths, wavenumbers, masses or times."""

import re

# nm_900, X1024.5, 4000, 400 nm, 1450.5cm-1: a word that all columns share, the number, perhaps a unit after it.
NAME = re.compile(
    r"(?P<word>.*?)(?P<number>(?:(?<!\w)[-+])?\d+(?:\.\d+)?)[\s_]*(?P<unit>(?:1/cm|%|°|[^\W\d_]+(?:\^?-1|⁻¹)?)?)"
)


def axis_of(names):
    """What columns are called beside their number, and where they are.

    Parameters
    ----------
    names : list of str, or None

    Returns
    -------
    word, places : str (the unit, or the word before the number; perhaps "") and list of float, in the order of the
        columns; None if the names are not one word or unit with numbers
    """
    found = [NAME.fullmatch(name.strip()) for name in names or []]
    if len(found) < 2 or not all(found) or len({(hit["word"], hit["unit"]) for hit in found}) > 1:
        return None
    return found[0]["unit"] or found[0]["word"].strip(" _-."), [float(hit["number"]) for hit in found]
