"""CORAL gives labelled embeddings the pool's means and covariance, and its head then suits the pool's domain."""

import numpy as np
import pytest
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.preprocessing import StandardScaler

from graft.adaptation import affine, moments
from graft.adaptation.domains import Domains
from graft.adaptation.methods.coral import maps
from graft.heads import principal_axes

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
