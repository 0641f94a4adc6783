"""The train rows that are nearest to some rows, by stored embeddings: what a model has learned of such samples."""

import numpy as np

from graft.evaluation.nearness import rows_at, scaling

CELLS = 2**22  # distances that are held at a time


def nearest_train_rows(blocks, frame, asked, columns_differ, count=3):
    """The nearest train rows of each row that is asked.

    Parameters
    ----------
    blocks, frame, columns_differ : as for nearness.measure
    asked : int array, shape (m,), places in `frame`
    count : int; of fewer train rows, all

    Returns
    -------
    places : int array, shape (m, count), in `frame`, the nearest first; never the row itself
    distances : float array, shape (m, count), Euclidean, after scaling
    """
    is_train = (frame["split"] == "train").to_numpy()
    scaled = scaling(blocks, is_train, columns_differ)
    rows = rows_at(blocks, np.asarray(asked, int), scaled).astype(np.float64)
    places, squares = np.empty((len(rows), 0), int), np.empty((len(rows), 0))
    for at, block in blocks():
        of_train = np.flatnonzero(is_train[at])
        for start in range(0, len(of_train), max(1, CELLS // max(1, len(rows)))):
            part = of_train[start : start + max(1, CELLS // max(1, len(rows)))]
            here = scaled(block[part]).astype(np.float64)
            found = (rows**2).sum(1)[:, None] + (here**2).sum(1) - 2 * rows @ here.T
            found[np.asarray(asked)[:, None] == at[part]] = np.inf
            squares = np.hstack([squares, found])
            places = np.hstack([places, np.broadcast_to(at[part], found.shape)])
            first = np.argsort(squares, axis=1, kind="stable")[:, :count]
            squares, places = (np.take_along_axis(one, first, axis=1) for one in (squares, places))
    known = np.isfinite(squares).all(0)  # a train row itself may be the last of its own neighbours
    return places[:, known], np.sqrt(np.maximum(squares[:, known], 0))


def in_words(distance, columns_differ):
    """A distance, or the cosine that vectors of length 1 at that distance have."""
    return f"distance {distance:.3g}" if columns_differ else f"cosine {1 - distance**2 / 2:.3f}"
