"""Validators are the papers' numbers, higher where the target is predicted better, and what they choose is never source-only."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import softmax
from scipy.stats import entropy as shannon
from sklearn.linear_model import LogisticRegression

from graft.adaptation.choosing import choose
from graft.adaptation.validators import Seen, importance_weighted, snd
from graft.common import plugins

VALIDATORS = list(plugins.names("validator"))
ON_TARGET = ["entropy", "information_maximisation", "bnm", "snd"]


def seen(sharpness=1.0, rows=60, classes=4, seed=0, **changed):
    draw = np.random.default_rng(seed)
    labels = draw.integers(classes, size=rows)
    facts = {
        "source_embeddings": draw.normal(size=(rows, 5)),
        "source_outputs": draw.normal(size=(rows, classes)) + 2 * np.eye(classes)[labels],
        "source_labels": labels,
        "target_embeddings": draw.normal(size=(80, 5)) + 0.7,
        "target_outputs": sharpness * draw.normal(size=(80, classes)),
        "train_embeddings": draw.normal(size=(120, 5)),
        "refit": lambda given: 3 * np.eye(classes)[(labels + (np.arange(rows) % 3 == 0)) % classes],
    }
    return Seen(**facts | changed)


def score(name, of):
    return plugins.load("validator", name).score(of)


def chances(of):
    return softmax(of.target_outputs, axis=1)


def test_a_validator_is_shown_no_label_of_the_target():
    names = [field.name for field in dataclasses.fields(Seen)]
    assert [name for name in names if "label" in name] == ["source_labels"]


@pytest.mark.parametrize("name", VALIDATORS)
def test_the_order_of_the_targets_rows_changes_no_score(name):
    of, order = seen(), np.random.default_rng(1).permutation(80)
    other = dataclasses.replace(
        of, target_embeddings=of.target_embeddings[order], target_outputs=of.target_outputs[order]
    )
    assert score(name, other) == pytest.approx(score(name, of), abs=1e-9)


@pytest.mark.parametrize("name", ON_TARGET)
def test_sure_predictions_of_all_classes_score_higher_than_unsure_ones(name):
    assert score(name, seen(sharpness=30)) > score(name, seen(sharpness=1))


@pytest.mark.parametrize("name", ["information_maximisation", "bnm"])
def test_sure_predictions_of_one_class_score_low(name):
    of = seen(target_outputs=np.tile([30.0, 0, 0, 0], (80, 1)))
    assert score(name, of) < score(name, seen(sharpness=1))


def test_source_validation_is_the_mean_cross_entropy():
    of = seen()
    losses = -np.log(softmax(of.source_outputs, axis=1)[np.arange(60), of.source_labels])
    assert score("source_validation", of) == pytest.approx(-losses.mean())
    of = seen(classes=1, source_labels=np.arange(60.0), source_outputs=np.arange(60.0)[:, None] + 2)
    assert score("source_validation", dataclasses.replace(of, classes=False)) == pytest.approx(-4)


def test_entropy_and_information_are_those_of_the_targets_chances():
    of = seen()
    rows, whole = shannon(chances(of), axis=1).mean(), shannon(chances(of).mean(0))
    assert score("entropy", of) == pytest.approx(-rows)
    assert score("information_maximisation", of) == pytest.approx(whole - rows)


def test_bnm_is_the_nuclear_norm():
    of = seen()
    assert score("bnm", of) == pytest.approx(np.linalg.norm(chances(of), "nuc") / np.sqrt(80), rel=1e-9)


def test_snd_is_the_entropy_of_the_other_rows_by_their_closeness(monkeypatch):
    of = seen()
    units = chances(of) / np.linalg.norm(chances(of), axis=1, keepdims=True)
    found = []
    for row in range(80):
        others = np.delete(np.arange(80), row)
        found.append(shannon(softmax(units[others] @ units[row] / 0.05)))
    assert score("snd", of) == pytest.approx(np.mean(found), rel=1e-9)
    monkeypatch.setattr(snd, "ROWS", 7)
    assert score("snd", of) == pytest.approx(np.mean(found), rel=1e-9)


def test_importance_weights_are_the_density_ratio_of_a_logistic_classifier():
    of = seen()
    both = np.concatenate([of.train_embeddings, of.target_embeddings])
    spread, mean = both.std(0), both.mean(0)
    labels = np.repeat([0, 1], [120, 80])
    plain = LogisticRegression(C=2 / (0.01 * 200), tol=1e-10, max_iter=10_000).fit((both - mean) / spread, labels)
    said = plain.predict_proba((of.source_embeddings - mean) / spread)
    np.testing.assert_allclose(importance_weighted.density_ratios(of), 120 / 80 * said[:, 1] / said[:, 0], rtol=1e-3)


def test_the_weighted_loss_is_that_of_deep_embedded_validation():
    of = seen()
    weights = importance_weighted.density_ratios(of)
    losses = -np.log(softmax(of.source_outputs, axis=1)[np.arange(60), of.source_labels])
    slope = np.cov(weights * losses, weights)[0, 1] / np.var(weights, ddof=1)
    assert score("importance_weighted", of) == pytest.approx(
        -((weights * losses).mean() - slope * (weights.mean() - 1))
    )


def test_the_control_variate_makes_the_weighted_loss_more_exact():
    """Both domains are Gaussian, so that the loss under the target's density is known."""
    plain, steadied = [], []
    for seed in range(60):
        draw = np.random.default_rng(seed)
        train, source, target = draw.normal(size=(400, 1)), draw.normal(size=(200, 1)), draw.normal(size=(400, 1)) + 0.8
        of = seen(
            classes=1,
            source_embeddings=source,
            train_embeddings=train,
            target_embeddings=target,
            source_labels=np.zeros(200),
            source_outputs=source + 1,
        )
        of = dataclasses.replace(of, classes=False)
        plain.append((importance_weighted.density_ratios(of) * (source[:, 0] + 1) ** 2).mean())
        steadied.append(-score("importance_weighted", of))
    truth = 1.8**2 + 1
    assert np.mean(steadied) == pytest.approx(truth, rel=0.1)
    assert np.std(steadied) < 0.8 * np.std(plain)


