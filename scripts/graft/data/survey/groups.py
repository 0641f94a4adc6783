"""Which column of a table says what belongs together: patients, plates, runs; by its name or by how its values repeat."""

from graft.data.survey.features import alone_of
from graft.data.survey.targets import is_target, kind_of_target
from graft.data.survey.words import (
    has_no_name,
    is_aside,
    says_group,
    says_id,
    says_measure,
    says_text,
    says_where_or_when,
)

FEW_ROWS = 20  # of one sample, at most, where it was measured several times


def guess_codes(left, roles):
    """The columns of whole numbers whose values are patients and the like, with any names; a note on doubtful ones.

    Counts and ages repeat, too. But only codes change from block to block of rows up and down, or one by one, or have
    one label each that no threshold divides.
    """
    alone, sure, unsure = alone_of(left), [], []
    for column in left.values():
        name = column.name
        known = says_group(name) or says_id(name) or is_target(column) or says_measure(name) or has_no_name(name)
        if known or name not in alone or is_aside(name) or says_where_or_when(name):
            continue
        if column.values is None or not column.whole or column.holds_dates or not repeats(column):
            continue
        numbers = column.numbers
        in_blocks = (numbers.diff() != 0).sum() <= 1.05 * column.unique
        one_by_one = numbers.max() - numbers.min() < 1.2 * column.unique
        sorted_by_it = numbers.is_monotonic_increasing or numbers.is_monotonic_decreasing
        labelled = one_by_one and any(_labels(column, other) for other in left.values() if other is not column)
        if (in_blocks and (one_by_one or not sorted_by_it)) or labelled:
            sure.append(column)
        elif in_blocks or one_by_one:
            unsure.append(name)
    if unsure:
        shown = ", ".join(f"'{name}'" for name in unsure[:5])
        roles.notes.append(
            f"column {shown} may say which rows belong together: each value is in a few rows; if so: columns: {{group: ..}}"
        )
    return sure


def _labels(codes, labels):
    """Whether every code has one label, and more changes of label along the codes than thresholds explain."""
    if kind_of_target(labels) not in ("classification", "ordinal"):
        return False
    by_code = labels.values.groupby(codes.numbers)
    if by_code.nunique().max() > 1:
        return False
    along = by_code.first().dropna()
    return (along != along.shift()).sum() - 1 > 2 * (labels.unique - 1)


def guess_group(left, roles, codes):
    """Which column says what belongs together: one whose name says so, or ids that are in a few rows each.

    Where both are there, the one is taken that also holds the other's rows together. If neither does, it is the
    repeated ids: runs or instruments then go across the samples.
    """
    plain = [c for c in left.values() if c.values is not None and not is_target(c) and not is_aside(c.name)]
    named = [c for c in plain if says_group(c.name) and 1 < c.unique < 0.8 * len(c.filled)]
    repeated = [
        c for c in plain if says_id(c.name) and c not in named and (c.kind == "words" or c.whole) and repeats(c)
    ]
    repeated += [c for c in codes if c not in repeated]
    if not named and not repeated:
        return
    # Where samples and their patients are in several rows each, the patients are the group.
    outer = next((c for c in repeated if all(_holds(c, other) for other in repeated)), next(iter(repeated), None))
    best = named[0] if named else outer
    if named and repeated and not _holds(named[0], outer):
        best = outer
        roles.notes.append(
            f"column '{named[0].name}' may be the group, too: {best.name} is taken, as its rows are similar"
        )
    roles.group = left.pop(best.name).name
    roles.why_group = None if best in named else _why_repeated(best)


def _holds(outer, inner):
    """Whether all rows of each of one column's values have one value of the other."""
    return outer.values.groupby(inner.values).nunique().max() <= 1


def unnamed_group(left, roles):
    """A column of words that are neither classes nor texts, and are in a few rows each."""
    fits = [
        c
        for c in left.values()
        if c.values is not None
        and c.kind == "words"
        and not c.rest
        and not is_target(c)
        and not says_text(c.name)
        and not is_aside(c.name)
    ]
    best = next((c for c in fits if repeats(c) and (c.unique > max(2, len(c.filled) / 5) or _is_numbered(c))), None)
    if best is not None:
        roles.group, roles.why_group = left.pop(best.name).name, _why_repeated(best)


def repeats(column):
    """Whether the values are in a few rows each, most of them in several."""
    counts = column.filled.value_counts()
    few = 2 <= counts.median() <= FEW_ROWS and (counts > 1).mean() > 0.8
    return few and len(counts) >= max(5, counts.median())


def _is_numbered(column):
    """Whether the values are one word with numbers: S001, S002, .."""
    return (
        column.unique >= 10
        and column.filled.str.fullmatch(r"\D*\d+").all()
        and (column.filled.str.replace(r"\d+$", "", regex=True).nunique() == 1)
    )


def _why_repeated(column):
    return f"each of its {column.unique} values is in about {column.filled.value_counts().median():.0f} rows"
