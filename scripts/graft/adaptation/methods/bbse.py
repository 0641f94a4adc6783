"""Estimates the target's class shares from how often each class is predicted there: BBSE (Lipton, Wang and Smola 2018)."""

import torch

from graft.common.errors import UserError

CLASSES_ONLY = True

SINGULAR = 1e-2  # of the largest singular value: below, two classes are predicted alike, and nothing tells their shares


def priors(source, labels, target):
    """q from C q = m (algorithm 1): C[i, j] = P(predicted i | class j) on source rows, m[i] = P(predicted i) on the target's.

    The paper's weights are q(j) / p(j). Negative shares become 0, as the weights do in the authors' code.

    Raises
    ------
    UserError
        If two classes are predicted so much alike that C has no inverse, or a class is never predicted, or has no row.
    """
    classes = source.shape[1]
    cells = torch.bincount(source.argmax(1) * classes + labels, minlength=classes**2).double().view(classes, classes)
    confusion = cells / cells.sum(0).clamp_min(1)
    values = torch.linalg.svdvals(confusion)
    if values[-1] < SINGULAR * values[0]:
        raise UserError(
            "bbse cannot estimate the shares of the classes: on the source's validation rows two classes get the same predictions, or a class is "
            "never predicted",
            hint="use `method: label_shift_em`, which needs no table of such mistakes",
        )
    predicted = torch.bincount(target.argmax(1), minlength=classes).double() / len(target)
    shares = torch.linalg.solve(confusion, predicted).clamp_min(0)
    return shares / shares.sum()
