"""Weights of samples that are none: each is refused with its file, row and column."""

import numpy as np
import pytest

from graft.common.errors import UserError, UserErrors
from tiny_data import prepared, write_lines

ENTRY = {"table": "t.csv", "columns": {"id": "id", "features": "x*", "weight": "w"}, "targets": {"label": {}}}


def of(folder, weights, label=lambda i: "ab"[i % 2]):
    lines = [f"s{i},{i},{i % 7},{label(i)},{weight}" for i, weight in enumerate(weights)]
    write_lines(folder, "id,x1,x2,label,w", *lines)
    return prepared(folder, **ENTRY)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "1 rows have no weight"),
        ("NA", "1 weights are no finite numbers"),
        ("much", "1 weights are no finite numbers"),
        ("nan", "1 weights are no finite numbers"),
        ("inf", "1 weights are no finite numbers"),
        ("-0.5", "1 weights are below 0"),
    ],
)
def test_a_weight_that_is_none_is_refused_with_its_place(tmp_path, value, said):
    weights = ["1"] * 40
    weights[6] = value
    with pytest.raises(UserError, match=said) as caught:
        of(tmp_path, weights)
    message = str(caught.value)
    assert "columns.weight: w" in message and "t.csv, row 7" in message and "finite number >= 0" in message


def test_all_mistakes_are_shown_at_once(tmp_path):
    with pytest.raises(UserErrors) as caught:
        of(tmp_path, ["1"] * 37 + ["", "-1", "x"])
    assert [place in str(caught.value) for place in ("row 38", "row 39", "row 40")] == [True] * 3


def test_weights_that_are_all_zero_are_refused(tmp_path):
    with pytest.raises(UserError, match="the weights of all .* train rows are 0"):
        of(tmp_path, ["0"] * 40)


def test_a_column_that_is_not_there_is_refused_with_the_nearest(tmp_path):
    write_lines(tmp_path, "id,x1,label,weigth", *(f"s{i},{i},{'ab'[i % 2]},1" for i in range(40)))
    columns = {"id": "id", "features": "x*", "weight": "weight"}
    with pytest.raises(UserError, match="no column 'weight'.*columns.weight") as caught:
        prepared(tmp_path, **ENTRY | {"columns": columns})
    assert "weigth" in str(caught.value)


def test_weights_with_decimal_commas_and_of_arrays_are_read(tmp_path):
    lines = [f"s{i};{i};{'ab'[i % 2]};0,{i % 9 + 1}" for i in range(40)]
    write_lines(tmp_path, "id;x1;label;w", *lines)
    weights = prepared(tmp_path, **ENTRY).frame["weight"]
    assert sorted(set(weights.round(6))) == [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]
    (tmp_path / "arrays").mkdir()
    draw = np.random.default_rng(0)
    arrays = {"X": draw.normal(size=(40, 3)), "y": np.arange(40) % 2, "sure": draw.random(40)}
    np.savez(tmp_path / "arrays/a.npz", **arrays)
    found = prepared(tmp_path / "arrays", columns={"weight": "sure"}).frame.sort_values("row")
    np.testing.assert_allclose(found["weight"], arrays["sure"], rtol=1e-6)
    assert prepared(tmp_path / "arrays").frame["weight"].isna().all()
