"""Classes with an order: CORN's steps, their loss and probabilities, and metrics that know distances."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.special import expit, rel_entr
from sklearn import metrics
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from graft.common.errors import UserErrors
from graft.data.prepare import prepare
from graft.data.readers import complete
from graft.evaluation.choosing import COLUMNS
from graft.evaluation.ordinal_metrics import ordinal_metrics
from graft.heads.binary_probe import solve_questions
from graft.targets.kinds import ordinal
from graft.training.objectives import kd

TARGET = {"kind": "ordinal", "classes": ["none", "little", "more", "all"]}


def test_a_step_is_answered_by_the_rows_that_reach_it():
    answers, _ = ordinal.encode(np.array([0, 1, 2, 3, -1]), None, TARGET)
    nan = np.nan
    np.testing.assert_array_equal(answers, [[0, nan, nan], [1, 0, nan], [1, 1, 0], [1, 1, 1], [nan, nan, nan]])
    assert ordinal.class_of(answers).tolist() == [0, 1, 2, 3, -1]
    assert ordinal.known(answers).tolist() == [True] * 4 + [False]


def test_the_loss_is_corns():
    """Shi et al. 2021, eq. 6: for each step the cross-entropy of the rows with a class above, and at, the step."""
    draw = np.random.default_rng(0)
    logits, codes = draw.normal(size=(50, 3)), draw.integers(4, size=50)
    total = 0.0
    for step in range(3):
        for z, code in zip(logits[:, step], codes, strict=True):
            if code >= step:
                total -= np.log(expit(z)) if code > step else np.log(1 - expit(z))
    answers, _ = ordinal.encode(codes, None, TARGET)
    found = ordinal.losses(torch.from_numpy(logits), torch.from_numpy(answers), {})
    assert float(found.sum()) == pytest.approx(total / 3)
    chances = ordinal.chances_of_classes(logits)
    assert total == pytest.approx(-np.log(chances[np.arange(50), codes]).sum())  # the likelihood of the classes


def test_probabilities_are_products_of_the_steps():
    steps = np.array([[0.9, 0.5, 0.2]])
    found = ordinal.chances_of_classes(np.log(steps / (1 - steps)))
    np.testing.assert_allclose(found, [[0.1, 0.45, 0.36, 0.09]])
    assert ordinal.decide(found).tolist() == [1]  # more than half is above the first class, less above the second
    assert ordinal.decide(np.array([[0.4, 0.25, 0.3, 0.05]])).tolist() == [
        1
    ]  # though the first is the most probable one


def test_metrics_are_those_of_scikit_learn():
    draw = np.random.default_rng(0)
    labels = draw.integers(4, size=300)
    predicted = np.clip(labels + draw.integers(-1, 2, size=300), 0, 3)
    chances = draw.dirichlet(np.ones(4), 300)
    found = ordinal_metrics(labels, predicted, chances)
    expected = {
        "quadratic_kappa": metrics.cohen_kappa_score(labels, predicted, weights="quadratic"),
        "mae_levels": metrics.mean_absolute_error(labels, predicted),
        "accuracy": metrics.accuracy_score(labels, predicted),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, predicted),
        "log_loss": metrics.log_loss(labels, chances),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name


def test_intervals_are_as_wide_as_those_of_a_bootstrap_of_the_groups():
    draw = np.random.default_rng(0)
    units = np.arange(400) // 4
    labels = draw.integers(4, size=100)[units]
    predicted = np.clip(labels + draw.integers(-1, 2, size=100)[units], 0, 3)
    chances = draw.dirichlet(np.ones(4), 400)
    found = ordinal_metrics(labels, predicted, chances, [f"g{one}" for one in units])
    drawn = []
    for _ in range(500):
        rows = (draw.integers(0, 100, 100)[:, None] * 4 + np.arange(4)).ravel()
        drawn.append(
            (
                metrics.cohen_kappa_score(labels[rows], predicted[rows], weights="quadratic"),
                np.abs(labels[rows] - predicted[rows]).mean(),
            )
        )
    for name, values in zip(("quadratic_kappa", "mae_levels"), np.array(drawn).T, strict=True):
        low, high = np.percentile(values, [2.5, 97.5])
        assert 0.8 < (found[name]["high"] - found[name]["low"]) / (high - low) < 1.35, name


def test_one_class_alone_has_no_kappa_and_no_error_is_not_certain():
    found = ordinal_metrics(np.ones(20, int), np.ones(20, int), np.full((20, 4), 0.25))
    assert found["quadratic_kappa"]["value"] is None
    assert found["mae_levels"]["value"] == 0 and found["mae_levels"]["high"] > 0.1


def test_the_heads_of_the_steps_are_scikit_learns_on_their_subsets():
    draw = np.random.default_rng(0)
    features = draw.normal(size=(300, 4)).astype(np.float32)
    codes = np.digitize(features[:, 0] + 0.5 * draw.normal(size=300), [-0.7, 0, 0.7])
    splits, folds = np.where(np.arange(300) % 5 < 4, "train", "validation").astype(object), np.arange(300) % 3
    answers, _ = ordinal.encode(codes, None, TARGET)
    found = solve_questions(features, answers, splits, folds, TARGET, {"l2": [0.1], "class_weights": "none"}, 0.0)
    for step in range(3):
        rows = (splits == "train") & (codes >= step)
        scaler = StandardScaler().fit(features[rows])
        model = LogisticRegression(C=2 / (0.1 * rows.sum()), tol=1e-10, max_iter=5000)
        model.fit(scaler.transform(features[rows]), codes[rows] > step)
        ours = features.astype(float) @ found["weight"][step].numpy() + float(found["bias"][step])
        np.testing.assert_allclose(ours, model.decision_function(scaler.transform(features)), atol=2e-3)


def test_columns_name_the_median_class_and_its_probability():
    steps, facts = np.array([[0.9, 0.5, 0.2], [0.2, 0.9, 0.9]]), {**TARGET, "temperature": [1.0, 1.0, 1.0]}
    found = ordinal.columns(np.log(steps / (1 - steps)), np.array([1, -1]), facts)
    assert found["predicted"].tolist() == ["little", "none"] and found["label"].tolist() == ["little", None]
    np.testing.assert_allclose(found["confidence"], [0.45, 0.8])
    assert sum(found[f"prob_{name}"] for name in TARGET["classes"]) == pytest.approx([1, 1])


def test_a_temperature_of_a_step_is_that_of_its_own_rows():
    draw = np.random.default_rng(0)
    codes = draw.integers(4, size=3000)
    answers, _ = ordinal.encode(codes, None, TARGET)
    logits = np.where(np.isfinite(answers), 2 * np.nan_to_num(answers) - 1, 0) + draw.normal(size=answers.shape)
    plain = ordinal.calibrate(logits, answers, TARGET, None)["temperature"]
    scaled = ordinal.calibrate(logits * [1, 3, 0.5], answers, TARGET, None)["temperature"]
    np.testing.assert_allclose(np.array(scaled) / plain, [1, 3, 0.5], rtol=0.05)


def test_a_student_matches_the_teachers_answer_to_each_step():
    """alpha T^2 KL(teacher || student) + (1 - alpha) cross-entropy, by scipy's relative entropy, step by step."""
    draw = np.random.default_rng(0)
    student, teacher, codes = draw.normal(size=(20, 3)), draw.normal(size=(20, 3)), draw.integers(4, size=20)
    answers, _ = ordinal.encode(codes, None, TARGET)
    settings, tensors = (
        {"temperature": 3.0, "alpha": 0.6},
        [torch.from_numpy(one) for one in (student, answers, teacher)],
    )
    found = kd.losses(tensors[0], tensors[1], settings, None, tensors[2])
    soft, said = expit(student / 3), expit(teacher / 3)
    apart = sum(rel_entr(*pair) for pair in ((said, soft), (1 - said, 1 - soft))).mean(1)
    hard = ordinal.losses(tensors[0], tensors[1], {}).numpy()
    np.testing.assert_allclose(found.numpy(), 0.6 * 9 * apart + 0.4 * hard, rtol=1e-9)


