"""Scores of backbones, against other implementations of the same papers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge
from sklearn.neighbors import KNeighborsClassifier

from graft.ranking.rows import Rows
from graft.ranking.scores import h_score, knn, linear, logme, size


def drawn(seed=0, n=120, width=12, classes=3, signal=1.0):
    draw = np.random.default_rng(seed)
    codes = draw.integers(0, classes, n)
    centres = draw.normal(size=(classes, width)) * signal
    return draw.normal(size=(n, width)) + centres[codes], codes


def rows(features, codes, kind="classification", units=None, **more):
    count, classes = len(features), [str(one) for one in range(3)]
    facts = {"kind": kind} | ({} if kind == "regression" else {"classes": classes})
    parts = np.where(np.arange(count) % 5, "train", "validation")
    units = np.arange(count) if units is None else units
    return Rows(features, codes, facts, units, parts, np.arange(count) % 4, 1000, **more)


def evidence(features, answers):
    """The maximum of log p(y | F) / n by scikit-learn."""
    fitted = BayesianRidge(
        max_iter=5000, tol=1e-12, alpha_1=0, alpha_2=0, lambda_1=0, lambda_2=0, compute_score=True, fit_intercept=False
    ).fit(features, answers)
    return fitted.scores_[-1] / len(answers)


@pytest.mark.parametrize("width", [5, 40, 200])
def test_logme_is_the_evidence_of_scikit_learns_bayesian_ridge(width):
    features, codes = drawn(width=width)
    wanted = np.mean([evidence(features, (codes == one).astype(float)) for one in range(3)])
    assert logme.score(rows(features, codes)) == pytest.approx(wanted, abs=2e-3)
    numbers = features[:, 0] * 2 + np.random.default_rng(1).normal(size=120)
    assert logme.score(rows(features, numbers, "regression")) == pytest.approx(evidence(features, numbers), abs=2e-3)


def test_logme_of_several_labels_leaves_out_those_that_are_not_known_everywhere():
    features, codes = drawn()
    answers = np.stack([codes == 0, codes == 1], 1).astype(float)
    both = logme.score(rows(features, answers, "multilabel"))
    answers[3, 1] = np.nan
    assert logme.score(rows(features, answers, "multilabel")) != both
    assert logme.score(rows(features, answers, "multilabel")) == pytest.approx(
        evidence(features, answers[:, 0]), abs=2e-3
    )
    answers[3] = np.nan
    assert logme.score(rows(features, answers, "multilabel")) is None


def test_h_score_is_that_of_the_papers_formula():
    from sklearn.covariance import LedoitWolf

    features, codes = drawn()
    fitted = LedoitWolf().fit(features)
    means = np.stack([features[codes == one].mean(0) for one in codes])
    between = np.cov(means.T, bias=True)
    wanted = (1 - fitted.shrinkage_) * np.trace(np.linalg.pinv(fitted.covariance_) @ between)
    assert h_score.score(rows(features, codes)) == pytest.approx(wanted)
    assert h_score.score(rows(features, codes * 1.0, "regression")) is None


def test_neighbours_vote_as_scikit_learns_do_and_never_for_a_row_of_their_own_group():
    features, codes = drawn(signal=0.7)
    said = []
    for row in range(len(codes)):
        others = np.arange(len(codes)) != row
        judge = KNeighborsClassifier(10, metric="cosine", weights=lambda distance: np.exp((1 - distance) / 0.07))
        said.append(judge.fit(features[others], codes[others]).predict(features[[row]])[0] == codes[row])
    assert knn.score(rows(features, codes)) == pytest.approx(np.mean(said))
    twice, labels = np.repeat(features, 2, 0), np.repeat(np.random.default_rng(0).permutation(codes), 2)
    assert knn.score(rows(twice, labels)) > 0.9  # a copy says the label
    assert knn.score(rows(twice, labels, units=np.arange(240) // 2)) < 0.6


@pytest.mark.parametrize("score", [logme.score, h_score.score, knn.score, linear.score])
def test_more_signal_is_a_better_score_and_the_scale_of_embeddings_does_not_matter(score):
    scores = [score(rows(*drawn(signal=signal))) for signal in (0.0, 0.5, 1.5)]
    assert scores == sorted(scores) and scores[0] < scores[2]
    features, codes = drawn()
    assert score(rows(features * 50, codes)) == pytest.approx(score(rows(features, codes)), rel=1e-3)


def test_the_linear_probe_is_judged_on_rows_that_it_did_not_see():
    features, codes = drawn(width=200, signal=0.0)
    assert linear.score(rows(features, codes)) < 0.65  # a head of 200 numbers knows every row that it saw
    numbers = features[:, :3].sum(1)
    assert linear.score(rows(features, numbers, "regression")) > 0.3
    answers = np.stack([numbers > 0, features[:, 5] > 0, features[:, 6] > 1], 1).astype(float)
    assert 0.3 < linear.score(rows(features, answers, "multilabel")) <= 1
    assert -1 < linear.score(rows(*drawn(), "ordinal")) < 0


def test_a_network_without_parameters_has_no_size():
    features, codes = drawn()
    assert size.score(rows(features, codes)) == 3.0
    assert size.score(replace(rows(features, codes), parameters=0)) is None
