"""Numbers as text: with decimal points or commas, and values that stand so far apart that they may not be measured."""

import numpy as np
import pandas as pd

from graft.errors import UserError

COMMA = r"\s*[-+]?(?:\d+,\d*|,\d+)(?:[eE][-+]?\d+)?\s*"
THOUSANDS = r"\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*"  # 1,234 is 1.234 for some and 1234 for others
MANY = 0.01  # share of the rows, and at least 3 of them, from which one value that stands apart is no accident


def to_numbers(columns, decimal, where):
    """Columns of text as numbers, NaN where a text is none.

    Parameters
    ----------
    columns : dict, name -> Series of str
    decimal : "point", "comma", or "auto": commas where no number of the column has a point, and some cannot
        divide thousands

    Returns
    -------
    dict, name -> Series of float64

    Raises
    ------
    UserError
        If it cannot be told what the commas mean.
    """
    numbers = {name: pd.to_numeric(text, errors="coerce").astype("float64") for name, text in columns.items()}
    if decimal == "point":
        return numbers
    with_comma, sure = {}, decimal == "comma"
    for name, text in columns.items():
        fits = text[numbers[name].isna() & text.notna()].str.fullmatch(COMMA)
        points = text[numbers[name].notna()].str.contains(".", regex=False).any()
        if fits.any() and (decimal == "comma" or not points):
            with_comma[name] = fits
            sure |= not text[fits[fits].index].str.fullmatch(THOUSANDS).all()
    if with_comma and not sure:
        name, fits = next(iter(with_comma.items()))
        raise UserError(
            f"'{columns[name][fits.idxmax()].strip()}' in column '{name}' may mean a fraction or thousands",
            where,
            "decimal: comma, if all commas are decimal ones",
            "else save the table without marks between thousands",
        )
    for name in with_comma:
        numbers[name] = pd.to_numeric(_points_for_commas(columns[name]), errors="coerce").astype("float64")
    return numbers


def stands_apart(numbers):
    """Values that many rows share and that lie further from all others than these lie from each other.

    A program that has no word for "not measured" writes such a number: -999, 9999. The last of 1, 10, 100, 1000 is none.

    Parameters
    ----------
    numbers : array of float64, NaN where missing

    Returns
    -------
    list of float, and (low, high) of the other values
    """
    values, counts = np.unique(numbers[np.isfinite(numbers)], return_counts=True)
    many = counts >= max(3, MANY * counts.sum())
    low, high, found = 0, len(values), []
    while high - low > 3:
        for ends in ((0,), (-1,), (0, -1)):
            start, stop = low + (0 in ends), high - (-1 in ends)
            rest = values[stop - 1] - values[start]
            gaps = [values[low + 1] - values[low] if end == 0 else values[high - 1] - values[high - 2] for end in ends]
            outer = [low if end == 0 else high - 1 for end in ends]
            scale = _in_a_scale(values[start:stop], values[outer])
            if stop - start >= 3 and all(many[outer]) and min(gaps) > rest and not scale:
                found += [float(values[place]) for place in outer]
                low, high = start, stop
                break
        else:
            break
    return sorted(found), (float(values[low]), float(values[high - 1])) if len(values) else (np.nan, np.nan)


def _in_a_scale(others, apart):
    """Whether values that stand apart go on in the steps of a logarithmic scale: 1, 10, 100, 1000."""
    positive = others[others > 0]
    if len(positive) < 2 or others[0] < 0 or len(apart) > 1 or apart[0] < others[-1]:
        return False
    return apart[0] / positive[-1] <= positive[-1] / positive[0]


def _points_for_commas(text):
    """Decimal commas as points; a point among them would divide thousands, which is no number here."""
    return text.mask(text.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
