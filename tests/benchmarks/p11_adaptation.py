"""P11: solar cells of one type, labelled, to those of the other: CORAL and a logistic probe, against skada's pipeline."""

import tempfile
from pathlib import Path

import numpy as np
import torch
from skada import CORALAdapter, make_da_pipeline
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

import assets
from benchmarks.elpv import ENTRY
from benchmarks.harness import THREADS, Row, alternate
from benchmarks.own_runs import backbone
from fits import L2S, fit_logistic
from graft.adaptation.domains import Domains
from graft.adaptation.methods import coral
from graft.common.fingerprint import root_of
from graft.data.prepare import prepare
from graft.data.readers import complete
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.evaluation.metrics import auroc
from graft.heads.calibration import log_loss, probabilities
from graft.heads.principal_axes import DEAD
from graft.store import Store

SIZE, L2, HELD_OUT = 160, 0.1, 0.2
ELPV = {**ENTRY, "targets": {**ENTRY["targets"], "type": {"column": "type", "classes": ["mono", "poly"]}}}


class Cells:
    """Embeddings of all cells: monocrystalline ones with labels (source), polycrystalline ones without (target)."""

    def __init__(self, store):
        folder = assets.dataset("elpv")
        entry = complete(ELPV)
        prepared = prepare("elpv", entry, root_of(folder / "dataset.json"), THREADS)
        lite0 = backbone("effnet-lite0", prepared.card, size=SIZE)
        source = open_source(folder / "dataset.json", entry, prepared.card)
        embeddings, _ = features.embed(prepared.frame, source, lite0, Store(store), threads=THREADS)
        labels = (prepared.frame["defect"] == "defective").to_numpy(np.int64)
        mono = (prepared.frame["type"] == "mono").to_numpy()
        self.source, self.labels = embeddings[mono], labels[mono]
        self.target, self.truth = embeddings[~mono], labels[~mono]
        self.held = np.random.default_rng(0).random(len(self.labels)) < HELD_OUT

    def quality(self, odds):
        """AUROC and accuracy of probabilities, shape (n, 2), on the target's labels, which nothing else looks at."""
        return f"AUROC {auroc(self.truth, odds)[0]:.3f}, accuracy {np.mean(odds.argmax(1) == self.truth):.3f}"


def ours(cells, rows, l2s, adapt=True):
    """Probabilities on the target; of several penalties the one that does best on the source rows that are not `rows`."""
    source, unit = torch.from_numpy(cells.source), None
    if adapt:
        maps = coral.maps(Domains.of(source[torch.from_numpy(rows)], cells.target, DEAD), {})
        source, unit = maps.source.of(source), maps.unit
    source = source.numpy()
    weights, biases = fit_logistic(source[rows], cells.labels[rows], 2, l2s, unit=unit)

    def outputs(of, head):
        return of.astype(np.float64) @ weights[head].numpy().T + biases[head].numpy()

    def loss(head):
        return log_loss(outputs(source[~rows], head), cells.labels[~rows]).mean()

    best = min(range(len(l2s)), key=loss) if len(l2s) > 1 else 0
    return probabilities(outputs(cells.target, best))


def skada(cells, rows, l2s, memory=None):
    """The same by the pipeline that skada's documentation shows; `memory` is where it may keep fitted transformers."""
    features_ = np.concatenate([cells.source[rows], cells.target])
    labels = np.concatenate([cells.labels[rows], np.full(len(cells.target), -1)])
    domains = np.where(np.arange(len(labels)) < rows.sum(), 1, -1)

    def fitted(l2):
        head = LogisticRegression(C=2 / (l2 * rows.sum()), max_iter=1000)
        pipeline = make_da_pipeline(StandardScaler(), CORALAdapter(), head, memory=memory)
        return pipeline.fit(features_, labels, sample_domain=domains)

    def odds(pipeline, of, domain):
        return pipeline.predict_proba(of, sample_domain=np.full(len(of), domain), allow_source=True)

    def loss(pipeline):
        return log_loss(np.log(odds(pipeline, cells.source[~rows], 1).clip(1e-300)), cells.labels[~rows]).mean()

    pipelines = [fitted(l2) for l2 in l2s]
    best = min(pipelines, key=loss) if len(l2s) > 1 else pipelines[0]
    return odds(best, cells.target, -1)


def run():
    with tempfile.TemporaryDirectory() as folder, threadpool_limits(THREADS):
        cells = Cells(Path(folder) / "store")
        every = np.ones(len(cells.labels), bool)
        yield _row(
            cells,
            "P11",
            f"CORAL and one logistic probe, {len(every)} labelled rows to {len(cells.target)}; other: skada",
            lambda: ours(cells, every, [L2]),
            lambda: skada(cells, every, [L2]),
            ours(cells, every, [L2], adapt=False),
            why="about half of the time of both goes into the same two eigendecompositions of 1280 x 1280 numbers",
        )
        unadapted = ours(cells, ~cells.held, L2S, adapt=False)
        yield _row(
            cells,
            "P11b",
            f"the same, the L2 chosen out of {len(L2S)} on held-out rows; other: skada's pipeline fitted for each",
            lambda: ours(cells, ~cells.held, L2S),
            lambda: skada(cells, ~cells.held, L2S),
            unadapted,
            repeats=2,
        )

        def cached():
            with tempfile.TemporaryDirectory() as memory:
                return skada(cells, ~cells.held, L2S, memory)

        yield _row(
            cells,
            "P11c",
            "the same; other: skada's pipeline keeps the alignment between the fits",
            lambda: ours(cells, ~cells.held, L2S),
            cached,
            unadapted,
            why="the alignment is computed once on both sides, and on so few rows it costs more than the heads",
        )


def _row(cells, name, what, one, other, unadapted, why="", repeats=3):
    ours_s, other_s, odds, other_odds = alternate(one, other, repeats)
    quality = {"ours": cells.quality(odds), "other": cells.quality(other_odds), "unadapted": cells.quality(unadapted)}
    quality["same predictions"] = float(np.mean(odds.argmax(1) == other_odds.argmax(1)))
    counts = {"source": len(cells.source), "target": len(cells.target), "width": cells.source.shape[1]}
    return Row(name, what, ours_s, other_s, ("at least", 3), quality, counts, why)
