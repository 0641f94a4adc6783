"""Which validation rows choose nothing of a network that is trained, so that they can calibrate its prediction sets.

Validation rows choose the epoch and the temperature. A set that is calibrated by the same rows holds the truth less often than it
says. So one half of the rows chooses and the other half calibrates. A hash of the group (or of the content) decides, so that a
row stays in its half when data are added.
"""

import hashlib

import numpy as np

LEAST = 9  # calibrating rows that 90 % needs: 1 / (1 - 0.9) - 1
FEW_CLASSES = 10  # up to which each class has its own threshold, and so needs LEAST rows


def kept_aside(rows, targets):
    """The validation rows that calibrate.

    Parameters
    ----------
    rows : DataFrame with split, sampling_unit, content_sha256 and the columns of the targets; n labelled rows
    targets : dict, target -> its facts in labels.json

    Returns
    -------
    bool array, shape (n,); all False where the half of the rows would be too few for every target
    """
    aside = (rows["split"] == "validation").to_numpy() & second_half(rows)
    enough = any(_is_enough(rows.loc[aside, name], facts) for name, facts in targets.items())
    return aside if enough else np.zeros(len(rows), bool)


def second_half(rows):
    """Whether each row is in the half that calibrates, bool array; what is drawn together is in one half."""
    units = rows["sampling_unit"].fillna("").str.strip()
    names = units.where(units != "", rows["content_sha256"])
    halves = {name: hashlib.sha256(f"calibrating {name}".encode()).digest()[0] % 2 == 1 for name in names.unique()}
    return names.map(halves).to_numpy(bool)


def _is_enough(labels, facts):
    classes = facts.get("classes")
    if facts["kind"] in ("regression", "multilabel") or len(classes) > FEW_CLASSES:
        return labels.notna().sum() >= LEAST
    return labels.value_counts().reindex(classes, fill_value=0).min() >= LEAST
