"""One run with classes that have an order: every stage knows them."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import cohen_kappa_score

from described import faults, seen
from graft.curves.table import read_curves
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

GRADES = ["0", "0.5", "1"]
LINEAR, TRAINED, STUDENT = "e.tiny.linear", "e.tiny.lp_ft", "small.smaller.kd"
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "cells"},
            "table": "t.csv",
            "columns": {"path": "file"},
            "targets": {"grade": {"kind": "ordinal"}},
            "split": {"validation": 0.25, "test": 0.25},
            "folds": 2,
        }
    },
    "backbones": {"tiny": UNTRAINED, "smaller": {**UNTRAINED, "input_size": 24}},
    "finetune": {
        "e": {"dataset": "cells", "backbone": "tiny", "method": ["linear", "lp_ft"], "epochs": 1, "curve": [0.5]},
    },
    "distill": {"small": {"teacher": TRAINED, "backbone": "smaller", "epochs": 1}},
    "few_shot": {"few": {"dataset": "cells", "backbone": "tiny", "ways": 3, "shots": [1], "queries": 2, "episodes": 5}},
    "predict": {"new": {"model": TRAINED, "data": "incoming"}},
    "device": TORCH,
    "controls": ["majority"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("ordinal"), np.random.default_rng(0)
    for name, count in (("cells", 60), ("incoming", 3)):
        (folder / name).mkdir()
        for i in range(count):
            (folder / f"{name}/{i}.png").write_bytes(encoded(pixels(i)))
    grades = np.array([*GRADES, ""], object)[draw.integers(4, size=60)]  # some have none, and are the pool
    pd.DataFrame({"file": [f"{i}.png" for i in range(60)], "grade": grades}).to_csv(folder / "cells/t.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    graft(folder, folder / "config.yaml")
    return folder / "results"


@pytest.mark.parametrize("run", [f"finetune/{LINEAR}", f"finetune/{TRAINED}", f"distill/{STUDENT}"])
def test_numbers_are_classes_in_their_order_with_one_output_less(results, run):
    content = torch.load(results / run / "seed0/ft_model.pt", weights_only=True)
    facts = content["targets"]["grade"]
    assert (facts["kind"], facts["classes"]) == ("ordinal", GRADES)
    assert len(content["state_dict"]["heads.grade.bias"]) == len(facts["temperature"]) == 2
    table = pd.read_parquet(results / run / "seed0/grade/predictions.parquet")
    chances = table[[f"prob_{name}" for name in GRADES]].to_numpy()
    np.testing.assert_allclose(chances.sum(1), 1)
    steps = 1 / (1 + np.exp(-table[["logit_0.5", "logit_1"]].to_numpy() / facts["temperature"]))
    np.testing.assert_allclose(chances[:, 2], steps.prod(1), rtol=1e-5)
    assert (table["predicted"] == np.array(GRADES, object)[(np.cumprod(steps, 1) > 0.5).sum(1)]).all()
    test = table[table["split"] == "test"]
    metrics = json.loads((results / run / "seed0/grade/metrics.json").read_text())["test"]
    kappa = cohen_kappa_score(test["label"], test["predicted"], labels=GRADES, weights="quadratic")
    assert metrics["quadratic_kappa"]["value"] == pytest.approx(kappa)
    assert set(table.loc[table["split"] == "pool", "label"].isna()) == {True}


def test_train_rows_of_a_frozen_network_are_predicted_by_heads_that_did_not_see_them(results):
    content = torch.load(results / f"finetune/{LINEAR}/seed0/ft_model.pt", weights_only=True)
    assert content["fold_heads"]["grade"]["weight"].shape[:2] == (3, 2)  # two folds and the validation rows; two steps
    table = pd.read_parquet(results / f"finetune/{LINEAR}/seed0/grade/predictions.parquet")
    assert set(table.loc[table["split"] == "train", "fold"]) == {0, 1}


def test_the_model_that_is_taken_is_compared_by_kappa_and_every_page_is_there(results):
    summary = pd.read_csv(results / "summary.csv")
    trained = summary[summary["stage"] != "few_shot"]
    assert set(trained["compared_by"]) == {"quadratic_kappa"} and trained["test_mae_levels"].notna().all()
    figures = results / f"figures/finetune/{TRAINED}/seed0/grade"
    assert {path.name for path in figures.iterdir()} == {
        "confusion.svg",
        "per_class.svg",
        "reliability.svg",
        "roc.svg",
        "risk_coverage.svg",
        "mistakes.html",
    }
    assert "quadratic kappa" in (results / "index.html").read_text()
    assert "CORN" in (results / f"handoff/models/{TRAINED}/seed0/README.md").read_text()


def test_new_data_get_the_same_answers_as_the_rows_of_the_data_set(results):
    new = pd.read_csv(results / "predict/new.csv", dtype={"predicted": str}).set_index("sample_id")
    known = pd.read_parquet(results / f"finetune/{TRAINED}/seed0/grade/predictions.parquet").set_index("sample_id")
    for name in GRADES:
        np.testing.assert_allclose(new[f"prob_{name}"], known.loc[new.index, f"prob_{name}"], atol=2e-3)


def test_a_point_of_the_networks_curve_is_the_kappa_of_scikit_learn(results):
    home = results / f"finetune/{TRAINED}/seed0/subset50.draw0"
    facts = json.loads((home / "subset.json").read_text())
    assert facts["left_out"] == "" and facts["targets"]["grade"]["classes"] == GRADES
    judged = pd.read_parquet(home / "judged.parquet").set_index("sample_id")
    table = pd.read_parquet(results / f"finetune/{TRAINED}/seed0/grade/predictions.parquet").set_index("sample_id")
    test = table[table["split"] == "test"]
    steps = judged.loc[test.index, ["grade.0", "grade.1"]].to_numpy() / facts["targets"]["grade"]["temperature"]
    first, second = (1 / (1 + np.exp(-steps))).T  # above the first class; and, of these, above the second
    said = np.where(first < 0.5, 0, np.where(first * second < 0.5, 1, 2))  # the median
    truth = test["label"].map(GRADES.index)
    curve = read_curves(results / "curves/cells/grade.csv")[TRAINED, "test"]
    assert curve.metric == "quadratic_kappa" and curve.measured["fraction"].tolist() == [0.5, 1.0]
    wanted = cohen_kappa_score(truth, said, weights="quadratic")
    assert curve.measured["value"].iloc[0] == pytest.approx(wanted, rel=1e-5)


def test_the_page_of_files_describes_every_file_and_column(results):
    assert faults(results) == [] and seen(results) >= {"Predictions of new files", "What to label next"}
