"""Which columns of a table make up a vector."""

import fnmatch
import re

from graft.data.survey.targets import is_no_target, is_target, kind_of_target
from graft.data.survey.words import is_replicate, says_group, says_id, says_target

FEWEST_FEATURES = 4
AXIS = "[0-9]*"  # the pattern of columns whose names are numbers, such as wavelengths


def alone_of(names):
    """The names that do not belong to a family that one pattern names."""
    return {name for family in by_pattern(names).values() if len(family) < FEWEST_FEATURES for name in family}


def guess_features(left, every, same):
    """The columns of a vector: those that one pattern names (nm_900, .. or 900 nm, ..), else all that are numbers.

    Columns in which nothing differs may be among those of a pattern: other rows may differ there.
    """
    numbers = [c.name for c in left.values() if c.kind == "numbers" and not is_replicate(c.name)]
    flags = [c.name for c in left.values() if _is_flag(c) and not says_target(c.name)]
    if len(numbers) < FEWEST_FEATURES <= len(numbers) + len(flags):
        numbers += flags
    families = by_pattern(numbers)
    pattern, members = max(families.items(), key=lambda item: len(item[1]), default=(AXIS, []))
    if len(members) < FEWEST_FEATURES or (pattern != AXIS and len(members) < 0.75 * len(numbers)):
        members = [name for name in numbers if not (says_target(name) or _is_name(left[name]))]
        words = [c for c in left.values() if c.kind == "words" and kind_of_target(c) and not is_no_target(c)]
        words = [c for c in words if c.name not in numbers]
        if len(members) == len(numbers) and not words:
            members = members[:-1]  # the last column is what is to be predicted, as in most tables of numbers
        if len(members) < FEWEST_FEATURES:
            return None
    for name in members:
        del left[name]
    return "features", _patterns(members, every, {c.name for c in same if c.kind == "numbers"})


def gaps(left, roles, columns):
    """Remove the columns that are among the features and hold words for "missing"; a note on them."""
    taken = [place for place, c in enumerate(columns) if c.kind == "numbers" and c.name not in left]
    found = [c for c in columns[: max(taken, default=0)] if c.rest and c.name in left and not is_target(c)]
    for column in found:
        del left[column.name]
        roles.notes.append(
            f"column '{column.name}' is no feature, as '{column.unsure[0]}' is among its numbers: leave such cells empty, "
            "or the rows out"
        )
    return [column.name for column in found]


def _is_name(column):
    """Whether numbers are names: of samples, plates, ..; a refractive index is not."""
    return column.whole and (says_id(column.name) or says_group(column.name))


def by_pattern(names):
    """{pattern: names}: a star for the number at the end of a name (nm_900), or at its start before a unit (900 nm)."""
    families = {}
    for name in names:
        pattern = re.sub(r"[-+]?\d+([.,]\d+)?$", "*", name)
        pattern = re.sub(r"^[-+]?\d+([.,]\d+)?(?=[ _]?[^\W\d_]+$)", "*", pattern)
        families.setdefault(AXIS if pattern == "*" else pattern, []).append(name)
    return families


def _is_flag(column):
    """Whether a column holds True and False, as one of a class that pandas wrote with a column for each."""
    return column.values is not None and set(column.filled.str.casefold().unique()) == {"true", "false"}


def _patterns(members, every, same):
    """The names, shorter: one pattern for all of a family, if it fits no other column but such as `same`."""
    out = []
    for pattern, names in by_pattern(members).items():
        many = len(names) >= FEWEST_FEATURES
        fits = many and [name for name in fnmatch.filter(every, pattern) if name in names or name not in same] == names
        out += [pattern] if fits else names
    return out[0] if len(out) == 1 and out[0] not in members else out
