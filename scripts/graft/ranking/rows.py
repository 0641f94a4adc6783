"""What a score of a backbone sees: labelled rows with their embeddings, none of the test split."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Rows:
    """n labelled train and validation rows of a target.

    features : float64 array, shape (n, width), their embeddings
    codes : class indices, shape (n,); numbers; or of several labels 1, 0 and NaN where it is not known, shape (n, labels)
    target : dict of labels.json: kind, classes
    units : int array, shape (n,): rows of one unit (a group, a content) are not independent of each other
    splits : array of str, "train" or "validation"; folds : int array, -1 for none
    parameters : int, of the network
    """

    features: np.ndarray
    codes: np.ndarray
    target: dict
    units: np.ndarray
    splits: np.ndarray
    folds: np.ndarray
    parameters: int

    @property
    def kind(self):
        return self.target["kind"]
