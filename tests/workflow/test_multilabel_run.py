"""One run with several labels per sample, from columns and from words: every stage knows them."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import average_precision_score

from described import faults
from graft.curves.table import read_curves
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

LINEAR, TRAINED, STUDENT = "e.tiny.linear", "e.tiny.lp_ft", "small.smaller.kd"
LABELS = ["crack", "poly"]
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "cells"},
            "table": "t.csv",
            "columns": {"path": "file"},
            "targets": {
                "found": {"kind": "multilabel", "columns": LABELS},
                "words": {"kind": "multilabel", "separator": ";"},
            },
            "split": {"validation": 0.25, "test": 0.25},
            "folds": 2,
        }
    },
    "backbones": {"tiny": UNTRAINED, "smaller": {**UNTRAINED, "input_size": 24}},
    "finetune": {
        "e": {
            "dataset": "cells",
            "target": "found",
            "backbone": "tiny",
            "method": ["linear", "lp_ft"],
            "epochs": 1,
            "curve": [0.5],
        },
        "w": {"dataset": "cells", "target": "words", "backbone": "tiny", "method": "linear"},
    },
    "distill": {"small": {"teacher": TRAINED, "backbone": "smaller", "epochs": 1}},
    "predict": {"new": {"model": TRAINED, "data": "incoming"}},
    "device": TORCH,
    "controls": ["majority"],
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder, draw = tmp_path_factory.mktemp("multilabel"), np.random.default_rng(0)
    for name, count in (("cells", 60), ("incoming", 3)):
        (folder / name).mkdir()
        for i in range(count):
            (folder / f"{name}/{i}.png").write_bytes(encoded(pixels(i)))
    has = (draw.random((60, 2)) < [0.5, 0.35]).astype(int)
    words = [";".join(word for word, yes in zip(LABELS, row, strict=True) if yes) or ";" for row in has]
    table = pd.DataFrame(has, columns=LABELS).astype(object).assign(file=[f"{i}.png" for i in range(60)], words=words)
    table.loc[0, "crack"] = ""
    table.to_csv(folder / "cells/t.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    graft(folder, folder / "config.yaml")
    return folder / "results"


@pytest.mark.parametrize(
    ("run", "target"),
    [
        (f"finetune/{LINEAR}", "found"),
        (f"finetune/{TRAINED}", "found"),
        (f"distill/{STUDENT}", "found"),
        ("finetune/w.tiny.linear", "words"),
    ],
)
def test_tables_hold_lists_and_the_mean_average_precision_is_that_of_scikit_learn(results, run, target):
    table = pd.read_parquet(results / run / "seed0" / target / "predictions.parquet")
    test = table[table["split"] == "test"]
    parts = []
    for name in LABELS:
        known = ~test[f"unknown_{name}"] if f"unknown_{name}" in test else np.ones(len(test), bool)
        rows = test[known]
        parts.append(average_precision_score([name in one for one in rows["label"]], rows[f"prob_{name}"]))
    metrics = json.loads((results / run / "seed0" / target / "metrics.json").read_text())
    assert metrics["test"]["map"]["value"] == pytest.approx(np.mean(parts))
    assert set(map(type, table["predicted"])) == {np.ndarray}


def test_an_empty_cell_is_not_known_and_every_page_is_there(results):
    table = pd.read_parquet(results / f"finetune/{LINEAR}/seed0/found/predictions.parquet").set_index("sample_id")
    assert table.index[table["unknown_crack"]].tolist() == ["0.png"]
    summary = pd.read_csv(results / "summary.csv")
    assert set(summary["compared_by"].dropna()) <= {"map"} and summary["test_map"].notna().all()
    figures = {path.name for path in (results / f"figures/finetune/{TRAINED}/seed0/found").iterdir()}
    assert figures == {"labels.svg"}
    assert "mean average precision" in (results / "index.html").read_text()


def test_new_data_have_their_labels_as_json_and_the_answers_of_the_data_set(results):
    new = pd.read_csv(results / "predict/new.csv").set_index("sample_id")
    assert all(set(json.loads(one)) <= set(LABELS) for one in new["predicted"])
    known = pd.read_parquet(results / f"finetune/{TRAINED}/seed0/found/predictions.parquet").set_index("sample_id")
    for name in LABELS:
        np.testing.assert_allclose(new[f"prob_{name}"], known.loc[new.index, f"prob_{name}"], atol=2e-3)


def test_a_point_of_the_networks_curve_is_the_mean_average_precision_of_scikit_learn(results):
    home = results / f"finetune/{TRAINED}/seed0/subset50.draw0"
    assert json.loads((home / "subset.json").read_text())["left_out"] == ""
    judged = pd.read_parquet(home / "judged.parquet").set_index("sample_id")
    table = pd.read_parquet(results / f"finetune/{TRAINED}/seed0/found/predictions.parquet").set_index("sample_id")
    test = table[table["split"] == "test"]
    parts = []
    for place, name in enumerate(LABELS):
        rows = test[~test[f"unknown_{name}"]] if f"unknown_{name}" in test else test
        truth = [name in one for one in rows["label"]]
        parts.append(average_precision_score(truth, judged.loc[rows.index, f"found.{place}"]))
    curve = read_curves(results / "curves/cells/found.csv")[TRAINED, "test"]
    assert curve.metric == "map" and curve.measured["fraction"].tolist() == [0.5, 1.0]
    assert curve.measured["value"].iloc[0] == pytest.approx(np.mean(parts), rel=1e-5)


def test_the_page_of_files_describes_every_file_and_column(results):
    assert faults(results) == []
