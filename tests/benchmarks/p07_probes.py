"""P7: twenty L2 values times five seeds of linear probes against one fit."""

import numpy as np

from benchmarks.harness import Row, alternate
from graft.heads import fit_logistic

ROWS, WIDTH, CLASSES = 2000, 384, 4


def run():
    draw = np.random.default_rng(0)
    labels = draw.integers(CLASSES, size=ROWS)
    features = (draw.normal(size=(CLASSES, WIDTH))[labels] * 0.15 + draw.normal(size=(ROWS, WIDTH))).astype(np.float32)
    l2s = np.logspace(-4, 1, 20)
    masks = np.stack([draw.permuted(np.arange(ROWS) < 0.8 * ROWS) for _ in range(5)]).astype(float)

    def ours():
        return fit_logistic(features, labels, CLASSES, np.tile(l2s, 5), sample_weight=np.repeat(masks, 20, axis=0))

    def one():
        return [fit_logistic(features, labels, CLASSES, l2s[10:11], sample_weight=masks[:1])]

    ours_s, one_s, (weights, _), ((single, _),) = alternate(ours, one)
    far = float((weights[10] - single[0]).abs().max() / single.abs().max())
    yield Row(
        "P7",
        "100 logistic probes (20 L2 values, 5 subsets of the rows); other: one of them",
        ours_s,
        one_s,
        ("at most", 2),
        quality={"ours": f"weights within {far:.1e} of the single fit"},
        counts={"probes": 100, "rows": ROWS},
    )
