"""P7: twenty L2 values times five subsets of the rows, all linear probes at once, against one fit."""

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from benchmarks.harness import THREADS, Row, alternate
from fits import fit_logistic, fit_ridge, scores

ROWS, WIDTH, CLASSES, SUBSETS = 2000, 384, 4, 5
L2S = np.logspace(-4, 1, 20)
MIDDLE = 10  # the problem that is fitted alone, too
HALF = max(1, THREADS // 2)  # what a fine-tuning job gets, see half_of_the_cores


def run():
    draw = np.random.default_rng(0)
    labels = draw.integers(CLASSES, size=ROWS)
    features = (draw.normal(size=(CLASSES, WIDTH))[labels] * 0.15 + draw.normal(size=(ROWS, WIDTH))).astype(np.float32)
    masks = np.stack([draw.permuted(np.arange(ROWS) < 0.8 * ROWS) for _ in range(SUBSETS)]).astype(float)
    yield _ridge(features, features @ draw.normal(size=WIDTH) + draw.normal(size=ROWS), masks)
    yield from _logistic(features, labels, masks)


def _ridge(features, values, masks):
    def ours():
        return fit_ridge(features, values, np.tile(L2S, SUBSETS), np.repeat(masks, len(L2S), axis=0))

    def one():
        return fit_ridge(features, values, L2S[MIDDLE : MIDDLE + 1], masks[0])

    ours_s, one_s, (weights, biases), _ = alternate(ours, one, repeats=9, threads=HALF)
    scaled, kept = _standardised(features, masks), masks[0] > 0
    model = Ridge(alpha=L2S[MIDDLE] * kept.sum()).fit(scaled[kept], values[kept])
    predicted = scores(features, weights[MIDDLE : MIDDLE + 1], biases[MIDDLE : MIDDLE + 1])[0, :, 0].numpy()
    far = np.abs(predicted - model.predict(scaled)).max() / values.std()
    return Row(
        "P7",
        f"100 ridge probes (20 L2 values, {SUBSETS} subsets of {ROWS:,} rows, {WIDTH} wide); other: one of them",
        ours_s,
        one_s,
        ("at most", 2),
        quality={"ours": f"predictions within {far:.0e} of scikit-learn's"},
        counts={"probes": 100, "rows": ROWS, "threads": HALF},
        why="every subset has an eigendecomposition of its own, and at this size that is what a fit costs",
    )


def _logistic(features, labels, masks):
    scaled, kept = _standardised(features, masks), masks[0] > 0

    def ours():
        weights = np.repeat(masks, len(L2S), axis=0)
        return fit_logistic(features, labels, CLASSES, np.tile(L2S, SUBSETS), weights)

    def one():
        return fit_logistic(features, labels, CLASSES, L2S[MIDDLE : MIDDLE + 1], masks[0])

    def scikit_learn(tolerance=1e-5):
        model = LogisticRegression(C=1 / (L2S[MIDDLE] * kept.sum()), tol=tolerance, max_iter=1000)
        return model.fit(scaled[kept], labels[kept]).predict_proba(scaled)

    exact = scikit_learn(1e-10)
    for name, what, other in (("P7b", "one of them", one), ("P7c", "one by scikit-learn", scikit_learn)):
        ours_s, other_s, (weights, biases), theirs = alternate(ours, other, threads=HALF)
        quality = {"ours": torch.softmax(scores(features, weights, biases)[MIDDLE], -1).numpy()}
        if other is scikit_learn:
            quality["other"] = theirs
        yield Row(
            name,
            f"100 logistic probes on the same rows, {CLASSES} classes; other: {what}",
            ours_s,
            other_s,
            ("at most", 2),
            quality={
                side: f"probabilities within {np.abs(chances - exact).max():.0e}" for side, chances in quality.items()
            },
            counts={"probes": 100, "rows": ROWS, "threads": HALF},
            why="100 problems need 100 times the arithmetic of one; what they share is the rest",
        )


def _standardised(features, masks):
    """As the heads have it: by the rows that any problem uses."""
    used = features[masks.any(0)].astype(np.float64)
    return (features - used.mean(0)) / used.std(0)
