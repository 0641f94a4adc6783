"""From labels of one instrument to another one: the models of an entry of adapt, their table, and what makes them run again."""

import json

import numpy as np
import pandas as pd
import pytest
import yaml

from running import graft
from tiny_data import TORCH, image_folder

SPECTRA = {
    "datasets": {"spectra": {"source": {"path": "spectra"}, "targets": {"label": {"column": "y"}, "instrument": {}}}},
    "finetune": {"m": {"dataset": "spectra", "backbone": "vectors"}},
    "adapt": {
        "move": {
            "dataset": "spectra",
            "domain": {"column": "instrument", "source": "old", "target": "new"},
            "backbone": "vectors",
            "method": ["coral", "label_shift_em"],
        }
    },
}
IMAGES = {
    "datasets": {
        name: {"source": {"path": name}, "targets": {"label": {"classes": ["cat", "dog"]}}, "split": {"test": 0.3}}
        for name in ("cells", "twins")
    },
    "backbones": {"small": {"library": "convnet", "architecture": "4-8", "source": {"random": True}, "input_size": 16}},
    "adapt": {
        "twins": {
            "source": "cells",
            "target": "twins",
            "backbone": "small",
            "method": ["mcc", "shot", "coral"],
            "epochs": 1,
            "seeds": [0, 1],
            "freeze_batchnorm": False,
        }
    },
    "device": TORCH,
}
# Of ten models the files of one are enough.
REPORTED = [
    *("results/adapt/twins.csv", "results/summary.csv", "results/handoff/twins/label/predictions.parquet"),
    "results/handoff/models/twins.small.shot/seed0/config.json",
    *(f"results/figures/adapt/twins.small.mcc/seed0/{name}" for name in ("learning_curves.svg", "label/confusion.svg")),
]
MOST = 220


def write_spectra(folder, rows):
    """Rows of one instrument; of another, scaled, mixed and moved, those with a label and so many `rows` without."""
    draw = np.random.default_rng(0)
    labels, shift = draw.integers(2, size=500 + MOST), np.random.default_rng(1).normal(size=(6, 6))
    values = draw.normal(size=(len(labels), 6)) + 3 * labels[:, None] * np.eye(6)[1]
    other = np.arange(len(labels)) >= 300
    values[other] = values[other] @ (np.eye(6) + 0.3 * shift) * [1, 2, 0.5, 1, 3, 1] + 4
    splits = np.repeat(["train", "validation", "train", "test", "train"], [200, 100, 100, 100, MOST])
    texts = np.where(np.arange(len(labels)) >= 500, "", labels.astype(str))
    np.savez(
        folder / "spectra" / "d.npz",
        X=values.astype(np.float32)[: 500 + rows],
        y=texts[: 500 + rows],
        splits=splits[: 500 + rows],
        instrument=np.where(other, "new", "old")[: 500 + rows],
    )


def write_config(folder, config):
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return path


def test_a_model_for_another_instrument_is_better_there_and_new_rows_of_it_retrain_it(tmp_path):
    (tmp_path / "spectra").mkdir()
    write_spectra(tmp_path, 200)
    config = write_config(tmp_path, SPECTRA)
    made = [f"results/{path}" for path in ("adapt/move.csv", "adapt/move.vectors.coral/seed0/label/metrics.json")]
    done = graft(tmp_path, config, *made)
    assert len(done.jobs["adapt"]) == 3 and len(done.jobs["embed"]) == 1
    table = pd.read_csv(tmp_path / made[0], index_col="method")
    assert list(table.index[-1:]) == ["source_only"] and np.isnan(table["rank"]["source_only"])
    metrics = json.loads((tmp_path / made[1]).read_text())
    assert list(metrics) == ["test"]
    accuracy = metrics["test"]["accuracy"]["value"]
    assert table["test_accuracy"]["coral"] == pytest.approx(accuracy)
    assert accuracy > table["test_accuracy"]["source_only"] + 0.1
    assert table["gain"]["coral"] == pytest.approx(accuracy - table["test_accuracy"]["source_only"])
    assert table["gain_low"]["coral"] < table["gain"]["coral"] < table["gain_high"]["coral"]
    assert table["oracle_rank"]["coral"] == 1

    write_spectra(tmp_path, MOST)
    again = graft(tmp_path, config, *made)
    assert len(again.jobs["adapt"]) == 3 and len(again.jobs["embed"]) == 1 and "finetune" not in again.jobs


