"""Linear probes for several yes-or-no questions on the same rows: one head each, with an L2 of its own."""

import numpy as np
import torch

from graft.heads.probe import solve_probe

QUESTION = {"kind": "classification", "classes": ["no", "yes"]}


def solve_questions(features, codes, splits, folds, target, settings, dead, unit=None, refit=False, weights=None):
    """Fit a head for each question, on the rows that answer it.

    Parameters
    ----------
    codes : float array, shape (n, K): 1 is yes, 0 is no, NaN is not answered
    features, splits, folds, settings, dead, unit, refit, weights : as for `solve_probe`; settings' class_weights are not used

    Returns
    -------
    dict as that of `solve_probe`, with K outputs, of which each is the logit of a yes; "l2" is a list, and the rows of
    "history" name their "question". Where a question has no head without a fold, since the fold answers it nowhere, the head
    of all its rows takes that place.
    """
    found = [
        _solve_one(
            features, codes[:, k], splits, folds, {**settings, "class_weights": "none"}, dead, unit, refit, weights
        )
        for k in range(codes.shape[1])
    ]
    outputs = np.full(codes.shape, np.nan)
    for k, one in enumerate(found):
        outputs[np.isfinite(codes[:, k]), k] = one["outputs"]
    return {
        "weight": torch.stack([one["weight"] for one in found]),
        "bias": torch.stack([one["bias"] for one in found]),
        "unseen": _unseen(found),
        "outputs": outputs,
        "history": [{**row, "question": k} for k, one in enumerate(found) for row in one["history"]],
        "l2": [one["l2"] for one in found],
    }


def _solve_one(features, codes, splits, folds, settings, dead, unit, refit, weights):
    """A probe of two classes, as one logit."""
    rows = np.flatnonzero(np.isfinite(codes))
    own = features if len(rows) == len(features) else features[rows]
    weights = None if weights is None else weights[rows]
    solved = solve_probe(
        own, codes[rows].astype(np.int64), splits[rows], folds[rows], QUESTION, settings, dead, unit, refit, weights
    )
    unseen = solved["unseen"]
    if unseen is not None:
        unseen = {"folds": unseen["folds"], **{key: _difference(unseen[key], 1) for key in ("weight", "bias")}}
    return solved | {
        "weight": _difference(solved["weight"], 0),
        "bias": _difference(solved["bias"], 0),
        "outputs": solved["outputs"][:, 1] - solved["outputs"][:, 0],
        "unseen": unseen,
    }


def _difference(one, axis):
    no, yes = one.unbind(axis)
    return yes - no


def _unseen(found):
    """The heads of all questions for each fold that any has one for."""
    folds = sorted({fold for one in found if one["unseen"] for fold in one["unseen"]["folds"].tolist()})
    if not folds:
        return None

    def heads(one, key):
        own = dict(zip(one["unseen"]["folds"].tolist(), one["unseen"][key], strict=True)) if one["unseen"] else {}
        return torch.stack([own.get(fold, one[key]) for fold in folds])

    return {
        "folds": torch.tensor(folds),
        **{key: torch.stack([heads(one, key) for one in found], 1) for key in ("weight", "bias")},
    }
