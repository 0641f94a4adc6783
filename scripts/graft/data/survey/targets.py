"""Which columns of a table may be learned, and whether they hold classes, with an order or several at once, or numbers."""

from graft.data.label_sets import looks_like_lists
from graft.data.survey.scales import LEAST, in_order, says_grades
from graft.data.survey.words import is_aside, says_amount, says_classes, says_group, says_id, says_target

MOST_CLASSES = 200
MOST_GRADES = 10


def is_target(column):
    return says_target(column.name)


def _recurs(column):
    """Whether a class is in several rows as a rule, however many classes there are."""
    return column.filled.value_counts().median() >= 2


def guess_targets(left, content):
    """(column, kind) of what may be learned, 3 at most: columns with a name that says so; beside numbers also others.

    What is in a table beside a vector was measured on the same sample, and a head on a vector costs seconds.
    """
    found = [(c, kind) for c in left.values() if (kind := kind_of_target(c))]
    wanted = [(c, kind) for c, kind in found if not is_no_target(c)]
    found = sorted(wanted or found[:1], key=lambda one: not is_target(one[0]))
    if content and content[0] != "features":
        named = [(column, kind) for column, kind in found if is_target(column)]
        found = named or [(c, kind) for c, kind in found if kind != "regression"][:1] or found[:1]
    return [(column.name, kind) for column, kind in found[:3]]


def facts_of_target(column, kind):
    """What the config says of a target of a kind besides its column, and why (None where it needs no words)."""
    if kind == "ordinal":
        classes = in_order(column.name, list(column.filled.unique())) if column.kind == "words" else None
        order = " < ".join(classes) if classes else "the order of the numbers"
        return {
            "kind": kind,
            **({"classes": classes} if classes else {}),
        }, f"{order}; without an order leave `kind` out"
    if kind == "multilabel":
        mark = None if column.kind == "labels" else looks_like_lists(column.filled)[1]
        return {
            "kind": kind,
            **({"separator": mark} if mark else {}),
        }, "several labels per sample; for one leave `kind` out"
    return ({"kind": kind}, None) if kind == "regression" else ({}, None)


def is_no_target(column):
    """Whether a name says that a column is an id, a replicate's number, a place, a time or a group."""
    name = column.name
    return not is_target(column) and (is_aside(name) or says_group(name) or says_id(name))


def kind_of_target(column):
    """classification, multilabel, ordinal, regression, or None for a column that cannot be learned."""
    if column.kind == "labels":
        return "multilabel"
    if column.values is None or not len(column.filled):
        return None
    repeated = column.unique <= min(MOST_CLASSES, max(2, len(column.filled) / 5))
    if column.kind != "numbers":
        if column.rest and kind_of_target(column.rest) == "regression":
            return "regression"
        if looks_like_lists(column.filled):
            return "multilabel"
        if in_order(column.name, list(column.filled.unique()[: MOST_GRADES + 1])):
            return "ordinal"
        return "classification" if repeated or (says_classes(column.name) and _recurs(column)) else None
    if column.whole and says_classes(column.name) and _recurs(column):
        return "classification"
    if repeated and (column.unique <= 2 or (column.whole and column.unique <= 20 and not says_amount(column.name))):
        return (
            "ordinal"
            if column.whole and LEAST <= column.unique <= MOST_GRADES and says_grades(column.name)
            else "classification"
        )
    return "regression" if column.unique > 10 or (repeated and column.unique > 2) else None
