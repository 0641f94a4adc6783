"""The steps of `preprocess`: each against another implementation, fitted on what it is given, and with odd input."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import savgol_filter
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import spsolve
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from bad_config import GOOD, problems
from benchmarks.spectra import accuracies, network_of
from graft.common.errors import UserError
from graft.config import load
from graft.data.tables.axis import axis_of
from graft.networks.preprocessing.savitzky_golay import even_step
from instruments import NAMES, WAVELENGTHS, spectra

ROWS = spectra(0)[NAMES].astype(np.float64).to_numpy(copy=True)[:120]


def after(steps, rows=ROWS, names=NAMES, fitted_on=ROWS):
    """`rows` after the steps, fitted on `fitted_on`."""
    found = network_of(steps, fitted_on, names)[0](torch.from_numpy(rows))
    assert found.dtype == torch.float32
    return found.double().numpy()


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=2e-6, atol=2e-6 * np.abs(wanted).max())


def test_snv_is_the_formula_of_the_paper():
    wanted = [
        [(x - sum(row) / len(row)) / np.sqrt(sum((row - row.mean()) ** 2) / len(row)) for x in row] for row in ROWS
    ]
    close(after(["snv"]), np.array(wanted))


def test_msc_is_a_straight_line_through_the_mean_spectrum_of_what_it_was_fitted_on():
    mean = ROWS[:50].mean(0)
    lines = [np.polyfit(mean, row, 1) for row in ROWS]
    close(
        after(["msc"], fitted_on=ROWS[:50]), np.array([(row - b) / a for row, (a, b) in zip(ROWS, lines, strict=True)])
    )


@pytest.mark.parametrize(("window", "order", "derivative"), [(5, 2, 0), (11, 2, 1), (15, 3, 2), (3, 0, 0)])
def test_savitzky_golay_is_scipys_per_unit_of_the_axis(window, order, derivative):
    step = {"savitzky_golay": {"window": window, "order": order, "derivative": derivative}}
    close(after([step]), savgol_filter(ROWS, window, order, deriv=derivative, delta=8.0))
    named = [f"feature {letter}{letter}" for letter in map(chr, range(97, 197))]
    close(after([step], names=named), savgol_filter(ROWS, window, order, deriv=derivative))


def test_a_derivative_is_the_slope_of_a_known_curve_whether_the_axis_rises_or_falls():
    rows = np.array([0.003 * WAVELENGTHS**2 - 2.0 * WAVELENGTHS])
    step = {"savitzky_golay": {"derivative": 1}}
    slope = 0.006 * WAVELENGTHS[None] - 2.0
    close(after([step], rows), slope)
    close(after([step], rows[:, ::-1].copy(), NAMES[::-1]), slope[:, ::-1])


def paper_baseline(row, smoothness, asymmetry):
    """Eilers and Boelens (2005), the code of the paper's appendix, in Python."""
    m = len(row)
    differences = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(m - 2, m))
    weights = np.ones(m)
    for _ in range(10):
        z = spsolve(csc_array(diags_array(weights) + smoothness * differences.T @ differences), weights * row)
        weights = asymmetry * (row > z) + (1 - asymmetry) * (row <= z)
    return z


@pytest.mark.parametrize(("smoothness", "asymmetry"), [(1e5, 0.01), (100, 0.1)])
def test_the_baseline_is_that_of_the_papers_code(smoothness, asymmetry):
    step = {"baseline": {"smoothness": smoothness, "asymmetry": asymmetry}}
    wanted = np.array([row - paper_baseline(row, smoothness, asymmetry) for row in ROWS[:20]])
    close(after([step], ROWS[:20]), wanted)


def test_log_standardise_and_pca_are_those_of_numpy_and_scikit_learn():
    close(after([{"log": {"offset": 0.5}}]), np.log(ROWS + 0.5))
    close(after(["standardise"], fitted_on=ROWS[:50]), StandardScaler().fit(ROWS[:50]).transform(ROWS))
    other = PCA(6, svd_solver="full").fit(ROWS[:50])
    found, wanted = after([{"pca": {"components": 6}}], fitted_on=ROWS[:50]), other.transform(ROWS)
    close(found * np.sign((found * wanted).sum(0)), wanted)


def test_each_step_gets_what_the_one_before_it_made():
    wanted = StandardScaler().fit_transform(savgol_filter(np.log(ROWS), 11, 2, deriv=1, delta=8.0))
    close(after(["log", {"savitzky_golay": {"derivative": 1}}, "standardise"]), wanted)
    one_way, other_way = after(["snv", "standardise"]), after(["standardise", "snv"])
    assert np.abs(one_way - other_way).max() > 0.1


