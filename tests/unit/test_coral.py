"""CORAL gives labelled embeddings the pool's means and covariance, and its head then suits the pool's domain."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler

from fits import L2S
from graft.adaptation import affine, moments
from graft.adaptation.domains import Domains
from graft.adaptation.methods.coral import maps
from graft.common.errors import UserError
from graft.heads import principal_axes
from graft.training.data import TrainingData
from graft.training.methods import coral, linear
from graft.training.trainer import Trainer

WIDTH = 6


def domains(rows=400, pool=300, seed=0):
    """Labelled rows of one instrument; rows of another, whose columns are scaled, mixed and moved, with their labels."""
    draw = np.random.default_rng(seed)
    labels = draw.integers(2, size=rows + pool)
    features = (
        draw.normal(size=(rows + pool, WIDTH)) * [3, 1, 1, 1, 0.5, 0.5] + 2.5 * labels[:, None] * np.eye(WIDTH)[1]
    )
    mixed = features @ (np.eye(WIDTH) + 0.35 * draw.normal(size=(WIDTH, WIDTH))) * [1, 2, 0.5, 1, 3, 1] + 4
    features = np.where((np.arange(len(labels)) < rows)[:, None], features, mixed).astype(np.float32)
    return features[:rows], labels[:rows], features[rows:], labels[rows:]


def run_of(features, labels, pool, kind="classification"):
    """A trainer on embeddings that lie ready: 3 of 4 rows are of train, in two folds, the others of validation."""
    kept, rows, heads = {}, len(features), {}
    settings = {"name": "solar.tiny.coral", "targets": ["y"], "l2": None, "class_weights": "none"}
    backbone, path = SimpleNamespace(spec={"library": "vectors"}), None if pool is None else "pool.parquet"
    data = TrainingData(settings, None, None, backbone, None, pool=path)
    trainer = Trainer(data, 0, None, torch.device("cpu"), "fp32", frozen=True)

    def set_head(target, weight, bias):
        kept.update(weight=weight, bias=bias)
        heads[target] = SimpleNamespace(weight=torch.as_tensor(weight), bias=torch.as_tensor(bias))

    splits = np.where(np.arange(rows) % 4 < 3, "train", "validation").astype(object)
    folds = np.where(splits == "train", np.arange(rows) % 2, -1)
    vars(data).update(
        manifest=SimpleNamespace(
            targets={"y": {"kind": kind, "classes": ["a", "b"]}}, codes=lambda target, rows: labels
        ),
        rows=pd.DataFrame({"fold": folds, "weight": np.nan}),
        splits=splits,
        embeddings=features.copy(),
        pool_embeddings=pool,
    )
    trainer.untrained = lambda: SimpleNamespace(set_head=set_head, heads=heads)
    return trainer, kept


def accuracy(head, features, labels):
    outputs = features.astype(np.float64) @ np.asarray(head["weight"]).T + np.asarray(head["bias"])
    return np.mean(outputs.argmax(1) == labels)


def aligned(source, target, dead=0.0, rows=None):
    """The rows (by default those of the source), moved by the map from the source's to the target's."""
    map_ = maps(Domains.of(source, target, dead), {}).source
    return map_.of(torch.from_numpy(source if rows is None else rows)).numpy()


def plain(source, target):
    """Algorithm 1 as the paper and skada write it: both domains scaled alike, shrunk covariances, symmetric roots."""
    scaler = StandardScaler().fit(np.concatenate([source, target]).astype(np.float64))
    powers = []
    for part, exponent in ((source, -0.5), (target, 0.5)):
        own = StandardScaler().fit(scaler.transform(part))
        values, vectors = np.linalg.eigh(
            own.scale_[:, None] * ledoit_wolf(own.transform(scaler.transform(part)))[0] * own.scale_
        )
        powers.append(vectors * values**exponent @ vectors.T)
    moved = (source - source.mean(0)) / scaler.scale_ @ powers[0] @ powers[1]
    return moved * scaler.scale_ + target.mean(0)


@pytest.mark.parametrize(("rows", "pool"), [(400, 300), (40, 4)])
def test_the_alignment_is_the_published_formula_with_ledoit_wolf_covariances(rows, pool):
    source, _, target, _ = domains(rows, pool)
    np.testing.assert_allclose(aligned(source, target), plain(source, target), atol=1e-4)


def test_aligned_rows_have_the_targets_means_and_covariance():
    source, _, target, _ = domains(4000, 4000)
    moved = aligned(source, target)
    np.testing.assert_allclose(moved.mean(0), target.mean(0), atol=1e-4)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), rtol=0.05, atol=0.15)


def test_rows_in_blocks_are_aligned_as_rows_at_once(monkeypatch):
    source, _, target, _ = domains(40, 30)
    together = aligned(source, target)
    for module in (affine, moments):
        monkeypatch.setattr(module, "ROWS", 7)
    np.testing.assert_allclose(aligned(source, target), together, rtol=1e-5, atol=1e-5)


def test_the_units_of_the_columns_do_not_matter():
    source, _, target, _ = domains()
    units = np.array([1e-9, 1, 1e3, 1, 1, 1e6], np.float32)
    np.testing.assert_allclose(aligned(source * units, target * units) / units, aligned(source, target), atol=1e-3)


def test_columns_that_are_dead_in_one_domain_or_both_disturb_no_other():
    source, _, target, _ = domains()
    noise = np.random.default_rng(1).normal(size=(len(source) + len(target), 1)).astype(np.float32)
    dead = 1e-30 * noise
    padded = [np.hstack([part, dead[: len(part)], np.full((len(part), 1), 7, np.float32)]) for part in (source, target)]
    padded = [np.hstack([part, 0.1 + 1e-8 * part[:, :1]]) for part in padded]  # constant except for rounding
    moved = aligned(*padded, principal_axes.DEAD)
    np.testing.assert_allclose(moved[:, WIDTH + 1], 7, atol=1e-5)
    assert np.abs(moved[:, WIDTH]).max() < 1e-20
    np.testing.assert_allclose(moved[:, :WIDTH], aligned(source, target), rtol=1e-5, atol=1e-5)
    one = aligned(
        np.hstack([source, 0 * dead[: len(source)]]), np.hstack([target, noise[: len(target)]]), principal_axes.DEAD
    )
    assert np.isfinite(one).all() and np.abs(one[:, :WIDTH]).max() < 2 * np.abs(moved[:, :WIDTH]).max()


def test_coral_predicts_another_instruments_rows_better_than_linear():
    source, labels, target, truth = domains()
    run, adapted = run_of(source, labels, target)
    coral.train(run)
    run, unadapted = run_of(source, labels, target)
    linear.train(run)
    assert accuracy(adapted, target, truth) > accuracy(unadapted, target, truth) + 0.15
    assert accuracy(adapted, target, truth) > 0.8


def test_heads_of_the_folds_predict_the_train_rows_as_they_are():
    source, labels, target, _ = domains()
    run, head = run_of(source, labels, target)
    folds, train = coral.train(run).fold_heads, run.data.splits == "train"
    moved, numbers = aligned(source[train], target), run.data.rows["fold"].to_numpy()
    for fold in range(2):
        one = {key: value[1 + fold].numpy() for key, value in folds["y"].items()}
        rows = numbers == fold
        assert accuracy(one, source[rows], labels[rows]) > 0.85
        whole = moved[rows[train]] @ np.asarray(head["weight"]).T
        assert np.corrcoef((source[rows] @ one["weight"].T)[:, 0], whole[:, 0])[0, 1] > 0.98


def test_validation_rows_are_aligned_for_the_temperature_and_the_stored_embeddings_are_left_alone():
    source, labels, target, _ = domains()
    run, head = run_of(source, labels, target)
    unseen = coral.train(run).unseen["y"]
    np.testing.assert_array_equal(run.data.embeddings, source)
    train, validation = (run.data.places(split) for split in ("train", "validation"))
    moved = aligned(source[train], target, rows=source[validation])
    np.testing.assert_allclose(moved.mean(0), target.mean(0), atol=0.2 * target.std(0).max())
    expected = moved @ np.asarray(head["weight"]).T + np.asarray(head["bias"])
    np.testing.assert_allclose(unseen[validation], expected, atol=1e-4)


def test_a_number_is_predicted_on_aligned_rows_too():
    source, _, target, _ = domains()
    values = source[:, 0].astype(np.float64) / 3
    run, head = run_of(source, values, target, "regression")
    trained, train = coral.train(run), run.data.places("train")
    predicted = aligned(source[train], target, rows=source) @ np.asarray(head["weight"])[0]
    assert np.corrcoef(predicted, values)[0, 1] > 0.99
    assert trained.fold_heads["y"]["weight"].shape == (3, 1, WIDTH)
    l2s = [one["l2"] for one in trained.history]
    assert l2s == sorted(l2s) and l2s[0] < L2S[0]  # there is no noise: less and less penalty is better


@pytest.mark.parametrize("pool", [None, np.zeros((1, WIDTH), np.float32)])
def test_a_data_set_without_a_pool_is_refused_with_what_to_do(pool):
    source, labels, _, _ = domains(20, 2)
    with pytest.raises(UserError, match="no pool.*\n.*\n.*method: linear") as caught:
        coral.train(run_of(source, labels, pool)[0])
    assert "solar.tiny.coral" in str(caught.value)
