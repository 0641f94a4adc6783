"""The target's shares of the classes are found from unlabelled rows, and correct the head."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from scipy.special import softmax

from graft.adaptation import label_shift
from graft.adaptation.methods import bbse, label_shift_em
from graft.common.errors import UserError
from graft.heads import calibration

MEANS = np.array([[0.0, 0.0], [2.0, 0.5], [0.5, 2.0]])
BEFORE, AFTER = np.array([0.2, 0.3, 0.5]), np.array([0.6, 0.3, 0.1])


def gaussians(shares, rows, seed=0):
    """Rows of three Gaussian classes of variance 1, with labels."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(len(shares), rows, p=shares)
    return draw.normal(size=(rows, 2)) + MEANS[labels], labels


def logits_of(rows, shares):
    """The exact log posteriors, up to a constant per row."""
    return rows @ MEANS.T - np.square(MEANS).sum(1) / 2 + np.log(shares)


def chances(rows, shares):
    return torch.from_numpy(softmax(logits_of(rows, shares), axis=1))


def most_likely(source, target):
    """The shares of the largest likelihood of the target's rows, found without EM."""
    ratios = target / source.mean(0)
    found = minimize(
        lambda free: -np.log(ratios @ softmax(np.append(free, 0))).mean(), np.zeros(2), tol=1e-14, method="BFGS"
    )
    return softmax(np.append(found.x, 0))


def standard_errors(source, shares, target):
    """Of the shares, from the curvature of the likelihood: the inverse of the observed information, within sum 1."""
    ratios = target / source.mean(0)
    score = ratios / (ratios @ shares)[:, None]
    basis = np.linalg.svd(np.ones((1, len(shares))))[2][1:].T
    return np.sqrt(np.diag(basis @ np.linalg.inv(basis.T @ (score.T @ score) @ basis) @ basis.T))


def test_em_finds_the_shares_of_the_largest_likelihood():
    source, target = chances(gaussians(BEFORE, 4000)[0], BEFORE), chances(gaussians(AFTER, 3000, 1)[0], BEFORE)
    found = label_shift_em.priors(source, None, target)
    np.testing.assert_allclose(found, most_likely(source.numpy(), target.numpy()), atol=1e-5)


def test_em_recovers_known_shares_within_its_standard_error():
    apart = []
    for seed in range(40):
        source = chances(gaussians(BEFORE, 20_000, seed)[0], BEFORE)
        target = chances(gaussians(AFTER, 1000, 100 + seed)[0], BEFORE)
        found = label_shift_em.priors(source, None, target).numpy()
        apart.append((found - AFTER) / standard_errors(source.numpy(), found, target.numpy()))
    apart = np.array(apart)
    assert np.abs(apart.mean(0)).max() < 3 / np.sqrt(40)
    assert 0.7 < apart.std() < 1.3


def test_without_a_shift_the_shares_stay():
    rows = chances(gaussians(BEFORE, 3000)[0], BEFORE)
    np.testing.assert_allclose(label_shift_em.priors(rows, None, rows), rows.mean(0), atol=1e-9)


def test_a_class_that_the_target_lacks_gets_no_share():
    source, target = chances(gaussians(BEFORE, 4000)[0], BEFORE), chances(gaussians([0.7, 0.3, 0], 3000, 1)[0], BEFORE)
    assert label_shift_em.priors(source, None, target)[2] < 0.01


def test_bbse_solves_the_confusion_of_the_validation_rows():
    rows, labels = gaussians(BEFORE, 40_000)
    source, target = chances(rows, BEFORE), chances(gaussians(AFTER, 30_000, 1)[0], BEFORE)
    predicted = source.numpy().argmax(1)
    confusion = np.array([[np.mean((predicted == i) & (labels == j)) for j in range(3)] for i in range(3)])
    weights = np.linalg.inv(confusion) @ np.bincount(target.numpy().argmax(1), minlength=3) / 30_000
    found = bbse.priors(source, torch.as_tensor(labels), target).numpy()
    expected = weights * np.bincount(labels, minlength=3)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-10)
    np.testing.assert_allclose(found, AFTER, atol=0.02)


def test_bbse_gives_no_class_a_negative_share():
    """Of class 0, 4 in 5 rows are predicted right on the source, and all of the target's: solved, the shares are 1.25 and -0.25."""
    predicted, labels = np.repeat([0, 1, 1], [40, 10, 50]), torch.arange(100) // 50
    source, target = (
        torch.eye(2, dtype=torch.float64)[torch.as_tensor(part)] for part in (predicted, np.zeros(30, int))
    )
    assert bbse.priors(source, labels, target).tolist() == [1, 0]


def test_bbse_refuses_a_class_that_is_never_predicted():
    rows, labels = gaussians(BEFORE, 300)
    source = chances(rows, BEFORE)
    source[:, 1] = 0
    with pytest.raises(UserError, match="bbse cannot estimate(.|\n)*label_shift_em"):
        bbse.priors(source, torch.as_tensor(labels), source)


@pytest.mark.parametrize("method", [label_shift_em, bbse])
def test_the_correction_gives_the_targets_posteriors_from_miscalibrated_logits(method):
    rows, labels = gaussians(BEFORE, 20_000)
    asked, truth = gaussians(AFTER, 20_000, 1)
    wrong = np.array([0.8, -0.3, 0.1])  # a temperature and biases that a network may have
    source, target = (logits_of(part, BEFORE) * 3 + wrong for part in (rows, asked))
    facts = label_shift.corrected(method, source, labels, target)
    found = calibration.probabilities(target, facts["temperature"], facts["intercepts"])
    expected = softmax(logits_of(asked, AFTER), axis=1)
    assert np.abs(found - expected).mean() < 0.01
    uncorrected = calibration.probabilities(target, **calibration.fit_calibration(source, labels))
    right, before = (np.mean(part.argmax(1) == truth) for part in (found, uncorrected))
    assert right > before + 0.05
    np.testing.assert_allclose(facts["priors"], np.bincount(truth) / len(truth), atol=0.02)


def test_a_class_without_a_share_keeps_finite_logits():
    rows, labels = gaussians(BEFORE, 500)
    asked, _ = gaussians([1, 0, 0], 200, 1)
    facts = label_shift.corrected(bbse, logits_of(rows, BEFORE), labels, logits_of(asked, BEFORE))
    assert np.isfinite(facts["intercepts"]).all()
