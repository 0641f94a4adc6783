"""The solvers of linear heads agree with scikit-learn, and solve many problems as they solve one."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from fits import L2S, fit_logistic, fit_ridge, scores
from graft.common.errors import UserError
from graft.heads import lbfgs, solvers
from graft.heads.lbfgs import ROWS
from graft.heads.principal_axes import rotate


def problem(rows, width, classes, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, width)) * rng.uniform(0.1, 5, width) + 3 * rng.normal(size=width)
    scaled = (features - features.mean(0)) / features.std(0)
    labels = (scaled[:, :classes] + rng.normal(size=(rows, classes))).argmax(1)
    return features, labels


def sklearn_chances(features, labels, l2, weight, two):
    scaler = StandardScaler().fit(features)
    model = LogisticRegression(C=(2 if two else 1) / (l2 * weight.sum()), tol=1e-10, max_iter=20000)
    return model.fit(scaler.transform(features), labels, weight).predict_proba(scaler.transform(features))


@pytest.mark.parametrize(("rows", "width", "classes"), [(200, 30, 3), (50, 80, 4), (200, 10, 2), (ROWS + 50, 4, 3)])
@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_heads_agree_with_scikit_learn(rows, width, classes, weighted):
    features, labels = problem(rows, width, classes)
    weight = np.random.default_rng(1).uniform(0.1, 2, rows) if weighted else np.ones(rows)
    l2s = [1e-3, 1e-1, 10.0]
    weights, biases = fit_logistic(features, labels, classes, l2s, sample_weight=weight if weighted else None)
    ours = torch.softmax(scores(features, weights, biases), -1).numpy()
    assert weights.shape == (3, classes, width) and biases.shape == (3, classes)
    for one, l2 in zip(ours, l2s, strict=True):
        np.testing.assert_allclose(one, sklearn_chances(features, labels, l2, weight, classes == 2), atol=1e-4)


def test_ridge_heads_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    for rows, width in ((60, 20), (20, 60), (ROWS + 50, 4)):
        features, _ = problem(rows, width, 2)
        scaled = (features - features.mean(0)) / features.std(0)
        targets = rng.normal(size=(rows, 2))
        folds = np.stack([np.arange(rows) % 3 != fold for fold in range(3)]).astype(float)
        weights = np.concatenate([folds, rng.uniform(0.1, 2, (1, rows)), np.ones((1, rows))])
        l2s, each = np.tile(L2S, len(weights)), np.repeat(weights, len(L2S), axis=0)
        predicted = scores(features, *fit_ridge(features, targets, l2s, sample_weight=each))
        for one, l2, weight in zip(predicted.numpy(), l2s, each, strict=True):
            model = Ridge(alpha=l2 * weight.sum()).fit(scaled, targets, sample_weight=weight)
            np.testing.assert_allclose(one, model.predict(scaled), atol=1e-8)


def test_folds_solved_together_equal_folds_solved_alone():
    features, labels = problem(90, 12, 3)
    folds = np.arange(90) % 3
    masks = np.stack([folds != fold for fold in range(3)] + [np.ones(90)]).astype(float)
    weights, biases = fit_logistic(features, labels, 3, [0.1] * 4, sample_weight=masks)
    for fold in range(3):
        # The second problem uses all rows, so that the shared standardisation is the same.
        alone = fit_logistic(features, labels, 3, [0.1] * 2, sample_weight=masks[[fold, 3]])
        torch.testing.assert_close(weights[fold], alone[0][0], atol=1e-4, rtol=0)
        torch.testing.assert_close(biases[fold], alone[1][0], atol=1e-3, rtol=0)


def test_a_class_without_a_row_changes_nothing_for_the_others_and_is_as_rare_as_half_a_row():
    features, labels = problem(90, 12, 2)
    mask = np.stack([np.ones(90), labels > 0]).astype(float)
    l2s, subsets = [0.1, 0.1], mask
    weights, biases = fit_logistic(features, np.where(labels == 1, 3, 0), 4, l2s, sample_weight=subsets)
    alone = fit_logistic(features, labels, 2, [0.1] * 2, sample_weight=np.ones((2, 90)))
    torch.testing.assert_close(weights[0][[0, 3]], alone[0][0], atol=1e-4, rtol=0)
    torch.testing.assert_close(biases[0][3] - biases[0][0], alone[1][0][1] - alone[1][0][0], atol=1e-3, rtol=0)
    assert (weights[0][[1, 2]] == 0).all() and (weights[1] == 0).all()  # the second problem has one class
    shares = torch.softmax(scores(features, weights, biases)[0], -1).mean(0)
    assert (shares[1:3] > 0).all() and (shares[1:3] < 0.02).all()


@pytest.mark.parametrize("rows", [1, 4])
def test_rows_that_are_all_the_same_give_the_shares_of_their_classes(rows):
    features, labels = np.ones((rows, 5)), np.array([0, 1, 1, 1])[-rows:]
    weights, biases = fit_logistic(features, labels, 2, [0.1])
    assert (weights == 0).all()
    share = torch.softmax(biases[0], 0)[1]
    assert share > 0.6 if rows == 1 else share == pytest.approx(0.75, abs=1e-6)


@pytest.mark.parametrize("seed", [3, 9, 14])
def test_few_rows_are_rotated_among_many_that_are_not_used(seed):
    draw = np.random.default_rng(seed)
    features, used = np.maximum(draw.normal(size=(415, 1280)), 0).astype(np.float32), np.zeros(415, bool)
    used[draw.permutation(415)[:21]] = True
    found, alone = rotate(features, used), rotate(features[used])
    torch.testing.assert_close(found.variance, alone.variance, atol=1e-6, rtol=1e-6)
    assert found.values.shape == (415, len(alone.variance))


def test_penalties_that_are_solved_in_several_batches_give_what_each_gives_alone():
    features, labels = problem(60, 8, 3)
    classes = 200  # so many that not all penalties fit into one batch
    together = fit_logistic(features, labels, classes)
    for place in (0, len(L2S) // 2, -1):
        alone = fit_logistic(features, labels, classes, [L2S[place]])
        torch.testing.assert_close(together[0][place], alone[0][0], atol=1e-4, rtol=1e-3)


def test_a_fold_learns_nothing_from_the_labels_it_leaves_out():
    features, labels = problem(60, 8, 3)
    masks = np.stack([np.arange(60) % 2 == 0, np.arange(60) % 2 == 1]).astype(float)
    changed = np.where(np.arange(60) % 2 == 1, (labels + 1) % 3, labels)
    first = fit_logistic(features, labels, 3, [0.1, 0.1], sample_weight=masks)
    second = fit_logistic(features, changed, 3, [0.1, 0.1], sample_weight=masks)
    torch.testing.assert_close(first[0][0], second[0][0], atol=1e-6, rtol=0)
    assert (first[0][1] - second[0][1]).abs().max() > 0.01


@pytest.mark.parametrize("fit", ["logistic", "ridge"])
def test_rows_of_weight_0_count_as_if_they_were_not_there(fit):
    features, labels = problem(60, 6, 3)
    weight = (np.arange(60) < 40).astype(float)
    wild = np.where(weight[:, None] > 0, features, 100.0)
    if fit == "logistic":
        with_, without = (
            fit_logistic(wild, labels, 3, [0.1], weight),
            fit_logistic(features[:40], labels[:40], 3, [0.1]),
        )
    else:
        with_, without = (
            fit_ridge(wild, labels, [0.1], weight),
            fit_ridge(features[:40], labels[:40], [0.1]),
        )
    torch.testing.assert_close(with_[0], without[0], atol=1e-5, rtol=0)


def test_a_penalty_of_almost_nothing_still_gives_finite_heads():
    features = np.concatenate([np.zeros((10, 4)), np.ones((10, 4))])
    weights, biases = fit_logistic(features, np.repeat([0, 1], 10), 2, [1e-14, 1e-300])
    assert torch.isfinite(weights).all() and torch.isfinite(biases).all()


def test_rows_that_are_all_certain_leave_a_finite_inverse_hessian():
    assert torch.isfinite(lbfgs.inverse_hessian(torch.zeros(1, 3), torch.tensor([0.0]), torch.ones(3))).all()


def test_row_weights_stand_for_repeated_rows():
    features, labels = problem(40, 6, 3)
    times = np.random.default_rng(0).integers(1, 4, 40)
    weight = np.concatenate([times, times]).astype(float)
    twice, twice_labels = np.concatenate([features, features]), np.concatenate([labels, labels])
    weights, biases = fit_logistic(twice, twice_labels, 3, [0.05], sample_weight=weight)
    plain, plain_biases = fit_logistic(features, labels, 3, [0.05], sample_weight=times.astype(float))
    torch.testing.assert_close(weights, plain, atol=1e-5, rtol=0)
    torch.testing.assert_close(biases, plain_biases, atol=1e-4, rtol=0)


@pytest.mark.parametrize("fit", [fit_logistic, fit_ridge])
def test_constant_and_dead_columns_get_no_weight(fit):
    features, labels = problem(50, 6, 3)
    features = np.column_stack(
        [features, np.full(50, 7.0), 1e-33 * features[:, 0], np.full(50, 1e4) + 1e-6 * features[:, 0]]
    )
    arguments = (features, labels, 3) if fit is fit_logistic else (features, labels)
    weights, biases = fit(*arguments)
    assert weights[..., 6:].abs().max() == 0
    assert weights[..., :6].abs().max() > 0.01
    assert torch.isfinite(weights).all() and torch.isfinite(biases).all()


@pytest.mark.parametrize("fit", [fit_logistic, fit_ridge])
def test_of_columns_with_units_those_that_are_constant_or_a_few_tiny_spikes_get_no_weight(fit):
    """A step in the last place of float32; a unit of MiniLM that never fires; but not one row of its own kind."""
    features, labels = problem(50, 6, 3)
    step = np.float32(np.random.default_rng(0).choice([0.1, np.nextafter(np.float32(0.1), np.float32(1))], 50))
    spikes = 1e-33 * np.exp(50 * np.random.default_rng(1).random(50))
    one_hot = np.arange(50) == 7
    features = np.column_stack([features * 1e-9, features[:, 0], step, spikes, one_hot]).astype(np.float32)
    arguments = (features, labels, 3) if fit is fit_logistic else (features, labels)
    weights, _ = fit(*arguments, dead=0)
    assert weights[..., [7, 8]].abs().max() == 0
    assert (weights[..., [0, 1, 2, 3, 4, 5, 6, 9]].abs().amax((0, 1)) > 1e-3).all()


def test_columns_with_tiny_units_count_when_asked_to():
    features, labels = problem(50, 6, 3)
    small = features * np.array([1e-9, 1, 1, 1, 1, 1])
    plain = scores(features, *fit_logistic(features, labels, 3, [0.1]))
    scaled = scores(small, *fit_logistic(small, labels, 3, [0.1], dead=0))
    torch.testing.assert_close(plain, scaled, atol=1e-4, rtol=0)


def test_separable_data_and_absent_classes_give_finite_heads():
    features = np.concatenate([np.zeros((10, 4)), np.ones((10, 4))])
    labels = np.repeat([0, 2], 10)
    weights, biases = fit_logistic(features, labels, 4)
    assert torch.isfinite(weights).all() and torch.isfinite(biases).all()
    assert (scores(features, weights, biases).argmax(-1) == torch.tensor(labels)).all()


def test_the_same_input_gives_the_same_bits():
    features, labels = problem(60, 8, 3)
    first, second = (fit_logistic(features, labels, 3) for _ in range(2))
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])


def test_balanced_weights_give_each_class_the_same_total():
    labels = torch.tensor([0, 0, 0, 2])
    weight = solvers.balanced_weights(labels, 4)
    assert weight[:3].sum() == pytest.approx(weight[3].item())
    assert weight.mean() == pytest.approx(1)


def test_unusable_input_is_refused_with_a_message():
    features, labels = problem(20, 4, 2)
    broken = features.copy()
    broken[7, 2] = np.nan
    with pytest.raises(UserError, match="row 7 are not finite"):
        fit_logistic(broken, labels, 2)
    with pytest.raises(UserError, match="an L2 value is 0"):
        fit_logistic(features, labels, 2, [0.0, 1.0])
    with pytest.raises(UserError, match="without train rows"):
        fit_logistic(features[:0], labels[:0], 2)
    with pytest.raises(UserError, match="positive weight"):
        fit_logistic(features, labels, 2, [1.0], sample_weight=np.zeros(20))
    with pytest.raises(UserError, match="a target value is not a finite number"):
        fit_ridge(features, np.where(labels == 0, np.nan, 1.0))


def test_the_quasi_newton_step_is_that_of_the_dense_bfgs_update():
    """Nocedal and Wright (2006), equation 6.17, from the scaled first inverse Hessian (7.20); a step of 0 counts nothing."""
    random = np.random.default_rng(0)
    root = random.normal(size=(6, 6))
    hessian, inverse = root @ root.T + np.eye(6), np.repeat(random.uniform(0.5, 2, 3), 2)
    steps = [random.normal(size=6) for _ in range(3)]
    changes = [hessian @ step for step in steps]
    scale = steps[-1] @ changes[-1] / (changes[-1] @ (inverse * changes[-1]))
    dense = scale * np.diag(inverse)
    for step, change in zip(steps, changes, strict=True):
        rho = 1 / (step @ change)
        left = np.eye(6) - rho * np.outer(step, change)
        dense = left @ dense @ left.T + rho * np.outer(step, step)
    gradient = random.normal(size=6)

    def batch(*vectors):
        return [torch.from_numpy(np.array(one)).view(1, 3, 2) for one in vectors]

    first = torch.from_numpy(inverse[::2]).view(1, 3, 1)
    kept = batch(np.zeros(6), *steps), batch(np.zeros(6), *changes)
    found = lbfgs.apply_inverse(*batch(gradient), first, *kept)
    np.testing.assert_allclose(found.numpy().ravel(), dense @ gradient, rtol=1e-10)


def test_a_recursion_that_leads_uphill_once_ends_at_the_same_minimum(monkeypatch):
    features, labels = problem(120, 6, 3)
    expected, _ = fit_logistic(features, labels, 3, [0.01])
    calls, recursion = [], lbfgs.apply_inverse

    def rounded(*arguments):
        calls.append(1)
        return recursion(*arguments) * (-1 if len(calls) == 3 else 1)

    monkeypatch.setattr(lbfgs, "apply_inverse", rounded)
    torch.testing.assert_close(fit_logistic(features, labels, 3, [0.01])[0], expected, atol=1e-4, rtol=0)


def test_an_unsolved_problem_keeps_its_best_weights():
    features, labels = problem(120, 6, 3)
    losses = []
    for steps in (1, 3, 1000):
        weights, biases = fit_logistic(features, labels, 3, [0.001], max_iter=steps)
        logs = torch.log_softmax(scores(features, weights, biases)[0], -1)
        losses.append(float(-logs[range(120), labels].mean()))
    assert np.log(3) > losses[0] > losses[1] > losses[2]


def test_small_weights_are_solved_to_a_share_of_1_not_of_their_size():
    """Under a penalty of 1e6 the weights are 1e-7: what is below the tolerance takes no step."""
    features, labels = problem(120, 6, 3)
    labels[:] = np.arange(120) % 3  # as many of each class: the biases are 0 at the start and at the end
    weights, _ = fit_logistic(features, labels, 3, [1e6])
    assert weights.abs().max() == 0
    assert fit_logistic(features, labels, 3, [1e3])[0].abs().max() > 0
