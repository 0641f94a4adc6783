"""Folds of trained networks as jobs: as many as asked for, each once, and only for what depends on them."""

import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from graft.ensembles.methods import greedy
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

ENTRY = {"dataset": "cells", "backbone": "tiny", "method": ["linear", "full"], "folds": 2, "epochs": 1}
CONFIG = {
    "datasets": {
        "cells": {
            "source": {"path": "cells"},
            "table": "t.csv",
            "columns": {"id": "id", "path": "file", "split": "split"},
            "folds": 4,
        }
    },
    "backbones": {"tiny": UNTRAINED},
    "finetune": {"cells": ENTRY},
    "ensemble": {"both": {"models": ["cells.tiny.linear", "cells.tiny.full"], "method": "greedy"}},
    "device": TORCH,
}
BOTH = "results/ensemble/both.ensemble.greedy/seed0"
FULL = "results/finetune/cells.tiny.full/seed0"
TARGETS = [f"{FULL}/label/metrics.json", "results/finetune/cells.tiny.linear/seed0/label/metrics.json"]


def write_table(folder, **changes):
    """40 images of two classes, of train, validation and test; `changes` are labels by id, new ids without one."""
    frame = pd.DataFrame({"id": [f"s{i}" for i in range(60)], "file": [f"{i}.png" for i in range(60)]})
    frame["split"] = (["train", "train", "validation", "test"] * 15)[:60]
    frame["label"] = ["a", "b", "b"] * 20
    frame = frame[(frame.index < 40) | frame["id"].isin(changes)].set_index("id")
    for name, label in changes.items():
        frame.loc[name, "label"] = label
    (folder / "cells").mkdir(exist_ok=True)
    for name in frame["file"]:
        (folder / "cells" / name).write_bytes(encoded(pixels(int(name.removesuffix(".png")))))
    frame.to_csv(folder / "cells/t.csv")


def run(folder, *arguments, **settings):
    config = {**CONFIG, "finetune": {"cells": {**ENTRY, **settings}}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return graft(folder, folder / "config.yaml", *(arguments or TARGETS)).jobs


def planned(folder, **settings):
    """What would run, once the checkpoint has seen the data."""
    run(folder, "results/data/cells/samples.parquet", **settings)
    return run(folder, "-n", *TARGETS, **settings)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    write_table(folder)
    jobs = run(folder)
    assert sorted(jobs["finetune_fold"]) == [
        f"Training cells.tiny.full, seed 0, without fold {fold}" for fold in (0, 1)
    ]
    return folder


@pytest.fixture
def lab(first, tmp_path):
    shutil.copytree(first, tmp_path / "lab", symlinks=True)
    return tmp_path / "lab"


def test_train_rows_of_a_trained_network_have_a_fold_and_what_its_model_said(first):
    table = pd.read_parquet(first / FULL / "label/predictions.parquet").set_index("sample_id")
    manifest = pd.read_parquet(first / "results/data/cells/samples.parquet").set_index("sample_id")
    train = manifest["split"] == "train"
    assert (table["fold"] == np.where(train, manifest["fold"] % 2, -1)).all() and train.sum() == 20
    for fold in (0, 1):
        held_out = pd.read_parquet(first / FULL / f"fold{fold}/held_out.parquet").set_index("sample_id")
        assert set(held_out.index) == set(table.index[table["fold"] == fold])
        assert np.allclose(held_out["label.0"], table.loc[held_out.index, "logit_a"])
        assert not (first / FULL / f"fold{fold}/.state").exists()


def test_a_greedy_ensemble_weighs_its_members_by_the_rows_that_the_models_of_the_folds_did_not_see(lab):
    assert set(run(lab, f"{BOTH}/ft_model.pt")) == {"ensemble"}
    tables = [pd.read_parquet((lab / one).with_name("predictions.parquet")) for one in reversed(TARGETS)]
    unseen = [table[table["fold"] >= 0] for table in tables]
    evidence = [np.where(one["label"] == "a", one["prob_a"], one["prob_b"]) for one in unseen]
    assert [len(one) for one in evidence] == [20, 20]
    wanted = greedy.weigh(np.stack(evidence), lambda chances: -np.log(chances).mean())
    found = torch.load(lab / BOTH / "ft_model.pt", weights_only=True)["targets"]["label"]["weights"]
    assert found == pytest.approx(wanted.tolist())


def test_nothing_changed_trains_no_fold_again(lab):
    assert run(lab) == {}


def test_folds_are_added_and_taken_away_without_training_the_model_again(lab):
    before = (lab / FULL / "ft_model.pt").stat().st_mtime_ns
    assert set(run(lab, folds=None)) == {"predict"}
    assert (pd.read_parquet(lab / FULL / "label/predictions.parquet")["fold"] == -1).all()
    jobs = planned(lab, folds=4)
    assert set(jobs) == {"finetune_fold", "predict"} and len(jobs["finetune_fold"]) == 4
    assert (lab / FULL / "ft_model.pt").stat().st_mtime_ns == before


def test_a_new_row_of_the_pool_trains_no_fold(lab):
    write_table(lab, s50=None)
    assert set(planned(lab)) == {"embed", "predict"}


def test_a_corrected_label_trains_every_fold(lab):
    write_table(lab, s0="b")
    assert len(planned(lab)["finetune_fold"]) == 2