def test_principal_components_have_no_wavelengths():
    steps = [{"pca": {"components": 12}}, {"savitzky_golay": {"window": 5, "derivative": 1}}]
    close(after(steps), savgol_filter(after(steps[:1]), 5, 2, deriv=1))


def test_a_constant_spectrum_says_nothing_and_is_zeros_after_snv_and_the_mean_spectrum_after_msc():
    flat = np.concatenate([np.full((1, ROWS.shape[1]), 0.7), np.zeros((1, ROWS.shape[1])), ROWS[:1]]).astype(np.float32)
    assert not after(["snv"], flat)[:2].any() and after(["snv"], flat)[2].any()
    close(after(["msc"], flat)[:2], np.stack([ROWS.mean(0)] * 2))
    small = ROWS[:1] * 1e-4 + 1000
    close(after(["snv"], small), after(["snv"], ROWS[:1]))  # hardly varies, and is no constant


def test_a_column_that_is_constant_over_the_train_rows_is_zeros_and_not_noise():
    rows = ROWS.astype(np.float32).astype(np.float64)
    rows[:, 3] = np.float32(0.1) + np.random.default_rng(0).choice([0, 7e-9], len(rows))
    found = after(["standardise"], rows + 5 * (np.arange(100) == 3), fitted_on=rows)
    assert not found[:, 3].any() and np.isfinite(found).all()


@pytest.mark.parametrize(
    ("steps", "said", "hint"),
    [
        ([{"savitzky_golay": {"window": 101}}], "a window of 101 columns, and there are 100", None),
        ([{"pca": {"components": 101}}], "101 components, and the 120 train rows of 100 columns have 100", "fewer"),
        (["snv", {"pca": {"components": 100}}], "100 columns have 99", "fewer"),
        (["standardise", "log"], "of 120 rows have numbers that are not above 0, first in column 1 (900)", "`offset`"),
        (["snv", "standardise", "standardise", "msc"], "the mean of the train rows is the same number", "before"),
    ],
)
def test_what_a_step_cannot_do_is_said_with_its_name(steps, said, hint):
    with pytest.raises(UserError) as error:
        after(steps)
    step = steps[-1] if isinstance(steps[-1], str) else next(iter(steps[-1]))
    assert said in str(error.value) and error.value.where == f"preprocess: {step}"
    assert hint is None or hint in error.value.hint


def test_as_many_components_as_rows_allow_are_allowed_and_one_more_is_not():
    assert after([{"pca": {"components": 9}}], fitted_on=ROWS[:10]).shape == (120, 9)
    with pytest.raises(UserError, match="10 components, and the 10 train rows of 100 columns have 9"):
        network_of([{"pca": {"components": 10}}], ROWS[:10])


def test_the_offset_that_a_logarithm_asks_for_is_enough():
    rows = ROWS - 2.5
    with pytest.raises(UserError) as error:
        after(["log"], rows, fitted_on=rows)
    offset = float(error.value.hint.split()[-1])
    assert np.isfinite(after([{"log": {"offset": offset + 1e-3}}], rows, fitted_on=rows)).all()


@pytest.mark.parametrize(
    ("names", "word", "places"),
    [
        (["wave_400", "wave_402"], "wave", [400, 402]),
        (["1450.5", "1450"], "", [1450.5, 1450]),
        (["400 nm", "410 nm"], "nm", [400, 410]),
        (["4000 cm-1", "3996 cm-1"], "cm-1", [4000, 3996]),
        (["X-1.5", "X-2.5"], "X", [1.5, 2.5]),
        (["-1.5", "0.5"], "", [-1.5, 0.5]),
        (["s2_int_400_nm", "s2_int_401_nm"], "nm", [400, 401]),
    ],
)
def test_columns_named_by_numbers_are_an_axis(names, word, places):
    assert axis_of(names) == (word, places)


@pytest.mark.parametrize(
    "names", [["a1", "b2"], ["mean", "std"], ["400 nm", "1 um"], ["400"], None, ["400 nm", "label"]]
)
def test_other_columns_are_none(names):
    assert axis_of(names) is None


def test_an_axis_may_be_rounded_but_has_no_gap_and_no_other_order():
    assert even_step([round(900 + 10 / 3 * i) for i in range(60)]) == pytest.approx(10 / 3, rel=0.01)
    assert even_step([round(900.1 + 1.93 * i, 1) for i in range(60)]) == pytest.approx(1.93, rel=0.01)
    assert even_step([1e7 / n for n in np.linspace(9000, 9010, 5)]) < 0
    for uneven in (
        [1, 2, 3, 5, 6, 7],
        [400, 402, 404, 408, 410],
        [1, 3, 2, 4],
        list(1e7 / np.linspace(4000, 9000, 50)),
    ):
        with pytest.raises(UserError, match="not evenly spaced") as error:
            even_step([float(place) for place in uneven])
        assert "columns.features" in error.value.hint


