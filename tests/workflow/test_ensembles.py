"""An ensemble of models with targets of every kind, from the table to the hand-over."""

import json
import re

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import log_loss, mean_squared_error

from described import faults
from graft.serving.exported import load_exported, predict
from running import graft

TARGETS = {
    "kind": {"classes": ["a", "b", "c"]},
    "size": {"kind": "regression"},
    "grade": {"kind": "ordinal", "classes": ["low", "mid", "high"]},
    "tags": {"kind": "multilabel", "separator": ";"},
}
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "data"},
            "reader": "table",
            "table": "t.csv",
            "columns": {"features": "n*"},
            "targets": TARGETS,
            "split": {"validation": 0.25, "test": 0.25},
        }
    },
    "backbones": {"rows": {"library": "vectors", "preprocess": ["snv"]}},
    "finetune": {
        "one": {"dataset": "cells", "backbone": "vectors", "targets": list(TARGETS), "alone": False},
        "two": {"dataset": "cells", "backbone": "rows", "targets": list(TARGETS), "alone": False},
        "three": {"dataset": "cells", "backbone": "vectors"},
    },
    "ensemble": {"both": {"models": ["one.vectors.linear", "two.rows.linear"], "method": ["mean", "greedy"]}},
    "hand_off": {"models": ["both.ensemble.mean", "both.ensemble.greedy"]},
}
ENSEMBLE, GREEDY = ("ensemble/both.ensemble.mean/seed0", "ensemble/both.ensemble.greedy/seed0")
RUNS = ["finetune/one.vectors.linear/seed0", "finetune/two.rows.linear/seed0"]


def rows(count=200):
    random = np.random.default_rng(0)
    numbers = random.normal(size=(count, 4)) * [1, 10, 100, 1]
    noisy = numbers[:, 0] + random.normal(0, 0.7, count)
    place = np.digitize(noisy, [-0.5, 0.5])
    tags = [";".join(name for name, far in (("x", one > 0), ("y", one > 1)) if far) or ";" for one in noisy]
    table = pd.DataFrame(numbers, columns=[f"n{i}" for i in range(4)])
    table = table.assign(kind=np.array(["a", "b", "c"])[place], size=noisy, tags=tags)
    return table.assign(grade=np.array(["low", "mid", "high"])[place])


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ensembles")
    (folder / "data").mkdir()
    rows().to_csv(folder / "data/t.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    graft(folder, folder / "config.yaml", "results/handoff/index.json", "results/summary.csv")
    return folder / "results"


def tables(results, target, ensemble=ENSEMBLE):
    """The tables of an ensemble and of its members."""
    return [pd.read_parquet(results / run / target / "predictions.parquet") for run in (ensemble, *RUNS)]


@pytest.mark.parametrize("target", TARGETS)
def test_every_kind_of_target_is_averaged_and_judged(results, target):
    ours, *each = tables(results, target)
    columns = [name for name in ours if name.startswith("prob_")] or ["predicted"]
    np.testing.assert_allclose(ours[columns], np.mean([one[columns] for one in each], axis=0), atol=1e-12)
    assert np.abs(each[0][columns].to_numpy() - each[1][columns].to_numpy()).max() > 1e-4
    metrics = json.loads((results / ENSEMBLE / target / "metrics.json").read_text())
    assert set(metrics) == {"train", "validation", "test"}
    assert all(one["value"] is not None for one in metrics["test"].values())
    assert list(ours.columns) == list(each[0].columns)  # one schema for every stage


@pytest.mark.parametrize("target", TARGETS)
def test_a_greedy_ensemble_is_no_worse_than_a_member_on_train_rows_that_none_has_seen(results, target):
    ours, *each = tables(results, target, GREEDY)
    shares = json.loads((results / "handoff/models" / GREEDY.removeprefix("ensemble/") / "config.json").read_text())
    shares = shares["targets"][target]["weights"]
    columns = [name for name in ours if name.startswith("prob_")] or ["predicted"]
    wanted = np.tensordot(shares, np.stack([one[columns] for one in each]), 1)
    np.testing.assert_allclose(ours[columns], wanted, atol=1e-12)
    assert sum(shares) == pytest.approx(1)
    losses = [loss(one[one["split"] == "train"], target) for one in (ours, *each)]
    assert losses[0] <= min(losses[1:]) + 1e-12


@pytest.mark.parametrize("target", TARGETS)
def test_rows_that_weigh_the_members_calibrate_no_sets(results, target):
    splits = tables(results, target)[0]["split"].value_counts()
    rows = [json.loads((results / run / target / "conformal.json").read_text())["rows"] for run in (ENSEMBLE, GREEDY)]
    assert rows == [splits["train"] + splits["validation"], splits["validation"]]


def loss(table, target):
    """The mean log loss of a table's rows; of numbers the mean squared error."""
    if target == "size":
        return mean_squared_error(table["value"], table["predicted"])
    if target == "tags":
        return np.mean(
            [log_loss([name in row for row in table["label"]], table[f"prob_{name}"], labels=[0, 1]) for name in "xy"]
        )
    names = TARGETS[target]["classes"]
    return -np.log(
        [row[f"prob_{row['label']}"] for row in table[["label", *(f"prob_{n}" for n in names)]].to_dict("records")]
    ).mean()


def test_the_spread_of_a_number_is_that_of_the_ensembles_own_residuals_on_validation(results):
    ours, *_ = tables(results, "size")
    held = ours[ours["split"] == "validation"]
    assert ours["std"].unique() == pytest.approx([np.sqrt(np.mean((held["predicted"] - held["value"]) ** 2))])


def test_train_rows_keep_the_fold_that_no_head_has_seen(results):
    ours, first, second = tables(results, "kind")
    train = ours["split"] == "train"
    assert (first["fold"] == second["fold"])[train].all() and (ours["fold"] == first["fold"])[train].all()
    assert (ours["fold"][train] >= 0).all()


def test_a_handed_ensemble_brings_its_members_and_answers_alone(results):
    index = json.loads((results / "handoff/index.json").read_text())
    models = {one["model"] for one in index["models"]}
    assert models == {"both.ensemble.mean", "both.ensemble.greedy", "one.vectors.linear", "two.rows.linear"}
    assert "three.vectors.linear" in pd.read_csv(results / "summary.csv")["model"].to_list()
    manifest = pd.read_parquet(results / "data/cells/samples.parquet")
    test = manifest[manifest["split"] == "test"]
    for run in (ENSEMBLE, GREEDY):
        model = load_exported(results / "handoff/models" / run.removeprefix("ensemble/"))
        found = predict(model, rows()[[f"n{i}" for i in range(4)]])
        for target, column in (("kind", "prob_b"), ("size", "predicted"), ("grade", "prob_mid"), ("tags", "prob_x")):
            known = tables(results, target, run)[0].set_index("sample_id").loc[test["sample_id"], column]
            np.testing.assert_allclose(found[target][column].iloc[test["row"]], known, atol=1e-5)


def test_the_card_of_an_exported_ensemble_names_its_members(results):
    card = (results / "handoff/models/both.ensemble.mean/seed0/README.md").read_text()
    assert "An ensemble for **kind**, **size**, **grade** and **tags**" in card
    assert "[two.rows.linear, seed 0](../../two.rows.linear/seed0)\n" in card
    weighed = (results / "handoff/models/both.ensemble.greedy/seed0/README.md").read_text()
    assert re.search(r"\(../../two.rows.linear/seed0\): kind \d+%, size \d+%, grade \d+%, tags \d+%\n", weighed)


def test_the_page_of_files_describes_every_file_and_column(results):
    assert faults(results) == []
