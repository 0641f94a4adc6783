"""The weights of samples: numbers of a column that the user names, which multiply each row's loss in training."""

import numpy as np

from graft.common.errors import UserError, raise_all
from graft.data.labels import to_numbers
from graft.data.listing.rows import listed, places

SINGLE = ("classification", "ordinal")  # kinds of targets with one class per row
ALLOWED = "a finite number >= 0 for every labelled row"


def read_weights(frame, entry, targets):
    """The weight of each row, Series of float; that of a row without a label may be anything, and NaN means that there is none.

    Parameters
    ----------
    frame : DataFrame of a listing, with labelled
    entry : dict, the data set's entry
    targets : list of those that are learned: a row with a label of these needs a weight

    Raises
    ------
    UserError
        If a labelled row has no weight, or one that is no finite number >= 0; names the rows.
    """
    column = entry["columns"].get("weight")
    if not column:
        return frame["weight"].astype(float)
    where = f"columns.weight: {column}"
    weights = to_numbers({column: frame["weight"]}, entry["decimal"], where)[column].astype(float)
    labelled, text = frame["labelled"].to_numpy(bool) & frame[targets].notna().any(axis=1).to_numpy(), frame["weight"]
    empty = labelled & (text.isna() | (text.str.strip().fillna("") == "")).to_numpy(bool)
    unread = labelled & ~empty & ~np.isfinite(weights.to_numpy())
    negative = labelled & (weights < 0).to_numpy()
    hints = {
        "have no weight": "write a number into every labelled row, such as 1; or leave the label of those out that must not count",
        "are no finite numbers": "decimals take a point, or all a comma",
        "are below 0": "write 0 for a row that must not count",
    }
    errors = []
    for (what, hint), rows in zip(hints.items(), (empty, unread, negative), strict=True):
        if rows.any():
            said = [f"{place}: '{v}'" for place, v in zip(places(frame[rows]), text[rows].fillna(""), strict=True)]
            subject = "rows" if what.startswith("have") else "weights"
            errors.append(UserError(f"{len(said)} {subject} {what}:{listed(said)}", where, ALLOWED, hint))
    raise_all(errors)
    return weights


def refuse_nothing(frame, entry, kinds):
    """Refuse train rows whose weights are all 0: those of all, or of a class.

    `kinds` are those of the targets that are learned, name -> kind.
    """
    if not entry["columns"].get("weight"):
        return
    train = frame[frame["split"] == "train"]
    where, errors = f"columns.weight: {entry['columns']['weight']}", []
    if kinds and not (train["weight"] > 0).any():
        what = f"the weights of all {len(train)} train rows are 0"
        raise UserError(what, where, "a train row with a weight above 0")
    for name in (name for name, kind in kinds.items() if kind in SINGLE):
        for word, rows in train[train[name].notna()].groupby(name):
            if not (rows["weight"] > 0).any():
                what = f"the weights of all {len(rows)} train rows of class '{word}' of target {name} are 0"
                hint = "write a small number, such as 0.01; or leave their labels out"
                errors.append(UserError(what, where, "a train row of each class with a weight above 0", hint))
    raise_all(errors)
