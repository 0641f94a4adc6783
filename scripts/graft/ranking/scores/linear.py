"""The linear probe: how good a head on the embeddings is on rows that it did not see."""

import numpy as np

from graft.common import plugins
from graft.heads.principal_axes import DEAD

SETTINGS = {"l2": None, "class_weights": "none"}
BETTER = (("val_auroc", 1), ("val_r2", 1), ("val_map", 1), ("val_mae_levels", -1))  # what is known of it, and its sign


def score(rows):
    """AUROC, R² or mean average precision; for classes in an order the mean error in classes, negative."""
    kind = plugins.load("kind", rows.kind)
    answers, _ = kind.encode(rows.codes, rows.splits == "train", rows.target)
    features = rows.features.astype(np.float32)
    solved = kind.solve(features, answers, rows.splits, rows.folds, rows.target, SETTINGS, DEAD)
    unseen = np.isfinite(solved["outputs"]).all(1)
    if not unseen.any():
        return None
    judged = kind.judge(solved["outputs"][unseen], answers[unseen], None)
    value, sign = next((judged[name], sign) for name, sign in BETTER if name in judged)
    return sign * value if np.isfinite(value) else None
