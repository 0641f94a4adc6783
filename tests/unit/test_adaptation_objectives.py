"""Objectives are the papers' equations, written out row by row, and what they train does what it should."""

import inspect

import numpy as np
import pytest
import torch
import torch.nn.functional as functional
from torch import nn

from graft.adaptation import batchnorm
from graft.adaptation.objectives import Pair, Sizes, _adversary, shot
from graft.common import plugins

OBJECTIVES = [name for name in plugins.names("adaptation_objective") if name not in ("source_only_full", "adabn")]
SETTINGS = {"mcc_temperature": 2.5}
WIDTH, CLASSES, ROWS = 6, 3, 20


def pair(rows=10, seed=0, shift=1.0):
    torch.manual_seed(seed)
    places = torch.randperm(ROWS)[:rows]
    drawn = torch.randn(rows, WIDTH), torch.randn(rows, CLASSES), torch.randn(rows, WIDTH) + shift
    return Pair(*drawn, 2 * torch.randn(rows, CLASSES), places)


def objective(name, width=WIDTH, outputs=CLASSES, **settings):
    torch.manual_seed(1)
    module = plugins.load("adaptation_objective", name)
    found = module.Objective(Sizes(width, outputs, ROWS), SETTINGS | settings)
    if hasattr(found, "look"):
        found.look(torch.randn(ROWS, width), torch.randn(ROWS, outputs))
    return found


def entropies(chances):
    return -(chances * np.log(chances)).sum(1)


def chances_of(logits):
    return logits.double().softmax(1).numpy()


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_gives_a_finite_number_and_moves_the_targets_embeddings(name):
    both, network = pair(), nn.Linear(WIDTH, CLASSES)
    both.target_embeddings.requires_grad_()
    both.target_logits = network(both.target_embeddings)
    loss = objective(name)(both, 0.7)
    assert loss.shape == () and torch.isfinite(loss)
    loss.backward()
    assert both.target_embeddings.grad.abs().sum() > 0


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_same_seed_gives_the_same_loss(name):
    assert torch.equal(objective(name)(pair(), 0.5), objective(name)(pair(), 0.5))


@pytest.mark.parametrize("name", OBJECTIVES)
def test_no_objective_sees_a_label_of_the_target(name):
    module = plugins.load("adaptation_objective", name)
    assert list(inspect.signature(module.Objective.forward).parameters) == ["self", "pair", "progress"]
    if hasattr(module.Objective, "look"):
        assert list(inspect.signature(module.Objective.look).parameters) == ["self", "embeddings", "logits"]


