"""Columns of the data that models are judged by: where they are read from, and that they decide nothing."""

import json

import numpy as np
import pytest

from bad_config import only, problems
from graft.common.errors import UserError
from graft.data.prepare import digests_of
from graft.data.samples import read_manifest, write_manifest
from tiny_data import image_folder, prepared, write_lines

TABLE = {"table": "t.csv", "columns": {"id": "id", "features": "x*"}, "targets": {"label": {}}}


def table(folder, site=lambda i: "AB"[i % 2]):
    write_lines(folder, "id,x1,x2,label,site", *(f"s{i:02},{i},{i % 7},{'ab'[i // 20]},{site(i)}" for i in range(40)))


def sites(found, name="site"):
    return dict(zip(found.frame["sample_id"], found.frame[f"subgroup:{name}"], strict=True))


def test_a_tables_column_is_in_the_manifest_and_rows_without_a_value_are_missing(tmp_path):
    table(tmp_path, lambda i: ["1.0", "2", "", "NA"][i % 4])
    found = prepared(tmp_path, **TABLE, subgroups=["site"])
    assert [sites(found)[f"s{i:02}"] for i in range(4)] == ["1", "2", "missing", "missing"]
    (tmp_path / "labels.json").write_text(json.dumps({"targets": found.targets}))
    (tmp_path / "data_card.json").write_text("{}")
    write_manifest(tmp_path / "samples.parquet", found.frame, found.targets)
    assert set(read_manifest(tmp_path / "samples.parquet").subgroups["site"]) == {"1", "2", "missing"}


def test_subgroups_decide_nothing_and_have_a_digest_of_their_own(tmp_path):
    table(tmp_path)
    plain, named = prepared(tmp_path, **TABLE), prepared(tmp_path, **TABLE, subgroups=["site"])
    assert named.frame[plain.frame.columns].equals(plain.frame) and named.card == plain.card
    before, after = digests_of(plain), digests_of(named)
    assert {key for key in before if before[key] != after[key]} == {"subgroups"}
    table(tmp_path, lambda i: "C")
    other = digests_of(prepared(tmp_path, **TABLE, subgroups=["site"]))
    assert {key for key in after if after[key] != other[key]} == {"subgroups"}


def test_an_image_folder_has_them_in_the_file_of_groups(tmp_path):
    image_folder(tmp_path / "data", per_class=12)
    write_lines(tmp_path, "sample_id,scanner", "cat/1.png,old", "dog/1.png,new", name="more.csv")
    entry = {"groups": str(tmp_path / "more.csv")}
    found = sites(prepared(tmp_path / "data", **entry, subgroups=["scanner"]), "scanner")
    assert found["cat/1.png"] == "old" and found["dog/1.png"] == "new" and found["cat/2.png"] == "missing"
    with pytest.raises(UserError, match="no column 'scaner' .*named by subgroups"):
        prepared(tmp_path / "data", **entry, subgroups=["scaner"])
    with pytest.raises(UserError, match="a folder of files has no columns; here are scanner"):
        prepared(tmp_path / "data", subgroups=["scanner"])


def test_arrays_have_them_as_arrays(tmp_path):
    labels, scanner = np.arange(40) % 2, np.array(["old", "new"])[np.arange(40) // 20]
    numbers = np.random.default_rng(0).normal(size=(40, 3))
    np.savez(tmp_path / "a.npz", X=numbers, y=labels, scanner=scanner)
    assert set(sites(prepared(tmp_path, subgroups=["scanner"]), "scanner").values()) == {"old", "new"}
    with pytest.raises(UserError, match="no array 'sex' .*named by subgroups"):
        prepared(tmp_path, subgroups=["sex"])


def test_a_column_that_is_not_there_is_refused_with_what_is_there(tmp_path):
    table(tmp_path)
    with pytest.raises(UserError) as error:
        prepared(tmp_path, **TABLE, subgroups=["sitte"])
    assert "no column 'sitte' (named by subgroups)" in str(error.value) and "did you mean 'site'" in str(error.value)


def test_the_groups_are_no_subgroups():
    columns = {"text": "text", "group": "patient"}
    change = {"datasets/news/columns": columns, "datasets/news/subgroups": ["sex", "patient"]}
    assert "'patient' means the groups" in only(change, "datasets.news.subgroups[1]").what


def test_a_row_of_the_pool_that_moves_to_another_subgroup_is_seen_where_there_are_subgroups(tmp_path):
    def digests(site, **more):
        write_lines(
            tmp_path, "id,x1,x2,label,site", *(f"s{i:02},{i},1,{'ab'[i % 2]},A" for i in range(40)), f"p,1,2,,{site}"
        )
        return digests_of(prepared(tmp_path, **TABLE, **more))

    before, after = (digests(site, subgroups=["site"]) for site in "AB")
    assert {key for key in before if before[key] != after[key]} == {"subgroups"}
    assert digests("A") == digests("B")


def test_sets_hold_within_a_column_only_if_some_data_set_has_it():
    assert problems({"datasets/news/subgroups": ["site"], "conformal": {"within": "site"}}) == {}
    error = only({"datasets/news/subgroups": ["site"], "conformal": {"within": "sitte"}}, "conformal.within")
    assert "no data set names a column 'sitte' under `subgroups`" in error.what and "'site'" in error.hint
    assert error.allowed == "auto, all, class, group, site"
    assert "`subgroups: [scanner]`" in only({"conformal": {"within": "scanner"}}, "conformal.within").hint
