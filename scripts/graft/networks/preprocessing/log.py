"""The natural logarithm of each number plus `offset`, for example from reflectance or transmittance to absorbance."""

import numpy as np

from graft.common.errors import UserError

SETTINGS = {"offset": {"type": "number", "minimum": 0, "default": 0, "description": "What is added first."}}


def apply(rows, axis, offset):
    """log(x + offset)."""
    bad = rows + offset <= 0
    if bad.any():
        column = int(bad.any(0).argmax())
        place = "" if axis is None else f" ({axis[column]:g})"
        least = rows.min()
        raise UserError(
            f"{int(bad.any(1).sum())} of {len(rows)} rows have numbers that are not above 0, first in column {column + 1}{place}",
            allowed="numbers above 0 after `offset` is added",
            hint=f"the lowest is {least:g}: leave these rows out, or set an `offset` above {0 - least:g}",
        )
    return np.log(rows + offset)