def test_networks_of_two_data_sets_are_trained_ranked_and_reported(tmp_path):
    for number, name in enumerate(("cells", "twins")):
        image_folder(tmp_path / name, per_class=20 + number)
    done = graft(tmp_path, write_config(tmp_path, IMAGES), *REPORTED)
    methods = ["coral", "mcc", "shot", "source_only", "source_only_full"]
    names = {f"twins.small.{method}" for method in methods}
    table = pd.read_csv(tmp_path / "results/adapt/twins.csv")
    assert set(table["model"]) == names and (table["seeds"] == 2).all() and table["rank"].notna().sum() == 3
    choice = json.loads((tmp_path / "results/adapt/twins.json").read_text())
    assert choice["model"] == table["model"][table["rank"] == 1].item() and choice["dataset"] == "twins"
    summary = pd.read_csv(tmp_path / "results/summary.csv")
    assert set(summary["model"]) == names and set(summary["stage"]) == {"adapt"}
    assert f"twins, adapted, twins  {choice['model']}" in done.output
    gain = table.set_index("model").loc[choice["model"]]
    assert choice["gain"] == {
        "metric": "accuracy",
        "over": f"twins.small.{'source_only' if choice['model'].endswith('coral') else 'source_only_full'}",
    } | {
        key: pytest.approx(gain[name]) for key, name in (("value", "gain"), ("low", "gain_low"), ("high", "gain_high"))
    }
    said = f"chosen by information_maximisation, without labels of the target; accuracy {gain['gain']:+.3f} ["
    assert said in done.output and f"] over {choice['gain']['over']}" in done.output
    predicted = pd.read_parquet(tmp_path / "results/adapt/twins.small.mcc/seed1/label/predictions.parquet")
    assert len(predicted) == 42 and predicted["label"].notna().sum() == (predicted["split"] == "test").sum()
    handed = pd.read_parquet(tmp_path / "results/handoff/twins/label/predictions.parquet")
    assert set(handed["model"]) == names


@pytest.mark.parametrize("labelled", [100, 0])
def test_a_data_set_without_labels_but_those_of_its_test_rows_is_adapted_to_and_reported(tmp_path, labelled):
    (tmp_path / "spectra").mkdir()
    write_spectra(tmp_path, MOST)
    arrays = dict(np.load(tmp_path / "spectra/d.npz"))
    old = arrays["instrument"] == "old"
    for name, rows in (("old", old), ("new", ~old)):
        (tmp_path / name).mkdir()
        own = {key: values[rows] for key, values in arrays.items()}
        own["splits"] = np.array(["train", "train", "validation", "test"])[np.arange(len(own["y"])) % 4]
        if name == "new":
            tests = np.arange(len(own["y"])) < labelled
            own |= {"splits": np.where(tests, "test", "pool"), "y": np.where(tests, own["y"], "")}
        np.savez(tmp_path / name / "d.npz", **own)
    label = {"label": {"column": "y", "classes": ["0", "1"]}}
    config = {
        "datasets": {
            name: {"source": {"path": name}, "columns": {"features": "X", "split": "splits"}, "targets": label}
            for name in ("old", "new")
        },
        "adapt": {"move": {"source": "old", "target": "new", "backbone": "vectors", "method": "coral"}},
    }
    targets = ["results/summary.csv"] if labelled else []  # where there is no label at all, everything is asked for
    done = graft(tmp_path, write_config(tmp_path, config), *targets)
    predicted = pd.read_parquet(tmp_path / "results/adapt/move.vectors.coral/seed0/label/predictions.parquet")
    assert (predicted["split"] == "test").sum() == predicted["label"].notna().sum() == labelled
    assert (predicted["split"] == "pool").sum() == 200 + MOST - labelled
    choice = json.loads((tmp_path / "results/adapt/move.json").read_text())
    assert choice["model"] == "move.vectors.coral" and (choice["gain"] is None) == (labelled == 0)
    assert f"new, adapted, move  move.vectors.coral: {'AUROC' if labelled else 'no test metric'}" in done.output
