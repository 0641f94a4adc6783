"""Which columns are features: a pattern never takes the answer, and the order of a table's columns means nothing."""

import numpy as np
import pandas as pd
import pytest

from graft.errors import UserError
from graft.readers import complete, list_samples, opener

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
