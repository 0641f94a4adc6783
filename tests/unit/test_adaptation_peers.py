"""Adaptation methods against skada and POT, which `make test` installs (requirements-test.txt)."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from graft.adaptation.domains import Domains
from graft.adaptation.objectives import Pair, Sizes, _adversary
from graft.adaptation.validators import Seen, entropy, importance_weighted
from graft.common import plugins

skada = pytest.importorskip("skada", exc_type=ImportError, reason="skada is not installed: see requirements-test.txt")
DOMAINS = np.repeat([1, -2], [150, 120])
WIDTH = 5


def rows(seed=0):
    """Rows of both domains whose columns have spread 1 over both, so that units play no part."""
    draw = np.random.default_rng(seed)
    source = draw.normal(size=(150, WIDTH)) @ (np.eye(WIDTH) + 0.4 * draw.normal(size=(WIDTH, WIDTH)))
    target = (
        draw.normal(size=(120, WIDTH)) * [1, 2, 0.5, 1, 3] @ (np.eye(WIDTH) + 0.4 * draw.normal(size=(WIDTH, WIDTH)))
    )
    return StandardScaler().fit_transform(np.concatenate([source, target + 1]))


def ours(method, features, **settings):
    domains = Domains.of(features[:150], features[150:], 0.0)
    maps = plugins.load("adaptation", method).maps(domains, {"variance": 1.0, "mu": 1.0} | settings)
    parts = torch.from_numpy(features).split([150, 120])
    return np.concatenate([one.of(part).numpy() for one, part in zip((maps.source, maps.target), parts, strict=True)])


def theirs(adapter, features):
    return np.asarray(adapter.fit_transform(features, sample_domain=DOMAINS))


def test_coral_differs_from_skadas_only_in_the_targets_mean():
    """skada shrinks the covariance of the columns as they are, which here is that of the standardised ones nearly."""
    features = rows()
    found, expected = ours("coral", features), theirs(skada.CORALAdapter(reg="auto"), features)
    expected = expected + np.where((DOMAINS > 0)[:, None], features[150:].mean(0), features[150:].mean(0))
    np.testing.assert_allclose(found, expected, atol=0.15)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999


def test_linear_optimal_transport_is_pots(monkeypatch):
    features = rows()
    monkeypatch.setattr(Domains, "shrunk_covariance", Domains.covariance)  # POT does not shrink
    expected = theirs(skada.LinearOTMappingAdapter(reg=1e-12), features)
    np.testing.assert_allclose(ours("linear_ot", features), expected, atol=0.02)


def test_subspace_alignment_is_skadas():
    features = rows()
    found, expected = ours("subspace", features), theirs(skada.SubspaceAlignmentAdapter(n_components=WIDTH), features)
    signs = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * signs, expected, atol=1e-4)


def drawn():
    torch.manual_seed(0)
    return Pair(
        torch.randn(12, WIDTH), torch.randn(12, 3), torch.randn(12, WIDTH), torch.randn(12, 3), torch.arange(12)
    )


def objective(name, **settings):
    torch.manual_seed(1)
    return plugins.load("adaptation_objective", name).Objective(Sizes(WIDTH, 3, 12), settings)


@pytest.fixture
def deep():
    return pytest.importorskip(
        "skada.deep", exc_type=ImportError, reason="skorch is not installed: see requirements-test.txt"
    )


def test_deep_coral_is_skadas(deep):
    both = drawn()
    expected = deep.losses.deepcoral_loss(both.source_embeddings, both.target_embeddings)
    torch.testing.assert_close(objective("deep_coral")(both, 0.5), expected)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_mcc_is_skadas(deep, temperature):
    both = drawn()
    expected = deep.losses.mcc_loss(both.target_logits, T=temperature)
    torch.testing.assert_close(objective("mcc", mcc_temperature=temperature)(both, 0.5), expected, rtol=1e-5, atol=1e-6)


def test_dann_is_half_of_skadas_sum_of_two_means_and_its_reversal_is_skadas(deep):
    from skada.deep.modules import GradientReversalLayer

    both, dann = drawn(), objective("dann")
    said = [torch.sigmoid(dann.discriminator(part)) for part in (both.source_embeddings, both.target_embeddings)]
    expected = deep.DANNLoss()(said[1], said[0])  # skada calls the target 1
    torch.testing.assert_close(2 * dann(both, 0.5), expected)
    gradients = []
    for reversed_ in (_adversary.Reversed, GradientReversalLayer):
        values = both.source_embeddings.clone().requires_grad_()
        (reversed_.apply(values, 0.3) ** 2).sum().backward()
        gradients.append(values.grad)
    torch.testing.assert_close(*gradients)


class Answers:
    """A fitted estimator, as skada's scorers take it, whose features are its inputs."""

    def __init__(self, chances):
        self.chances, self.module_ = chances, type("Module", (), {"layer_name": "own"})

    def predict_features(self, rows):
        return rows

    def predict_proba(self, rows, sample_domain=None, allow_source=False):
        return self.chances(rows)


def test_the_validators_of_entropy_and_deep_embedded_validation_are_skadas():
    from skada.metrics import DeepEmbeddedValidation, PredictionEntropyScorer
    from sklearn.model_selection import train_test_split

    features, draw = rows(), np.random.default_rng(0)
    weight = draw.normal(size=(WIDTH, 3))
    labels = np.where(DOMAINS > 0, draw.integers(3, size=270), -1)

    def chances(of):
        logits = of @ weight
        return np.exp(logits) / np.exp(logits).sum(1, keepdims=True)

    # skada splits the source itself, and its classifier of domains has a penalty of its own: ours is given the same.
    train, held, _, known = train_test_split(features[:150], labels[:150], test_size=0.33, random_state=3)
    of = Seen(held, held @ weight, known, features[150:], features[150:] @ weight, train)
    l2 = importance_weighted.L2
    both = np.concatenate([train, features[150:]])
    mean, spread = both.mean(0), both.std(0)

    class Standardised(LogisticRegression):
        def fit(self, rows, labels):
            return super().fit((rows - mean) / spread, labels)

        def predict_proba(self, rows):
            # In skada's DEV, column 0 is the target (label 0) and column 1 the source.
            return super().predict_proba((rows - mean) / spread)

    classifier = Standardised(C=2 / (l2 * len(both)), tol=1e-10, max_iter=10_000)
    # A column of losses: from a row of them, skada's own default makes a matrix.
    scorer = DeepEmbeddedValidation(classifier, lambda y, odds: -np.log(odds[np.arange(len(y)), y])[:, None], 3)
    estimator = Answers(chances)
    assert importance_weighted.score(of) == pytest.approx(
        scorer(estimator, features, labels, sample_domain=DOMAINS), rel=1e-3
    )
    # The mean is over rows and classes there.
    expected = 3 * PredictionEntropyScorer()(estimator, features, labels, sample_domain=DOMAINS)
    assert entropy.score(of) == pytest.approx(expected, rel=1e-6)