def test_models_are_compared_by_the_kappa_of_each_resample():
    draw = np.random.default_rng(0)
    names = np.array(TARGET["classes"], object)
    codes = draw.integers(4, size=80)
    table = pd.DataFrame(
        {"label": names[codes], "predicted": names[np.clip(codes + draw.integers(-1, 2, size=80), 0, 3)]}
    )
    columns, value = COLUMNS["quadratic_kappa"]
    rows = draw.integers(0, 80, 80)
    found = value(columns(table, TARGET["classes"])[rows].sum(0))
    drawn = table.iloc[rows]
    expected = metrics.cohen_kappa_score(
        drawn["label"], drawn["predicted"], labels=TARGET["classes"], weights="quadratic"
    )
    assert found == pytest.approx(expected)


def test_a_named_class_that_never_occurs_is_refused_for_its_step_has_nothing_to_learn_from(tmp_path):
    frame = pd.DataFrame({"x": np.arange(60.0), "grade": np.array(["low", "mid", "high"])[np.arange(60) % 3]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    target = {"kind": "ordinal", "classes": ["low", "mid", "high", "extreme"]}
    entry = complete({"table": "t.csv", "columns": {"features": "x"}, "targets": {"grade": target}})
    with pytest.raises(UserErrors, match=r"no row of class 'extreme' \(0 rows in all\)"):
        prepare("d", entry, tmp_path)
