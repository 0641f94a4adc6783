"""Maps of both domains are the published ones, and see neither the order of the rows nor the units of the columns."""

import inspect

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.covariance import ledoit_wolf
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from graft.adaptation import affine, moments
from graft.adaptation.domains import Domains
from graft.common import plugins
from graft.common.errors import UserError

SETTINGS = {"variance": 0.95, "mu": 1.0}
METHODS = [name for name in plugins.names("adaptation") if hasattr(plugins.load("adaptation", name), "maps")]
WIDTH = 6


def domains(rows=300, others=200, seed=0):
    """Rows of two domains, float32: the second is turned, scaled and moved."""
    draw = np.random.default_rng(seed)
    source = (
        draw.normal(size=(rows, WIDTH))
        * [3, 1, 2, 1, 0.5, 0.7]
        @ (np.eye(WIDTH) + 0.3 * draw.normal(size=(WIDTH, WIDTH)))
    )
    target = (
        draw.normal(size=(others, WIDTH))
        * [1, 2, 0.5, 1, 3, 1]
        @ (np.eye(WIDTH) + 0.3 * draw.normal(size=(WIDTH, WIDTH)))
    )
    return source.astype(np.float32), (target + 1.5).astype(np.float32)


def mapped(method, source, target, dead=0.0, **settings):
    """The rows of both domains after a method's maps."""
    maps = plugins.load("adaptation", method).maps(Domains.of(source, target, dead), SETTINGS | settings)
    return maps.source.of(torch.as_tensor(source)).numpy(), maps.target.of(torch.as_tensor(target)).numpy()


def in_units(source, target):
    """Both domains in units of each column's spread over both, float64."""
    scale = StandardScaler().fit(np.concatenate([source, target]).astype(np.float64)).scale_
    return source.astype(np.float64) / scale, target.astype(np.float64) / scale, scale


def same_up_to_signs(found, expected, **near):
    """Columns that are eigenvectors have no sign of their own."""
    signs = np.sign((found[0] * expected[0]).sum(0))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one * signs, other, **near)


@pytest.mark.parametrize("method", METHODS)
def test_equal_domains_get_equal_maps(method):
    source, _ = domains()
    one, other = mapped(method, source, source)
    np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_the_targets_rows_changes_no_map(method):
    source, target = domains()
    order = np.random.default_rng(1).permutation(len(target))
    before, after = (mapped(method, source, part) for part in (target, target[order]))
    np.testing.assert_allclose(after[0], before[0], atol=1e-5)
    np.testing.assert_allclose(after[1], before[1][order], atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_rows_in_blocks_give_the_same_map_as_rows_at_once(method, monkeypatch):
    source, target = domains(40, 30)
    together = mapped(method, source, target)
    for module in (affine, moments):
        monkeypatch.setattr(module, "ROWS", 7)
    np.testing.assert_allclose(np.concatenate(mapped(method, source, target)), np.concatenate(together), atol=1e-5)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "source_only"])
