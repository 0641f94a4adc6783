"""Numbers as text: with decimal points or commas, and values so far from the others that they may not be measured."""

import re

import numpy as np
import pandas as pd

from graft.common.errors import UserError

COMMA = r"\s*[-+]?(?:\d+,\d*|,\d+)(?:[eE][-+]?\d+)?\s*"
THOUSANDS = r"\s*[-+]?[1-9]\d{0,2}(?:,\d{3})+\s*"  # 1,234 is 1.234 for some and 1234 for others
GROUPED = r"\s*[-+]?[1-9]\d{0,2}(?:\.\d{3})+(?:,\d*)?\s*"  # 1.234 and 1.234,5 where the comma is the decimal mark
BLANK = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}]"
SPACED = rf"\s*[-+]?[1-9]\d{{0,2}}(?:{BLANK}\d{{3}})+(?:[.,]\d*)?\s*"  # 12 345,5
WHOLE = r"\s*[-+]?\d+\s*"
FILLER = r"\s*[-+]?(?:0|99+)\s*"  # is also among numbers that all have their fraction
MANY = 0.01  # share of the rows, and at least 3 of them, from which one value far from the others is no accident


def to_numbers(columns, decimal, where):
    """Columns of text as numbers, NaN where a text is none.

    Parameters
    ----------
    columns : dict, name -> Series of str
    decimal : "point", "comma" (points then divide thousands), or "auto": commas where no number of the column has a
        point, or only such as divides thousands, and some commas cannot divide thousands

    Returns
    -------
    dict, name -> Series of float64

    Raises
    ------
    UserError
        If it is unclear what the commas, or the points, mean.
    """
    columns = {name: _typed(text) for name, text in columns.items()}
    numbers = {name: pd.to_numeric(text, errors="coerce").astype("float64") for name, text in columns.items()}
    if decimal == "point":
        return numbers
    found = {name: _commas(text, numbers[name].notna(), decimal == "comma") for name, text in columns.items()}
    doubtful = {name: example for name, (commas, example) in found.items() if commas and example is not None}
    sure = decimal == "comma" or any(commas and example is None for commas, example in found.values())
    if doubtful and not sure:
        name, example = next(iter(doubtful.items()))
        means = "decimal: comma, if all commas are decimal ones"
        if "." in example:
            means = "decimal: point, if all points are decimal ones; decimal: comma, if they divide thousands"
        raise UserError(
            f"'{example}' in column '{name}' may mean a fraction or thousands",
            where,
            means,
            "otherwise save the table without marks between thousands",
        )
    for name, (commas, _) in found.items():
        if commas:
            numbers[name] = pd.to_numeric(_points_for_commas(columns[name]), errors="coerce").astype("float64")
    return numbers


def _commas(text, known, asked):
    """Whether the commas of a column are decimal ones, and a number that may also be meant otherwise (None: no doubt).

    `known` are the texts that are numbers as they are; `asked` says that the user calls the commas decimal ones.
    """
    points = text[known & text.str.contains(".", regex=False, na=False)]
    grouped_points = _fit(points, GROUPED)
    if known.all() and not (len(points) and grouped_points):
        return False, None
    others = text[~known & text.notna()]
    commas, grouped = others[others.str.fullmatch(COMMA)], others[others.str.fullmatch(GROUPED)]
    certain = len(grouped) + int((~commas.str.fullmatch(THOUSANDS)).sum())
    if asked:
        european = len(commas) or grouped_points
    else:  # without a decimal point, what divides thousands may be a point, and what divides the fraction a comma
        european = grouped_points and (not len(points) or certain or _beside(text[known].drop(points.index)))
    if not (european and len(commas) + len(grouped) + len(points)):
        return False, None
    doubtful = points if len(points) else commas
    return True, None if certain and certain >= len(points) else doubtful.iloc[0].strip()


def _typed(text):
    """Numbers as a keyboard has them: a typeset minus sign becomes -, and blanks between thousands go."""
    other = text[~text.str.isascii().fillna(True).astype(bool) | text.str.contains(" ", regex=False, na=False)]
    if not len(other):
        return text
    plain = other.str.replace("\N{MINUS SIGN}", "-", regex=False)
    spaced = plain.str.fullmatch(SPACED).eq(True)
    return text.mask(text.index.isin(other.index), plain.mask(spaced, plain.str.replace(BLANK, "", regex=True)))


def _fit(texts, pattern):
    """Whether all texts fit a pattern; the first one mostly decides."""
    return not len(texts) or bool(re.fullmatch(pattern, texts.iloc[0]) and texts.str.fullmatch(pattern).all())


def _beside(texts):
    """Whether numbers without a point say that points beside them may divide thousands: 950, but not 1e-5."""
    return _fit(texts, WHOLE) and not texts.str.fullmatch(FILLER).all()


def stands_apart(numbers):
    """Values that many rows share and that are further from all others than these are from each other.

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
    """Whether values far from the others continue in the steps of a logarithmic scale: 1, 10, 100, 1000."""
    positive = others[others > 0]
    if len(positive) < 2 or others[0] < 0 or len(apart) > 1 or apart[0] < others[-1]:
        return False
    return apart[0] / positive[-1] <= positive[-1] / positive[0]


def _points_for_commas(text):
    """Decimal commas as points, without the points that divide thousands; any other point makes no number."""
    grouped = text.str.fullmatch(GROUPED).eq(True)
    text = text.mask(grouped, text.str.replace(".", "", regex=False))
    return text.mask(text.str.contains(".", regex=False, na=False)).str.replace(",", ".", regex=False)