def test_deep_coral_is_the_distance_of_the_covariances():
    both = pair()
    source, target = (np.cov(part.double().numpy().T) for part in (both.source_embeddings, both.target_embeddings))
    expected = np.linalg.norm(source - target) ** 2 / (4 * WIDTH**2)
    assert float(objective("deep_coral")(both, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_mcc_is_the_mean_confusion_of_the_classes():
    both = pair()
    chances = chances_of(both.target_logits / 2.5)
    weights = 1 + np.exp(-entropies(chances))
    weights *= len(weights) / weights.sum()
    confusion = sum(weight * np.outer(row, row) for weight, row in zip(weights, chances, strict=True))
    confusion /= confusion.sum(1, keepdims=True)
    expected = (confusion.sum() - np.trace(confusion)) / CLASSES
    assert float(objective("mcc")(both, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_the_adversary_is_raised_from_0_to_1_by_the_papers_schedule():
    assert _adversary.strength(0.0) == 0
    assert _adversary.strength(0.25) == pytest.approx(2 / (1 + np.exp(-2.5)) - 1)
    assert _adversary.strength(1.0) == pytest.approx(1, abs=1e-4)


def test_dann_is_the_discriminators_cross_entropy_behind_a_reversed_gradient():
    both, dann = pair(), objective("dann")
    both.source_embeddings.requires_grad_()
    loss = dann(both, 0.25)
    logits = [
        dann.discriminator(part).detach().double().numpy() for part in (both.source_embeddings, both.target_embeddings)
    ]
    expected = np.concatenate([np.log1p(np.exp(-logits[0])), np.log1p(np.exp(logits[1]))]).mean()
    assert float(loss.detach()) == pytest.approx(expected, rel=1e-5)
    turned = torch.autograd.grad(loss, both.source_embeddings)[0]
    asked = both.source_embeddings.detach().requires_grad_()
    plain = torch.autograd.grad(functional.softplus(-dann.discriminator(asked)).sum() / 20, asked)[0]
    torch.testing.assert_close(turned, -_adversary.strength(0.25) * plain)


def test_the_discriminators_own_gradient_is_not_reversed():
    both, dann = pair(), objective("dann")
    optimizer = torch.optim.SGD(dann.parameters(), 0.5)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = dann(both, 0.1)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("name", ["dann", "cdan"])
def test_an_embedding_that_can_be_moved_loses_what_tells_the_domains(name):
    moved, dann = nn.Parameter(torch.zeros(WIDTH)), objective(name)
    optimizer = torch.optim.Adam([{"params": dann.parameters(), "lr": 3e-3}, {"params": [moved], "lr": 3e-2}])
    for step in range(300):
        both = pair(10, step, shift=1.0)
        both.target_embeddings = both.target_embeddings + moved
        optimizer.zero_grad()
        dann(both, step / 300).backward()
        optimizer.step()
    assert (moved.detach() + 1).abs().mean() < 0.5


def test_cdan_weighs_the_product_of_embedding_and_chances_by_its_certainty():
    both, cdan = pair(), objective("cdan")
    losses, weights = [], []
    for embeddings, logits, sign in (
        (both.source_embeddings, both.source_logits, -1),
        (both.target_embeddings, both.target_logits, 1),
    ):
        chances = chances_of(logits)
        products = np.stack(
            [np.outer(one, other).ravel() for one, other in zip(embeddings.numpy(), chances, strict=True)]
        )
        said = cdan.discriminator(torch.from_numpy(products).float()).detach().double().numpy()
        losses.append(np.log1p(np.exp(sign * said)))
        weights.append(1 + np.exp(-entropies(chances)))
    losses, weights = np.concatenate(losses), np.concatenate(weights)
    assert float(cdan(both, 0.5).detach()) == pytest.approx((weights * losses).sum() / weights.sum(), rel=1e-5)


def test_a_large_product_is_replaced_by_random_ones_that_keep_its_scalar_products():
    width, outputs = 1500, 4
    cdan = objective("cdan", width, outputs)
    assert cdan.discriminator[0].in_features == 1024
    torch.manual_seed(0)
    embeddings = torch.randn(2, width) + torch.randn(1, width)
    logits = torch.randn(2, outputs)
    exact = (embeddings[0] @ embeddings[1]) * (logits[0].softmax(0) @ logits[1].softmax(0))
    one, other = cdan._product(embeddings, logits)
    assert float(one @ other) == pytest.approx(float(exact), rel=0.25)
    assert {"of_embedding", "of_classes"} <= cdan.state_dict().keys()  # a resumed training has the same ones


def test_neither_chances_nor_weights_of_cdan_pass_a_gradient_on():
    both = pair()
    both.target_logits.requires_grad_(), both.target_embeddings.requires_grad_()
    objective("cdan")(both, 0.5).backward()
    assert both.target_logits.grad is None and both.target_embeddings.grad.abs().sum() > 0


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.2), (0.5, 0.5), (1.0, 0.8)])
def test_pseudo_labels_are_taken_from_the_surest_share_of_each_class(progress, share):
    chosen = objective("pseudo_labels")
    torch.manual_seed(4)
    logits = torch.randn(ROWS, CLASSES) * torch.linspace(0.2, 4, ROWS)[:, None]
    chosen.look(torch.randn(ROWS, WIDTH), logits)
    chances, both = chances_of(logits), pair()
    predicted, confidence = chances.argmax(1), chances.max(1)
    taken = np.zeros(ROWS, bool)
    for label in range(CLASSES):
        rows = np.flatnonzero(predicted == label)
        taken[rows[np.argsort(-confidence[rows])][: int(np.ceil(share * len(rows) - 1e-9))]] = True
    places = both.target_rows.numpy()
    losses = -np.log(chances_of(both.target_logits))[np.arange(len(places)), predicted[places]]
    assert 0 < taken.sum() < ROWS
    assert float(chosen(both, progress)) == pytest.approx((losses * taken[places]).mean(), rel=1e-5)


def test_shot_is_information_maximisation_with_pseudo_labels():
    both, second = pair(), objective("shot")
    chances = chances_of(both.target_logits)
    mean, labels = chances.mean(0), second.labels[both.target_rows].numpy()
    expected = entropies(chances).mean() + (mean * np.log(mean)).sum()
    expected -= 0.3 * np.log(chances[np.arange(len(labels)), labels]).mean()
    assert float(second(both, 0.5)) == pytest.approx(expected, rel=1e-5)


def test_shots_pseudo_labels_are_the_nearest_weighted_centroids():
    torch.manual_seed(0)
    embeddings, chances = torch.randn(30, WIDTH).double(), torch.randn(30, CLASSES).double().softmax(1)
    rows, weights = embeddings.numpy(), chances.numpy()
    for _ in range(2):
        centroids = [(weights[:, [k]] * rows).sum(0) / weights[:, k].sum() for k in range(CLASSES)]
        cosines = [
            [row @ centroid / np.linalg.norm(row) / np.linalg.norm(centroid) for centroid in centroids] for row in rows
        ]
        labels = np.argmax(cosines, axis=1)
        weights = np.eye(CLASSES)[labels]
    np.testing.assert_array_equal(shot.nearest_centroids(embeddings, chances), labels)


def test_a_class_that_no_row_is_nearest_to_gets_none_in_the_second_round():
    """The centroid of no row is 0: its cosine, 0, would win the row whose others are below 0."""
    embeddings = torch.tensor([[-0.2, -1.4], [-0.1, 0.5], [0.8, -1.1], [-0.6, -0.9]])
    chances = torch.tensor([[0.37, 0.33, 0.3], [0.58, 0.32, 0.1], [0.28, 0.27, 0.45], [0.23, 0.37, 0.4]])
    assert shot.nearest_centroids(embeddings, chances).tolist() == [1, 1, 2, 1]


def test_what_an_objective_learns_and_notes_is_in_its_state():
    for name in OBJECTIVES:
        one = objective(name)
        other = plugins.load("adaptation_objective", name).Objective(Sizes(WIDTH, CLASSES, ROWS), SETTINGS)
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(pair(), 0.5), other(pair(), 0.5))


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.ReLU(), nn.Linear(5, 2))


