"""What a control sees: labelled rows, their contents, and a way to fit scikit-learn's estimators to any kind of target."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np

CLASSES = ("classification", "ordinal")


@dataclass
class Rows:
    """n labelled rows of a target, of all splits.

    frame : DataFrame, rows of the manifest
    codes : what samples.Manifest.codes gives of them
    target : dict of labels.json
    kind : module of targets/kinds
    load : function (path, row, content_sha256) -> content; see readers.opener
    embeddings : float array, shape (n, width), by the untrained twin of a backbone; None if there is none
    threads : int
    """

    frame: object
    codes: np.ndarray
    target: dict
    kind: ModuleType
    load: object
    embeddings: np.ndarray | None = None
    threads: int = 1
    _features: dict = field(default_factory=dict)

    @property
    def splits(self):
        return self.frame["split"].to_numpy(object)

    @property
    def learned(self):
        """The train rows, array of int."""
        return np.flatnonzero(self.splits == "train")

    def contents(self, describe=lambda content: content):
        """`describe` of the content of each row, in a list."""
        places = zip(*(self.frame[name] for name in ("path", "row", "content_sha256")), strict=True)
        with ThreadPoolExecutor(max(1, self.threads)) as pool:
            return list(pool.map(lambda place: describe(self.load(*place)), places))

    def features(self, describe):
        """`describe` of each row's content, float64, shape (n, width): computed once for the controls that share it."""
        if describe not in self._features:
            self._features[describe] = np.stack(self.contents(describe)).astype(np.float64)
        return self._features[describe]

    def fitted(self, features, classifier, regressor):
        """What an estimator of scikit-learn answers for all rows, fitted on the train rows: float array, shape (n, outputs).

        Parameters
        ----------
        features : array or sparse matrix, shape (n, width)
        classifier, regressor : functions without arguments that make an estimator of classes or of numbers
        """
        rows = self.learned
        if self.target["kind"] == "regression":
            return regressor().fit(features[rows], self.codes[rows]).predict(features).reshape(-1, 1)
        if self.target["kind"] in CLASSES:
            return self._chances(features, classifier(), self.codes[rows], rows, len(self.target["classes"]))
        found = []
        for answers in self.codes.T:
            known = rows[np.isfinite(answers[rows])]
            two = self._chances(features, classifier(), answers[known].astype(int), known, 2) if len(known) else None
            found.append(np.full(features.shape[0], 0.5) if two is None else two[:, 1])
        return np.stack(found, axis=1)

    def _chances(self, features, estimator, codes, rows, classes):
        """Probabilities of all classes, of which some may be in no train row, and of which there may be one alone."""
        chances, seen = np.zeros((features.shape[0], classes)), np.unique(codes)
        if len(seen) == 1:
            chances[:, seen[0]] = 1.0
            return chances
        chances[:, seen] = estimator.fit(features[rows], codes).predict_proba(features)
        return chances
