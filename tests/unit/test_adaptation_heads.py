"""A head that is solved on the source's labels acts on the target's embeddings as they are."""

import numpy as np
import pytest
import torch

from graft.adaptation import heads
from graft.common import plugins
from graft.heads import solvers
from graft.heads.calibration import decide, log_loss
from graft.heads.probe import VALIDATION, solve_probe

METHODS = list(plugins.names("adaptation"))
SETTINGS = {"l2": None, "class_weights": "none", "variance": 0.99, "mu": 1.0, "mcc_temperature": 2.5}
TARGET = {"kind": "classification", "classes": ["a", "b", "c"]}
WIDTH = 8


def two_instruments(rows=500, seed=0):
    """Rows of three classes; the other instrument's columns have another scale and zero point."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(3, size=2 * rows)
    features = draw.normal(size=(2 * rows, WIDTH)) + 2.5 * np.eye(WIDTH)[labels]
    scale, zero = draw.uniform(0.3, 3, WIDTH), draw.normal(size=WIDTH) * 3
    source, target = features[:rows], features[rows:] * scale + zero
    return source.astype(np.float32), labels[:rows], target.astype(np.float32), labels[rows:]


def as_source(features, codes, weights=None):
    splits = np.where(np.arange(len(codes)) % 4 < 3, "train", "validation").astype(object)
    return {
        "features": features,
        "codes": codes,
        "splits": splits,
        "folds": np.where(splits == "train", np.arange(len(codes)) % 2, -1),
        "weights": weights,
    }


def adapted(name, source, labels, target, kind=TARGET, **settings):
    return heads.adapt(
        plugins.load("adaptation", name), as_source(source, labels), target, kind, SETTINGS | settings, 1e-5
    )


def right(rows, labels, weight, bias):
    return np.mean(decide(solvers.outputs(rows, weight, bias)) == labels)


@pytest.mark.parametrize("name", ["standardise", "coral", "linear_ot", "mcc_head"])
def test_another_instruments_rows_are_predicted_better_than_without_adaptation(name):
    source, labels, target, truth = two_instruments()
    alone, moved = (adapted(one, source, labels, target) for one in ("source_only", name))
    assert right(target, truth, moved.weight, moved.bias) > right(target, truth, alone.weight, alone.bias) + 0.2
    assert right(target, truth, moved.weight, moved.bias) > 0.85


@pytest.mark.parametrize("name", METHODS)
def test_heads_of_the_folds_and_of_validation_say_of_raw_source_rows_what_the_probe_said(name):
    source, labels, target, _ = two_instruments()
    found = adapted(name, source, labels, target)
    of = as_source(source, labels)
    for number, weight, bias in zip(
        found.unseen["folds"].tolist(), found.unseen["weight"], found.unseen["bias"], strict=True
    ):
        rows = of["splits"] == "validation" if number == VALIDATION else of["folds"] == number
        np.testing.assert_allclose(solvers.outputs(source[rows], weight, bias), found.outputs[rows], atol=1e-3)


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_the_targets_rows_changes_no_head(name):
    source, labels, target, _ = two_instruments()
    order = np.random.default_rng(3).permutation(len(target))
    before, after = (adapted(name, source, labels, part, l2=[0.01]) for part in (target, target[order]))
    np.testing.assert_allclose(after.weight, before.weight, atol=1e-5)
    np.testing.assert_allclose(after.bias, before.bias, atol=1e-5)


def test_source_only_is_the_linear_probe():
    source, labels, target, _ = two_instruments()
    found, of = adapted("source_only", source, labels, target), as_source(source, labels)
    unit = heads.principal_axes.steadied(source[of["splits"] == "train"])
    probe = solve_probe(source, of["codes"], of["splits"], of["folds"], TARGET, SETTINGS, 1e-5, unit)
    np.testing.assert_allclose(found.weight, probe["weight"], atol=1e-6)
    np.testing.assert_allclose(found.bias, probe["bias"], atol=1e-6)


@pytest.mark.parametrize("name", ["label_shift_em", "bbse"])
def test_other_shares_of_the_classes_are_found_and_corrected(name):
    draw = np.random.default_rng(0)
    labels, truth = draw.choice(3, 3000, p=[0.6, 0.3, 0.1]), draw.choice(3, 3000, p=[0.1, 0.2, 0.7])
    source, target = (
        (draw.normal(size=(3000, WIDTH)) + 1.5 * np.eye(WIDTH)[of]).astype(np.float32) for of in (labels, truth)
    )
    alone, found = (adapted(one, source, labels, target) for one in ("source_only", name))
    np.testing.assert_allclose(found.priors, np.bincount(truth) / 3000, atol=0.1)
    logits = solvers.outputs(target, found.weight, found.bias)
    assert np.mean(decide(logits) == truth) > right(target, truth, alone.weight, alone.bias) + 0.05
    lost = log_loss(logits, truth, found.temperature).mean()
    assert lost < log_loss(solvers.outputs(target, alone.weight, alone.bias), truth).mean() - 0.1
    np.testing.assert_allclose(found.weight, alone.weight, atol=1e-6)  # the source's rows are not touched


def test_numbers_are_adapted_too():
    source, _, target, _ = two_instruments()
    draw = np.random.default_rng(5)
    values, scale = source[:, 0].astype(np.float64), draw.uniform(0.5, 2, WIDTH)
    other = draw.normal(size=(400, WIDTH)) + 2.5 * np.eye(WIDTH)[draw.integers(3, size=400)]
    truth, rows = other[:, 0].copy(), (other * scale + 2).astype(np.float32)
    found = adapted("coral", source, values, rows, {"kind": "regression"})
    predicted = solvers.outputs(rows, found.weight, found.bias)[:, 0]
    assert np.corrcoef(predicted, truth)[0, 1] > 0.97
    assert np.abs(predicted - truth).mean() < 0.3


@pytest.mark.parametrize("name", ["source_only", "coral", "subspace"])
def test_the_way_back_with_the_true_labels_is_the_method_from_the_target_to_the_source(name):
    source, labels, target, truth = two_instruments()
    module, of = plugins.load("adaptation", name), as_source(source, labels)
    back = heads.way_back(module, of, target, TARGET, SETTINGS, 1e-5, 0.01)
    weight, bias = back(truth)
    train = of["splits"] == "train"
    whole = {
        **as_source(target, truth),
        "splits": np.full(len(truth), "train", object),
        "folds": np.full(len(truth), -1),
        "weights": None,
    }
    whole["splits"][:1], whole["features"] = "validation", np.concatenate([target[:1], target[1:]])
    expected = heads.adapt(module, whole, source[train], TARGET, SETTINGS | {"l2": [0.01]}, 1e-5)
    np.testing.assert_allclose(weight, expected.weight, atol=0.02)
    np.testing.assert_allclose(bias, expected.bias, atol=0.1)


def test_the_way_back_never_answers_with_a_class_that_no_row_was_given():
    source, labels, target, truth = two_instruments()
    back = heads.way_back(
        plugins.load("adaptation", "coral"), as_source(source, labels), target, TARGET, SETTINGS, 1e-5, 0.01
    )
    for given in (np.where(truth == 1, 2, truth), np.ones_like(truth)):
        predicted = decide(solvers.outputs(source, *back(given)))
        assert set(predicted) == set(given)


def test_the_way_back_of_numbers_predicts_the_sources():
    source, _, target, _ = two_instruments()
    back = heads.way_back(
        plugins.load("adaptation", "coral"),
        as_source(source, source[:, 0]),
        target,
        {"kind": "regression"},
        SETTINGS,
        1e-5,
        1e-4,
    )
    weight, bias = back(target[:, 0].astype(np.float64))
    predicted = torch.from_numpy(source).double() @ weight[0] + bias
    assert np.corrcoef(predicted, source[:, 0])[0, 1] > 0.9


def test_no_small_change_of_mcc_head_lowers_the_sources_loss_and_the_targets_confusion():
    """The losses written out once more: at the head that is found their gradient is 0, and they are lower than at its start."""
    source, labels, target, _ = two_instruments(200)
    of = as_source(source, labels)
    own, asked = source[of["splits"] == "train"].astype(np.float64), target.astype(np.float64)
    rows, others = (torch.from_numpy((one - one.mean(0)) / one.std(0)) for one in (own, asked))
    codes = torch.from_numpy(labels[of["splits"] == "train"])

    def lost(head):
        chances = (others @ weight.T / 2.5 + bias / 2.5).softmax(1)
        sure = (1 + (chances * chances.log()).sum(1).exp()).detach()
        confused = torch.einsum("ni,n,nj->ij", chances, sure / sure.mean(), chances)
        share = confused.diagonal() / confused.sum(1)
        lost = torch.nn.functional.cross_entropy(rows @ weight.T + bias, codes)
        return lost + 0.05 * weight.square().sum() + 1 - share.mean()

    losses, spread, mean = {}, torch.from_numpy(asked.std(0)), torch.from_numpy(asked.mean(0))
    for name in ("standardise", "mcc_head"):
        head = adapted(name, source, labels, target, l2=[0.01])
        weight = (head.weight * spread).requires_grad_()  # as a head of the standardised rows
        bias = (head.bias + head.weight @ mean).requires_grad_()
        losses[name] = lost(head)
        losses[name].backward()
    assert losses["mcc_head"] < losses["standardise"] - 0.01
    assert max(weight.grad.abs().max(), bias.grad.abs().max()) < 1e-3


@pytest.mark.parametrize("name", ["source_only", "coral", "mcc_head"])
def test_a_row_without_weight_may_have_any_label(name):
    source, labels, target, _ = two_instruments(200)
    method, settings = plugins.load("adaptation", name), SETTINGS | {"l2": [0.05]}
    weights = np.where(np.arange(len(labels)) % 5 == 0, 0.0, 1.25)
    found = []
    for given in (labels, np.where(weights == 0, (labels + 1) % 3, labels)):
        head = heads.adapt(method, as_source(source, given, weights), target, TARGET, settings, 1e-5)
        found.append(solvers.outputs(target, head.weight, head.bias))
    even = heads.adapt(method, as_source(source, labels), target, TARGET, settings, 1e-5)
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.abs(found[0] - solvers.outputs(target, even.weight, even.bias)).max() > 0.01