def test_domains_far_apart_give_finite_scores():
    assert np.isfinite(score("importance_weighted", seen(target_embeddings=np.full((80, 5), 1e4))))


def test_circular_validation_is_the_mean_of_the_classes_recalls_on_the_way_back():
    of = seen()
    predicted = of.refit(None).argmax(1)
    recalls = [np.mean(predicted[of.source_labels == label] == label) for label in range(4)]
    assert score("circular", of) == pytest.approx(np.mean(recalls))
    given = []
    score("circular", dataclasses.replace(of, refit=lambda labels: given.append(labels) or of.refit(labels)))
    np.testing.assert_array_equal(given[0], of.target_outputs.argmax(1))


def test_circular_validation_of_numbers_is_the_squared_error_on_the_way_back():
    of = dataclasses.replace(seen(classes=1, source_labels=np.arange(60.0)), classes=False)
    of = dataclasses.replace(of, refit=lambda given: np.arange(60.0)[:, None] + given.shape[0])
    assert score("circular", of) == pytest.approx(-(80**2))


def table(**scores):
    return pd.DataFrame({"method": ["source_only", "coral", "mmd", "coral"], **scores})


def test_the_best_adapted_candidate_is_chosen_and_the_first_of_equal_ones():
    choice = choose(table(bnm=[0.1, 0.5, 0.9, 0.9]), "bnm")
    assert choice.best == 2 and choice.warning is None
    assert choice.ranks.tolist() == [pd.NA, 3, 1, 2]


def test_source_only_is_never_chosen_but_a_validator_that_prefers_it_warns():
    choice = choose(table(bnm=[0.95, 0.5, 0.9, 0.7]), "bnm")
    assert choice.best == 2
    assert (
        choice.warning
        == "bnm predicts that adapting hurts: without it the score is 0.95. The best adapted model has 0.9 (mmd)"
    )
    assert choose(table(source_validation=[-0.1, -0.5, -0.4, -0.7]), "source_validation").warning is None


def test_what_the_targets_labels_say_changes_no_choice():
    scores = {"snd": [0.1, 0.5, 0.9, 0.7]}
    chosen = [choose(table(**scores, oracle=oracle), "snd").best for oracle in ([1, 1, 0, 0], [0, 0, 1, 1])]
    assert chosen == [2, 2]


def test_scores_that_are_not_finite_are_not_ranked():
    choice = choose(table(circular=[0.5, np.nan, 0.4, -np.inf]), "circular")
    assert choice.best == 2 and choice.ranks.tolist() == [pd.NA, pd.NA, 1, pd.NA]
    assert choose(table(circular=[0.5, np.nan, np.nan, np.nan]), "circular").best is None


def test_a_tensor_of_logits_is_scored_as_an_array():
    of = seen()
    as_tensors = dataclasses.replace(of, target_outputs=torch.from_numpy(of.target_outputs))
    for name in ON_TARGET:
        assert score(name, as_tensors) == pytest.approx(score(name, of))


def test_a_loss_that_large_weights_make_negative_is_the_weighted_mean_in_its_place(monkeypatch):
    weights, losses = np.array([10.0, 5.0, 2.0, 2.0]), np.array([5.0, 0.1, 0.1, 0.1])
    monkeypatch.setattr(importance_weighted, "density_ratios", lambda of: weights)
    monkeypatch.setattr(importance_weighted, "source_losses", lambda of: losses)
    assert np.polyval(np.polyfit(weights, weights * losses, 1), 1) < 0  # what the control variate gives, at weight 1
    assert importance_weighted.score(None) == pytest.approx(-np.average(losses, weights=weights))


def test_no_weight_is_above_the_largest_however_few_rows_the_target_has():
    target = np.random.default_rng(0).normal(size=(3, 5)) + 9
    weights = importance_weighted.density_ratios(seen(target_embeddings=target, source_embeddings=3 * target))
    np.testing.assert_allclose(weights, importance_weighted.LARGEST)


def test_a_validator_that_judges_nothing_says_so():
    table = pd.DataFrame({"method": ["coral", "source_only"], "entropy": [np.nan, -0.5]})
    found = choose(table, "entropy")
    assert found.best is None and "entropy can judge none of the adapted models" in found.warning