def test_an_uneven_axis_is_refused_by_savitzky_golay_and_by_no_other_step():
    names = [f"{round(1e7 / (11000 - 50 * i), 1)} nm" for i in range(100)]
    after(["snv", "msc", "baseline", "log", "standardise"][:3], names=names)
    with pytest.raises(UserError, match="not evenly spaced"):
        after(["savitzky_golay"], names=names)


def test_no_rows_give_no_rows_of_the_right_width():
    assert after(["snv", {"pca": {"components": 7}}], ROWS[:0]).shape == (0, 7)
    assert after(["baseline"], ROWS[:0]).shape == (0, 100)


def test_settings_and_fitted_numbers_make_another_digest():
    def digest(steps, rows=ROWS, names=NAMES):
        return network_of(steps, rows, names)[1]["weights_sha256"]

    smooth, other = "savitzky_golay", {"savitzky_golay": {"window": 13}}
    found = [
        digest([smooth]),
        digest([other]),
        digest([smooth], names=None),
        digest(["msc"]),
        digest(["msc"], ROWS[:50]),
    ]
    assert len(set(found)) == 5 and digest(["msc"]) == found[3] and digest([smooth], ROWS[:50]) == found[0]


def with_steps(steps, **more):
    entry = {"library": "vectors", "preprocess": steps, **more}
    return problems({"backbones/spectra": entry}, GOOD)


def test_wrong_steps_and_settings_are_told_all_at_once_with_what_was_meant():
    step = {"savitzky_golay": {"windw": 3, "window": 10, "order": "x"}}
    found = with_steps(["snvv", {"savgol": {}}, step, {"pca": {}, "snv": {}}, 3])
    place = "backbones.spectra.preprocess"
    assert set(found) == {
        f"{place}[0]",
        f"{place}[1].savgol",
        *(f"{place}[2].savitzky_golay.{key}" for key in ("windw", "window", "order")),
        f"{place}[3]",
        f"{place}[4]",
    }
    assert found[f"{place}[0]"].hint == "did you mean 'snv'?" and "standardise" in found[f"{place}[0]"].allowed
    assert found[f"{place}[1].savgol"].hint == "did you mean 'savitzky_golay'?"
    assert found[f"{place}[2].savitzky_golay.window"].allowed == "an odd whole number >= 3"
    assert found[f"{place}[2].savitzky_golay.windw"].hint == "did you mean 'window'?"


@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 4))
def test_a_polynomial_fits_into_its_window_and_has_its_derivative(half, order, derivative):
    step = {"savitzky_golay": {"window": 2 * half + 1, "order": order, "derivative": derivative}}
    place = "backbones.spectra.preprocess[0].savitzky_golay"
    wrong = {f"{place}.order": order > 2 * half, f"{place}.derivative": derivative > order}
    assert set(with_steps([step])) == {where for where, is_wrong in wrong.items() if is_wrong}


def test_steps_are_for_vectors_and_nothing_trains_them():
    found = with_steps(["snv"], library="timm", architecture="resnet18", source={"random": True})
    assert "for vector backbones" in found["backbones.spectra.preprocess"].what
    entries = {"backbones/spectra": {"library": "vectors", "preprocess": ["snv"]}}
    data = {"source": {"path": "s"}, "columns": {"features": "nm_*"}, "targets": {"y": {}}}
    model = {"dataset": "s", "backbone": "spectra", "method": "full"}
    found = problems(entries | {"datasets/s": data, "finetune/s": model})
    assert "only transforms vectors" in found["finetune.s.method"].what


def test_a_name_alone_takes_the_defaults_and_a_loaded_config_stays_as_it_is():
    config = {
        "datasets": {"d": {"source": {"path": "."}}},
        "backbones": {"b": {"library": "vectors", "preprocess": ["snv", "savitzky_golay"]}},
    }
    loaded = load(config)
    smooth = {"savitzky_golay": {"window": 11, "order": 2, "derivative": 0}}
    assert loaded["backbones"]["b"]["preprocess"] == [{"snv": {}}, smooth] and load(loaded) == loaded


def test_snv_takes_out_an_instruments_gain_and_offset_and_a_derivative_only_the_offset():
    """One draw of the table that tests/benchmarks/spectra.py prints."""
    found = {name: accuracies(name, 1)[1] for name in ("as measured", "first derivative", "`snv`", "`msc`")}
    assert found["as measured"] < 0.6 and found["first derivative"] < 0.6 and min(found["`snv`"], found["`msc`"]) > 0.93
