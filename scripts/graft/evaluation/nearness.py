"""How near the rows of each split are to the train rows, by stored embeddings: whether validation rows are like the rest.

Messages that quote each other, frames of one film or replicates of one sample that are in train and in validation make
the validation metrics too good. Then validation rows are much nearer to their nearest train row than test or pool rows are.
"""

import hashlib

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from graft.evaluation.metrics import auroc

SPLITS = ("validation", "test", "pool")
MOST = 2000  # rows of a split that are asked; but all train rows are, since one copy among a million counts
CELLS = 2**24  # numbers that a block of distances holds


def nearest(train, rows):
    """Distance of each row to its nearest train row.

    Parameters
    ----------
    train : iterable of float arrays, shape (n, width): blocks of all train rows
    rows : float array, shape (m, width)

    Returns
    -------
    float64 array, shape (m,); inf if there is no train row
    """
    rows = np.asarray(rows, np.float32)
    found, squares = np.full(len(rows), np.inf), (rows.astype(np.float64) ** 2).sum(1)
    step = max(1, CELLS // max(1, len(rows)))
    for block in train:
        for start in range(0, len(block), step):
            part = np.asarray(block[start : start + step], np.float32)
            halves = 0.5 * np.einsum("ij,ij->i", part, part) - rows @ part.T
            found = np.minimum(found, halves.min(1, initial=np.inf))
    return np.sqrt(np.maximum(squares + 2 * found, 0))


def measure(blocks, frame, columns_differ):
    """Compare the splits of a data set.

    Parameters
    ----------
    blocks : function without arguments that gives an iterator of (places in `frame`, embeddings), see
        feature_files.blocks_of; it is called several times
    frame : DataFrame with sample_id, split, sampling_unit, n rows
    columns_differ : bool
        The columns are quantities of their own: they are divided by their spread over the train rows. Embeddings of a
        network are scaled to length 1 instead, and the median is given as a cosine.

    Returns
    -------
    dict
        measure : "cosine" or "distance"
        median : dict, split -> median over its rows, to the nearest train row
        farther : dict, "test" and "pool" -> {"value", "low", "high"}: the probability that a row of it is farther from
            the train rows than a validation row is (0.5: they are equally near), with its 95 % interval over groups
    """
    splits = frame["split"].to_numpy(object)
    kind = "distance" if columns_differ else "cosine"
    if not (splits == "train").any():  # such as the rows that a model is adapted to
        return {"measure": kind, "median": {}, "farther": {}}
    asked = {split: _some(frame["sample_id"], np.flatnonzero(splits == split)) for split in SPLITS}
    asked = {split: places for split, places in asked.items() if len(places)}
    scaled = scaling(blocks, splits == "train", columns_differ)
    places = np.concatenate([*asked.values(), np.empty(0, int)]).astype(int)
    rows = rows_at(blocks, places, scaled)
    distances = nearest((scaled(block[splits[at] == "train"]) for at, block in blocks()), rows)
    measured = {split: distances[np.isin(places, wanted)] for split, wanted in asked.items()}
    units = frame["sampling_unit"].fillna("").str.strip().to_numpy(object)
    units = np.where(units == "", np.array([f"row {i}" for i in range(len(frame))], object), units)
    return {
        "measure": kind,
        "median": {split: _shown(np.median(found), columns_differ) for split, found in measured.items()},
        "farther": {
            split: farther(measured["validation"], measured[split], units[asked["validation"]], units[asked[split]])
            for split in ("test", "pool")
            if "validation" in measured and split in measured
        },
    }


def farther(validation, other, validation_units, other_units):
    """Probability that a row of another split has a larger distance than a validation row, ties counted half.

    The interval is that of the area under the ROC curve (its influence values, summed by group), by Student's t.
    """
    labels = np.repeat([0, 1], [len(validation), len(other)])
    ranks = pd.Series(np.concatenate([validation, other])).rank(method="dense").to_numpy()
    area, influence = auroc(labels, np.column_stack([-ranks, ranks]))
    sums = pd.Series(influence).groupby(np.concatenate([validation_units, other_units])).sum().to_numpy()
    units = len(sums)
    if units < 2:
        return {"value": round(area, 4), "low": None, "high": None}
    half = stdtrit(units - 1, 0.975) * np.sqrt(units / (units - 1) * (sums**2).sum()) / len(labels)
    return {"value": round(area, 4), "low": round(max(0.0, area - half), 4), "high": round(min(1.0, area + half), 4)}


def _some(sample_ids, places):
    """At most MOST of the places, by the hash of their ids: the same ones in any order of the rows."""
    if len(places) <= MOST:
        return places
    keys = [hashlib.sha256(name.encode()).digest() for name in sample_ids.iloc[places]]
    return np.sort(places[np.argsort(np.array(keys, "S32"), kind="stable")[:MOST]])


def scaling(blocks, is_train, columns_differ):
    """A function that scales embeddings before they are compared; see `measure`."""
    return _scale(blocks, is_train) if columns_differ else _to_unit_length


def rows_at(blocks, places, scaled):
    """The scaled embeddings at some places, in their order; None if there is no block."""
    rows, order = None, np.argsort(places)
    for at, block in blocks():
        rows = np.empty((len(places), block.shape[1]), np.float32) if rows is None else rows
        found = np.searchsorted(places, at, sorter=order).clip(max=max(0, len(places) - 1))
        hits = places[order[found]] == at if len(places) else np.zeros(len(at), bool)
        rows[order[found[hits]]] = scaled(block[hits])
    return rows


def _to_unit_length(embeddings):
    embeddings = np.asarray(embeddings, np.float64)
    return embeddings / np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)


def _scale(blocks, is_train):
    """A function that standardises columns as over the train rows, and divides by the root of their number."""

    def mean_of(what):
        sums = [
            (what(np.asarray(block[is_train[at]], np.float64)).sum(0), is_train[at].sum()) for at, block in blocks()
        ]
        return sum(total for total, _ in sums) / max(1, sum(count for _, count in sums))

    mean = mean_of(lambda part: part)
    std = np.sqrt(mean_of(lambda part: (part - mean) ** 2))
    std = np.where(std > 1e-6 * np.abs(mean), std, np.inf)  # constant except for rounding: says nothing
    width = max(1, np.isfinite(std).sum())
    return lambda rows: (np.asarray(rows, np.float64) - mean) / std / np.sqrt(width)


def _shown(distance, columns_differ):
    """A distance, or the cosine that vectors of length 1 at that distance have; to four digits, for any threads."""
    return round(float(distance if columns_differ else 1 - distance**2 / 2), 4)