def test_batchnorm_takes_the_targets_statistics_as_torchs_own_update_does_and_leaves_the_weights():
    own, other = network(), network()
    for one in (own, other):
        one.append(nn.BatchNorm1d(2))  # behind the dropout, which must be off
    other[2] = nn.Identity()
    rows = 3 * torch.randn(60, 4) + 1
    before = {name: value.clone() for name, value in own.named_parameters()}
    batchnorm.take_statistics(own, [(part, len(part)) for part in rows.split(20)])
    torch.optim.swa_utils.update_bn(rows.split(20), other)
    torch.testing.assert_close(own[1].running_mean, other[1].running_mean)
    torch.testing.assert_close(own[1].running_var, other[1].running_var)
    torch.testing.assert_close(own[5].running_mean, other[5].running_mean)
    assert own[1].momentum == 0.1 and not own.training and not own[1].training
    assert all(torch.equal(value, before[name]) for name, value in own.named_parameters())


def test_batches_count_by_their_rows_and_one_row_alone_does_not():
    own, rows = network(), torch.randn(51, 4)
    batchnorm.take_statistics(own, [(part, len(part)) for part in rows.split([30, 20, 1])])
    torch.testing.assert_close(own[1].running_mean, own[0](rows[:50]).mean(0))


def test_deep_coral_of_a_domain_with_one_row_is_0_and_has_a_gradient():
    from graft.adaptation.objectives import deep_coral

    embeddings = torch.randn(1, 4, requires_grad=True)
    loss = deep_coral.Objective(None, {})(Pair(torch.randn(3, 4), None, embeddings, None, None), 0.5)
    loss.backward()
    assert loss == 0 and (embeddings.grad == 0).all()
