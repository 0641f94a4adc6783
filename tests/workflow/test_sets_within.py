"""Prediction sets within a column of subgroups: for the data sets that have the column, and for new tables that do."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from running import graft

MODELS = ("cells.net.linear", "plain.net.linear")
TABLES = [f"results/finetune/{model}/seed0/label/metrics.json" for model in MODELS]
NEW = ["results/predict/sited.csv", "results/predict/unsited.csv"]
GROUPS = "results/groups/cells/label.csv"


def cells(rows=400, seed=0):
    """Numbers of two classes, which are hard to tell apart at one site; few rows are of a third."""
    draw = np.random.default_rng(seed)
    labels, site = draw.integers(0, 2, rows), np.resize(["near"] * 50 + ["far"] * 49 + ["few"], rows)
    numbers = labels[:, None] * np.where(site == "far", 0.3, 2.0)[:, None] + draw.normal(size=(rows, 3))
    frame = pd.DataFrame(numbers.round(4), columns=["n1", "n2", "n3"])
    return frame.assign(id=[f"s{i:03}" for i in range(rows)], label=np.array(["a", "b"])[labels], site=site)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lab")
    for name in ("cells", "plain"):
        (folder / name).mkdir()
        cells(seed=len(name)).to_csv(folder / name / "t.csv", index=False)
    new = cells(60, 9).drop(columns="label")
    new.loc[:2, "site"] = "elsewhere"
    new.to_csv(folder / "sited.csv", index=False)
    new.drop(columns="site").to_csv(folder / "unsited.csv", index=False)
    entry = {"table": "t.csv", "reader": "table", "columns": {"id": "id", "features": "n*"}, "targets": {"label": {}}}
    config = {
        "datasets": {
            "cells": {**entry, "source": {"path": "cells"}, "subgroups": ["site"]},
            "plain": {**entry, "source": {"path": "plain"}},
        },
        "backbones": {"net": {"library": "vectors"}},
        "finetune": {name: {"dataset": name, "backbone": "net", "method": "linear"} for name in ("cells", "plain")},
        "predict": {name: {"model": MODELS[0], "data": f"{name}.csv"} for name in ("sited", "unsited")},
        "conformal": {"within": "site"},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    graft(folder, folder / "config.yaml", *TABLES, *NEW, GROUPS)
    return folder


def test_the_column_calibrates_where_it_is_and_other_data_sets_have_auto(lab):
    within, auto = (json.loads((lab / path).with_name("conformal.json").read_text()) for path in TABLES)
    assert within["within"] == "site" and auto["within"] == "auto" and "groups" not in auto["levels"]["90"]
    limits = within["levels"]["90"]["groups"]
    assert limits["few"] is None and limits["near"] < limits["far"]
    assert within["levels"]["90"]["note"].startswith("site 'few': ")
    table = pd.read_parquet((lab / TABLES[0]).with_name("predictions.parquet"))
    frame = pd.read_parquet(lab / "results/data/cells/samples.parquet").set_index("sample_id")
    site = frame.loc[table["sample_id"], "subgroup:site"].to_numpy()
    assert (table["set_90"].isna() == (site == "few")).all()


def test_a_new_table_with_the_column_has_sets_by_it_and_one_without_has_none_and_says_so(lab):
    sited, unsited = (pd.read_csv(lab / path) for path in NEW)
    site = pd.read_csv(lab / "sited.csv")["site"]
    assert (sited["set_90"].notna() == site.isin(["near", "far"])).all() and unsited["set_90"].isna().all()
    sizes = sited["set_90"].dropna().map(lambda one: len(json.loads(one))).groupby(site).mean()
    assert sizes["far"] > sizes["near"] + 0.3
    assert sited.drop(columns="set_90").equals(unsited.drop(columns="set_90").assign(sample_id=sited["sample_id"]))
    for name, count in (("sited", (~site.isin(["near", "far"])).sum()), ("unsited", 60)):
        said = (lab / f"logs/predict_files/{name}.log").read_text()
        assert f"no prediction sets of label for {count} samples: sets hold within 'site'" in said


def test_the_groups_have_their_coverage(lab):
    found = pd.read_csv(lab / GROUPS).query("split == 'test' and model == 'cells.net.linear' and role == 'group'")
    found = found.set_index("group")
    assert found.loc[["near", "far"], "coverage_90"].between(0.7, 1).all() and np.isnan(found.loc["few", "coverage_90"])
    assert found.loc["far", "set_size_90"] > found.loc["near", "set_size_90"]


def test_a_row_that_moves_to_another_subgroup_calibrates_there_and_nothing_is_trained(lab):
    table = pd.read_csv(lab / "cells/t.csv")
    table.loc[0, "site"] = "far"
    table.to_csv(lab / "cells/t.csv", index=False)
    done = graft(lab, lab / "config.yaml", TABLES[0], "results/controls/cells/label.csv").jobs
    assert set(done) == {"prepare_data", "predict", "fit_controls"}
