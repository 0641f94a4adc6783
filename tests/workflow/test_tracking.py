"""What a run sends to MLflow: its real client, and its real server."""

import csv
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

import tracker
from graft import __version__
from graft.common.outputs import read_json
from running import graft

PASSWORD = "geheim-und-lang"
COMPARED = ["choice", "compared_by", "validation_gap", "validation_gap_low", "validation_gap_high"]
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "cells"},
            "columns": {"features": "x*"},
            "split": {"validation": 0.25, "test": 0.25},
        }
    },
    "backbones": {"scaled": {"library": "vectors", "preprocess": ["standardise"]}},
    "finetune": {
        "plain": {"dataset": "cells", "backbone": "scaled", "seeds": [1]},
        "tight": {"dataset": "cells", "backbone": "scaled", "l2": [1.0]},
    },
    "controls": ["majority"],
    "hand_off": {"models": ["plain.scaled.linear"]},
    "tracking": {"mlflow": {"experiment": "cells"}},
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A run whose server is away, the same with a server, again, with a changed model, and after its list was lost."""
    folder, port = tmp_path_factory.mktemp("lab"), tracker.free_port()
    numbers = np.random.default_rng(0).normal(size=(80, 4)).round(3)
    (folder / "cells").mkdir()
    table = pd.DataFrame(numbers, columns=[f"x{i}" for i in range(4)])
    table["label"] = np.where(numbers[:, 0] > 0, "b", "a")
    table.to_csv(folder / "cells/t.csv", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    with tracker.server(tmp_path_factory.mktemp("mlflow"), port) as address:
        away = run(folder, f"http://me:{PASSWORD}@127.0.0.1:{tracker.free_port()}", check=False)
        assert "track failed" in away.output, away.output[-3000:]
        left = {path.name: path for path in (folder / "results").rglob("*") if path.is_file()}
        tracker.wait_for(address)
        with_password = address.replace("://", f"://me:{PASSWORD}@")
        sent = run(folder, with_password)
        first = tracker.runs(address, "cells")
        summary = pd.read_csv(folder / "results/summary.csv")
        again = run(folder, with_password)
        entries = {**CONFIG["finetune"], "tight": {**CONFIG["finetune"]["tight"], "l2": [2.0]}}
        (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "finetune": entries}))
        changed = run(folder, with_password)
        (folder / "results/tracking/mlflow.csv").unlink()
        lost = run(folder, with_password, "track")
        second = tracker.runs(address, "cells")
    return SimpleNamespace(**locals())


def run(folder, address, *targets, check=True):
    variables = {
        "MLFLOW_TRACKING_URI": address,
        "MLFLOW_TRACKING_TOKEN": PASSWORD,
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    }
    variables["PYTHONPATH"] = str(tracker.packages())
    return graft(folder, folder / "config.yaml", *targets, check=check, env=variables)


def test_a_server_that_is_away_fails_the_last_job_with_a_plain_reason_and_nothing_else(lab):
    assert lab.away.returncode
    reason = lab.away.output.rpartition("track failed: ")[2]
    assert reason.startswith("tracking.mlflow: MLflow did not take the results: API request to http://127.0.0.1:")
    assert "all results are there" in reason and "Traceback" not in lab.away.output
    assert {"summary.csv", "index.html", "index.json", "costs.svg"} <= set(lab.left)
    assert "mlflow.csv" not in lab.left
    assert lab.sent.returncode == 0 and set(lab.sent.jobs) == {"track"}  # all else was there


def test_there_is_one_run_for_each_row_with_the_numbers_of_the_table(lab):
    found = {(one["tags"]["model"], one["params"].get("seed", "")): one for one in lab.first}
    assert len(found) == len(lab.first) == len(lab.summary) == 3
    assert {one["status"] for one in lab.first} == {"FINISHED"}
    for row in lab.summary.to_dict("records"):
        one = found[row["model"], str(row["seed"])]
        numbers = pd.Series(row).drop(labels=["seed", "ways", "shots"]).drop(labels=COMPARED)
        numbers = {key: value for key, value in numbers.items() if isinstance(value, float) and value == value}
        assert len(numbers) >= 6 and "test_accuracy_low" in numbers
        assert {key: value for key, value in one["metrics"].items() if "/" not in key} == numbers


def test_a_run_says_where_it_comes_from(lab):
    one = next(one for one in lab.first if one["name"] == "tight.scaled.linear, seed 0")
    tags = {key: value for key, value in one["tags"].items() if not key.startswith("mlflow.")}
    index = read_json(lab.folder / "results/handoff/index.json")
    assert tags.pop("graft.fingerprint") and len(tags.pop("graft.model")) == 64
    assert tags == {
        **{"stage": "finetune", "dataset": "cells", "target": "label", "model": "tight.scaled.linear"},
        **{"backbone": "scaled", "method": "linear", "graft.version": __version__},
        "graft.data": index["datasets"]["cells"]["labelled"],
        "graft.folder": "results/finetune/tight.scaled.linear/seed0",
    }
    assert one["params"]["l2"] == "[1.0]" and one["params"]["entry"] == "tight" and one["params"]["seed"] == "0"
    (handed,) = [one for one in index["models"] if one["seed"] == 1]
    plain = next(one for one in lab.first if one["name"] == "plain.scaled.linear, seed 1")
    assert plain["tags"]["graft.model"] == handed["model_digest"]


def test_the_history_is_that_of_the_training(lab):
    one = next(one for one in lab.first if one["name"] == "plain.scaled.linear, seed 1")
    history = pd.read_csv(lab.folder / "results/finetune/plain.scaled.linear/seed1/ft_history.csv")
    wanted = history[["epoch", "val_loss"]].to_numpy().tolist()
    assert len(wanted) > 3 and one["history"]["probe/val_loss"] == wanted


def test_figures_and_the_card_are_sent_and_no_sample_and_no_weight(lab):
    files = {one["name"]: one["files"] for one in lab.first}
    figures = lab.folder / "results/figures/finetune/plain.scaled.linear/seed1"
    drawn = [f"figures/{path.relative_to(figures).as_posix()}" for path in sorted(figures.rglob("*.svg"))]
    assert "figures/label/roc.svg" in drawn
    assert files["plain.scaled.linear, seed 1"] == sorted([*drawn, "model/README.md"])
    assert "model/README.md" not in files["tight.scaled.linear, seed 0"]  # it is not handed over


def test_nothing_new_sends_nothing_and_a_changed_model_is_one_more_run(lab):
    assert "Nothing to be done" in lab.again.output
    assert {"finetune", "predict", "track"} <= set(lab.changed.jobs)
    old = {one["id"]: one for one in lab.first}
    new = [one for one in lab.second if one["id"] not in old]
    assert [(one["name"], one["params"]["l2"]) for one in new] == [("tight.scaled.linear, seed 0", "[2.0]")]
    assert {one["id"]: one for one in lab.second if one["id"] in old} == old


def test_what_mlflow_has_is_not_sent_again_when_the_list_of_it_is_lost(lab):
    assert lab.lost.jobs == {"track": ["Sending what is new to MLflow"]}
    with (lab.folder / "results/tracking/mlflow.csv").open() as file:
        listed = {row["mlflow_run"] for row in csv.DictReader(file)}
    ids = {one["id"] for one in lab.second}
    assert len(listed) == 3 and listed < ids


def test_no_password_is_in_any_file_or_message(lab):
    said = "".join(done.output for done in (lab.away, lab.sent, lab.again, lab.changed, lab.lost))
    files = [path for path in lab.folder.rglob("*") if path.is_file()]
    assert len(files) > 100 and "127.0.0.1" in said
    assert PASSWORD not in said
    assert [path for path in files if PASSWORD.encode() in path.read_bytes()] == []
