"""Which columns are features: a pattern never takes the answer, and the order of a table's columns means nothing."""

import numpy as np
import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.data.readers import complete, list_samples, opener

TARGETS = {"protein": {"kind": "regression"}}


def spectra(rows, names, seed=0):
    """A table of numbers, a column of ids, and a target whose name begins like the features'."""
    values = np.random.default_rng(seed).normal(size=(rows, len(names))).round(3)
    return pd.DataFrame(values, columns=names).assign(protein=100.0 + np.arange(rows), plate=7, id=range(rows))


def features_of(root, **entry):
    """(names, matrix) as the reader gives them, rows in the order of the listing."""
    entry = complete({"reader": "table", "targets": TARGETS, **entry})
    listing = list_samples(entry, root)
    load = opener(entry, root)
    rows = [load(row.path, row.row, None) for row in listing.frame.itertuples()]
    return listing.facts["columns"]["features"], np.stack(rows)


@pytest.mark.parametrize("pattern", ["p*", ["p*"], "*"])
def test_a_pattern_leaves_out_the_target_the_group_and_the_id(tmp_path, pattern):
    spectra(8, ["p1", "p2", "p3"]).to_csv(tmp_path / "t.csv", index=False)
    columns = {"features": pattern, "group": "plate", "id": "id"}
    names, matrix = features_of(tmp_path, table="t.csv", columns=columns)
    assert names == ["p1", "p2", "p3"]
    assert (matrix < 50).all()


def test_a_target_that_is_listed_as_a_feature_is_refused_by_name_and_works_when_taken_out(tmp_path):
    spectra(8, ["p1", "p2"]).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(UserError, match=r"features and targets, too: 'protein'(?s:.*)take them out"):
        features_of(tmp_path, table="t.csv", columns={"features": ["p1", "p2", "protein"]})
    assert features_of(tmp_path, table="t.csv", columns={"features": ["p1", "p2"]})[0] == ["p1", "p2"]


def test_tables_of_splits_whose_columns_have_another_order_give_the_same_features(tmp_path):
    names = [f"nm_{n}" for n in (900, 1000, 905)]
    train, test = spectra(6, names, 1), spectra(4, names, 2)
    train.to_csv(tmp_path / "train.csv", index=False)
    test[[*reversed(names), "protein", "plate", "id"]].to_csv(tmp_path / "test.csv", index=False)
    found, matrix = features_of(
        tmp_path, table={"train": "train.csv", "test": "test.csv"}, columns={"features": "nm_*"}
    )
    assert found == ["nm_900", "nm_905", "nm_1000"]
    np.testing.assert_allclose(matrix, pd.concat([train, test])[found], rtol=1e-6)


def test_tables_with_other_feature_columns_are_refused_and_a_list_of_common_ones_works(tmp_path):
    spectra(6, ["p1", "p2"]).to_csv(tmp_path / "train.csv", index=False)
    spectra(4, ["p2", "p3"]).to_csv(tmp_path / "test.csv", index=False)
    table = {"train": "train.csv", "test": "test.csv"}
    with pytest.raises(UserError, match=r"other columns than in the data set's first table: 'p1', 'p3'"):
        features_of(tmp_path, table=table, columns={"features": "p*"})
    assert features_of(tmp_path, table=table, columns={"features": ["p2"]})[1].shape == (10, 1)


def text_of(values, mark, decimals):
    """Numbers as text, with `mark` for the fraction and, where it is a comma, points between thousands."""
    texts = [f"{value:,.{decimals}f}" for value in values]
    return [text.translate(str.maketrans(",.", ".,") if mark == "," else {ord(","): None}) for text in texts]


@pytest.mark.parametrize("decimal", ["auto", "comma"])
@pytest.mark.parametrize("encode", [str, "category"])
def test_commas_of_parquet_mean_the_same_in_every_row_group(tmp_path, decimal, encode):
    values = np.array([1234.5, 950, 1400, 2000, 0.5, 1234, 7000, 3333.25, 1250, 1000])
    frame = pd.DataFrame({name: text_of(values * factor, ",", 2) for name, factor in (("f1", 1), ("f2", 3))})
    frame["f1"] = frame["f1"].str.removesuffix(",00")  # 1.400 is 1400 where another row group says so
    frame = frame.astype(encode).assign(protein=1.0)
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=2)
    _, matrix = features_of(tmp_path, table="t.parquet", columns={"features": "f*"}, decimal=decimal)
    np.testing.assert_allclose(matrix, np.stack([values, values * 3], axis=1))


def test_the_hint_about_commas_works_for_parquet(tmp_path):
    frame = pd.DataFrame({"f1": ["1,234", "2,500"], "f2": ["0.5", "0.25"], "protein": [1.0, 2.0]})
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="decimal: comma"):
        features_of(tmp_path, table="t.parquet", columns={"features": "f*"})
    with_hint = features_of(tmp_path, table="t.parquet", columns={"features": ["f1"]}, decimal="comma")[1]
    np.testing.assert_allclose(with_hint[:, 0], [1.234, 2.5], rtol=1e-6)


def test_rows_that_are_skipped_in_parquet_are_not_read_as_features(tmp_path):
    frame = pd.DataFrame({"f1": ["nm", "1,5", "2,5"], "f2": ["nm", "3", "4"], "protein": [0.0, 1.0, 2.0]})
    frame.to_parquet(tmp_path / "t.parquet", row_group_size=1)
    _, matrix = features_of(tmp_path, table="t.parquet", columns={"features": "f*"}, skip_rows=1)
    np.testing.assert_allclose(matrix, [[1.5, 3], [2.5, 4]])


@pytest.mark.parametrize("words", [("True", "False"), ("TRUE", "FALSE"), ("true", "false")])
def test_true_and_false_are_features_in_text_tables_as_in_others(tmp_path, words):
    said = np.random.default_rng(0).random((8, 3)) < 0.5
    frame = pd.DataFrame(said, columns=["c_a", "c_b", "c_c"]).assign(protein=np.arange(8.0))
    frame.to_parquet(tmp_path / "t.parquet")
    frame.replace({True: words[0], False: words[1]}).to_csv(tmp_path / "t.csv", index=False)
    for table in ("t.csv", "t.parquet"):
        _, matrix = features_of(tmp_path, table=table, columns={"features": "c_*"})
        np.testing.assert_array_equal(matrix, said.astype(np.float32))
