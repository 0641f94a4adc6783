"""Which columns of a table make up a vector."""

import fnmatch
import re

from graft.data.survey.targets import is_no_target, is_target, kind_of_target
from graft.data.survey.words import is_replicate, says_group, says_id, says_target

FEWEST_FEATURES = 4


def alone_of(names):
    """The names that do not belong to a family with a common stem."""
    return {name for family in by_stem(names).values() if len(family) < FEWEST_FEATURES for name in family}


def guess_features(left, every, same):
    """The columns of a vector: those of a common stem (nm_900, nm_905, ..), else all that are numbers.

    Columns in which nothing differs may be among those of a pattern: other rows may differ there.
    """
    numbers = [c.name for c in left.values() if c.kind == "numbers" and not is_replicate(c.name)]
    flags = [c.name for c in left.values() if _is_flag(c) and not says_target(c.name)]
    if len(numbers) < FEWEST_FEATURES <= len(numbers) + len(flags):
        numbers += flags
    stems = by_stem(numbers)
    stem, members = max(stems.items(), key=lambda item: len(item[1]), default=("", []))
    if len(members) < FEWEST_FEATURES or (stem and len(members) < 0.75 * len(numbers)):  # 900, 905, .. are an axis
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


def by_stem(names):
    """{name without the number at its end: names}"""
    stems = {}
    for name in names:
        stems.setdefault(re.sub(r"[-+]?\d+([.,]\d+)?$", "", name), []).append(name)
    return stems


def _is_flag(column):
    """Whether a column holds True and False, as one of a class that pandas wrote with a column for each."""
    return column.values is not None and set(column.filled.str.casefold().unique()) == {"true", "false"}


def _patterns(members, every, same):
    """The names, shorter: one pattern for all of a stem, if it fits no other column but such as `same`."""
    out = []
    for stem, names in by_stem(members).items():
        pattern = f"{stem}*" if stem else "[0-9]*"
        many = len(names) >= FEWEST_FEATURES
        fits = many and [name for name in fnmatch.filter(every, pattern) if name in names or name not in same] == names
        out += [pattern] if fits else names
    return out[0] if len(out) == 1 and out[0] not in members else out
