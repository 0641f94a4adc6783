"""One run with several targets: a folder for each, models of each alone, linear heads that are the same, new data."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml

from described import faults
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

OLD = "results/finetune/both.tiny.linear/seed0/metrics.json"  # where versions before this layout had it
BOTH, LEAN = "both.tiny.linear", "lean.tiny.lp_ft"
TARGETS = {"kind": {}, "size": {"kind": "regression"}}
ENTRY = {"dataset": "cells", "backbone": "tiny", "targets": list(TARGETS)}
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "cells"},
            "table": "t.csv",
            "columns": {"id": "id", "path": "file", "group": "plate"},
            "targets": TARGETS,
            "split": {"validation": 0.25, "test": 0.25},
            "folds": 2,
        }
    },
    "backbones": {"tiny": UNTRAINED, "smaller": {**UNTRAINED, "input_size": 24}},
    "finetune": {
        "both": {**ENTRY, "method": "linear"},
        "lean": {**ENTRY, "method": "lp_ft", "alone": False, "epochs": 1, "folds": 2, "task_weights": "uncertainty"},
    },
    "distill": {"small": {"teacher": LEAN, "backbone": "smaller", "target": "kind", "epochs": 1}},
    "predict": {"plate9": {"model": LEAN, "data": "incoming"}},
    "device": TORCH,
    "controls": ["majority"],
}


def write_data(folder):
    """60 images with a class and a number; of every five, one lacks the class and one the number."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"id": [f"s{i}" for i in range(60)], "file": [f"{i}.png" for i in range(60)]})
    frame["plate"] = [f"p{i // 3}" for i in range(60)]
    frame["kind"] = np.array(["a", "b"], object)[draw.integers(2, size=60)]
    frame["size"] = draw.normal(size=60).round(3)
    frame.loc[::5, "kind"] = None
    frame.loc[1::5, "size"] = None
    for name in ("cells", "incoming"):
        (folder / name).mkdir()
    for i, name in enumerate(frame["file"]):
        (folder / "cells" / name).write_bytes(encoded(pixels(i)))
    frame.to_csv(folder / "cells/t.csv", index=False)
    for i in range(4):
        (folder / f"incoming/{i}.png").write_bytes(encoded(pixels(900 + i)))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("several")
    write_data(folder)
    (folder / OLD).parent.mkdir(parents=True)
    (folder / OLD).write_text("{}")
    said = graft(folder, folder / "config.yaml").output
    (folder / "said.txt").write_text(said)
    return folder / "results"


def table_of(results, model, target):
    return pd.read_parquet(results / f"finetune/{model}/seed0/{target}/predictions.parquet").set_index("sample_id")


def test_there_is_a_model_of_all_targets_and_one_of_each_where_they_are_wanted(results):
    found = {path.name for path in (results / "finetune").iterdir()}
    assert found == {BOTH, "both-kind.tiny.linear", "both-size.tiny.linear", LEAN}


@pytest.mark.parametrize("model", [BOTH, LEAN])
def test_each_target_has_a_table_metrics_and_figures_in_its_folder(results, model):
    for target, measure in (("kind", "auroc"), ("size", "rmse")):
        home = results / f"finetune/{model}/seed0/{target}"
        facts = pq.read_schema(home / "predictions.parquet").metadata
        assert facts[b"target"].decode() == target
        assert facts[b"kind"] == (b"classification" if target == "kind" else b"regression")
        assert measure in json.loads((home / "metrics.json").read_text())["test"]
        assert len(table_of(results, model, target)) == 60  # what has no label is predicted, too
    drawn = {str(path.relative_to(results / f"figures/finetune/{model}/seed0")) for path in
             (results / f"figures/finetune/{model}/seed0").rglob("*.*")}  # fmt: skip
    classes = {
        f"kind/{name}.svg" for name in ("confusion", "per_class", "reliability", "groups", "roc", "risk_coverage")
    }
    values = {"size/regression.svg", "size/groups.svg", "size/errors.html"}
    assert drawn == {"learning_curves.svg", "kind/mistakes.html"} | classes | values


@pytest.mark.parametrize("target", list(TARGETS))
def test_linear_heads_together_are_those_alone(results, target):
    together, alone = (
        torch.load(results / f"finetune/{model}/seed0/ft_model.pt", weights_only=True)
        for model in (BOTH, f"both-{target}.tiny.linear")
    )
    for key in ("weight", "bias"):
        assert torch.equal(
            together["state_dict"][f"heads.{target}.{key}"], alone["state_dict"][f"heads.{target}.{key}"]
        )
    assert together["targets"][target] == alone["targets"][target]
    tables = [table_of(results, model, target).drop(columns="model") for model in (BOTH, f"both-{target}.tiny.linear")]
    pd.testing.assert_frame_equal(*tables)


def test_train_rows_of_a_trained_network_have_a_fold_for_every_target(results):
    for target in TARGETS:
        table = table_of(results, LEAN, target)
        labelled = table[(table["split"] == "train") & table["label" if target == "kind" else "value"].notna()]
        assert set(labelled["fold"]) == {0, 1}


def test_a_student_may_learn_one_of_its_teachers_targets(results):
    home = results / "distill/small.smaller.kd/seed0"
    assert {path.name for path in home.iterdir() if path.is_dir() and path.name[0] != "."} == {"kind"}
    found = json.loads((home / "kind/agreement.json").read_text())
    assert found["teacher"]["name"] == LEAN and 0 <= found["agreement"]["test"]["value"] <= 1


def test_new_data_have_a_table_of_each_target(results):
    first, second = (pd.read_csv(results / f"predict/{name}.csv") for name in ("plate9", "plate9.size"))
    assert set(first["target"]) == {"kind"} and set(second["target"]) == {"size"}
    assert first["predicted"].isin(["a", "b"]).all() and pd.api.types.is_float_dtype(second["predicted"])
    assert len(first) == len(second) == 4 and first["distance"].equals(second["distance"])


def test_the_hand_over_the_index_and_the_summary_have_every_target(results):
    models = {
        "kind": {BOTH, "both-kind.tiny.linear", LEAN, "small.smaller.kd"},
        "size": {BOTH, "both-size.tiny.linear", LEAN},
    }
    index, summary = json.loads((results / "handoff/index.json").read_text()), pd.read_csv(results / "summary.csv")
    for target, names in models.items():
        assert set(pd.read_parquet(results / f"handoff/cells/{target}/predictions.parquet")["model"]) == names
        assert {one["model"] for one in index["models"] if one["target"] == target} == names
        of_target = summary[(summary["target"] == target) & (summary["stage"] != "control")]
        assert set(of_target["model"]) == names
    card = (results / f"handoff/models/{LEAN}/seed0/README.md").read_text()
    assert "**kind** and **size**" in card


def test_files_of_an_earlier_version_are_told_and_not_handed_over(results):
    said = (results.parent / "said.txt").read_text()
    assert f"Left over from an earlier version, and not read any more: {OLD}. Delete" in said
    index = json.loads((results / "handoff/index.json").read_text())
    handed = {file["path"] for one in index["models"] for file in one["run"]}
    assert OLD.removeprefix("results/") not in handed and f"finetune/{BOTH}/seed0/kind/metrics.json" in handed


def test_a_second_run_has_nothing_to_do(results):
    assert "Nothing to be done" in graft(results.parent, results.parent / "config.yaml").output


def test_the_page_of_files_describes_every_file_and_column_but_not_those_of_earlier_versions(results):
    assert faults(results) == [f"{OLD.removeprefix('results/')}: no such file is described"]