def test_the_units_of_the_columns_do_not_matter(method):
    source, target = domains()
    units = np.array([1e-6, 1, 1e3, 1, 1, 1e6], np.float32)
    found, expected = mapped(method, source * units, target * units), mapped(method, source, target)
    back = units if method in ("coral", "linear_ot") else 1  # their rows keep the columns of the embeddings
    same_up_to_signs([one / back for one in found], expected, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_dead_columns_disturb_no_other(method):
    source, target = domains()
    noise = 1e-30 * np.random.default_rng(1).normal(size=(500, 1)).astype(np.float32)
    padded = [
        np.hstack([part, noise[: len(part)], np.full((len(part), 1), 7, np.float32)]) for part in (source, target)
    ]
    found, expected = mapped(method, *padded, 1e-5), mapped(method, source, target, 1e-5)
    width = expected[0].shape[1]
    assert np.isfinite(np.concatenate(found)).all()
    same_up_to_signs([one[:, :width] for one in found], expected, atol=1e-4)
    np.testing.assert_allclose(found[0][:, width:].mean(0), found[1][:, width:].mean(0), atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_a_column_that_is_constant_in_one_domain_stays_finite(method):
    source, target = domains()
    source[:, 2] = 0.25
    assert np.isfinite(np.concatenate(mapped(method, source, target, 1e-5))).all()


@pytest.mark.parametrize("method", ["standardise", "coral", "linear_ot", "subspace", "mmd"])
def test_the_means_of_the_domains_become_equal(method):
    source, target = domains(3000, 2000)
    before = np.abs(np.subtract(*(part.mean(0) for part in in_units(source, target)[:2]))).max()
    one, other = mapped(method, source, target)
    assert np.abs(one.mean(0) - other.mean(0)).max() < 0.02 * before


@pytest.mark.parametrize("method", METHODS)
def test_a_head_of_mapped_rows_is_a_head_of_the_rows_before(method):
    source, target = domains()
    maps = plugins.load("adaptation", method).maps(Domains.of(source, target, 0.0), SETTINGS)
    one, rows = maps.target, torch.from_numpy(target)
    weight, bias = torch.randn(3, one.matrix.shape[1], dtype=torch.float64), torch.randn(3, dtype=torch.float64)
    before, of = one.before(weight, bias)
    assert before.shape == (3, WIDTH)
    torch.testing.assert_close(
        rows.double() @ before.T + of, one.of(rows).double() @ weight.T + bias, atol=1e-4, rtol=1e-4
    )


def test_standardised_columns_have_mean_0_and_variance_1_in_each_domain():
    source, target = domains()
    for found, rows in zip(mapped("standardise", source, target), (source, target), strict=True):
        np.testing.assert_allclose(found, StandardScaler().fit_transform(rows.astype(np.float64)), atol=1e-4)


def test_linear_optimal_transport_is_the_symmetric_map_between_the_shrunk_covariances():
    source, target = domains()
    *parts, scale = in_units(source, target)
    covariances = []
    for part in parts:
        own = StandardScaler().fit(part)
        covariances.append(own.scale_[:, None] * ledoit_wolf(own.transform(part))[0] * own.scale_)
    root = scipy.linalg.sqrtm(covariances[0]).real
    inverse = np.linalg.inv(root)
    matrix = inverse @ scipy.linalg.sqrtm(root @ covariances[1] @ root).real @ inverse
    expected = ((parts[0] - parts[0].mean(0)) @ matrix + parts[1].mean(0)) * scale
    found, untouched = mapped("linear_ot", source, target)
    np.testing.assert_allclose(found, expected, atol=1e-3)
    np.testing.assert_array_equal(untouched, target)


def test_linear_optimal_transport_moves_rows_less_than_coral():
    source, target = domains()
    *_, scale = in_units(source, target)
    way = [np.square((mapped(name, source, target)[0] - source) / scale).sum() for name in ("linear_ot", "coral")]
    assert way[0] < way[1]


def test_subspace_alignment_is_that_of_the_paper_on_principal_axes():
    source, target = domains()
    *parts, _ = in_units(source, target)
    fitted = [PCA(WIDTH).fit(part) for part in parts]
    enough = [int(np.searchsorted(one.explained_variance_ratio_.cumsum(), 0.95)) + 1 for one in fitted]
    axes = [one.components_[: min(enough)].T for one in fitted]
    expected = [(parts[0] - parts[0].mean(0)) @ axes[0] @ axes[0].T @ axes[1], (parts[1] - parts[1].mean(0)) @ axes[1]]
    assert 1 < min(enough) < WIDTH
    same_up_to_signs(mapped("subspace", source, target), expected, atol=1e-3)


@pytest.mark.parametrize("mu", [0.1, 30.0])
def test_mmd_components_solve_the_papers_problem_on_the_kernel_of_all_rows(mu):
    """min tr(W' K L K W) + mu tr(W' W) with W' K H K W = I, on a kernel of n x n (Pan et al. 2011, eq. 8)."""
    source, target = domains(60, 40)
    *parts, _ = in_units(source, target)
    rows = np.concatenate(parts)
    rows = rows - rows.mean(0)
    kernel = rows @ rows.T
    signs = np.repeat([1 / 60, -1 / 40], [60, 40])
    cost = kernel @ np.outer(signs, signs) @ kernel + mu * np.eye(100)
    # The components of the largest ratio of variance to cost, in the kernel's range.
    values, vectors = scipy.linalg.eigh(kernel @ kernel, cost)
    count = mapped("mmd", source, target, mu=mu)[0].shape[1]
    assert 1 < count < WIDTH
    found = kernel @ vectors[:, ::-1][:, :count]
    found *= np.sqrt(len(rows) / np.square(found).sum(0))
    same_up_to_signs(mapped("mmd", source, target, mu=mu), [found[:60], found[60:]], atol=1e-3)


def test_no_method_has_an_argument_for_the_labels_of_the_target():
    for name in plugins.names("adaptation"):
        module = plugins.load("adaptation", name)
        function = getattr(module, "maps", None) or module.priors
        assert list(inspect.signature(function).parameters) in (["domains", "settings"], ["source", "labels", "target"])
        assert (hasattr(module, "priors") or hasattr(module, "head")) == module.CLASSES_ONLY


def test_a_domain_of_one_row_is_refused():
    source, target = domains()
    with pytest.raises(UserError, match="the target domain has 1 rows"):
        Domains.of(source, target[:1], 0.0)
