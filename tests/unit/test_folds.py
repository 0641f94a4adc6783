"""Folds of trained networks: what is said of a train row comes from a model that never saw it."""

import numpy as np
import pandas as pd
import pytest
import torch

import finetune
import finetune_fold
import predict
from graft import config as graft_config
from graft.common.errors import UserError
from graft.common.outputs import read_json, write_json
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store
from graft.store.feature_files import write_features
from graft.targets.held_out import read_held_out, with_held_out
from graft.training.data import TrainingData
from graft.training.rule_inputs import open_trainer
from graft.training.state import StateFiles
from graft.training.trainer import Trainer
from predicting import SETS, outputs_in

ROWS, POOL = 150, 10
COLUMNS = {"id": "id", "features": "x*", "split": "split", "fold": "fold"}
SETTINGS = {"epochs": 60, "head_lr": 0.05, "weight_decay": 0, "dropout": 0, "patience": None, "batch_size": 128}


def table(kind="classification", width=80):
    """Vectors whose labels are drawn by lot, or whose value is a sum of columns; three of five are of train, in 6 folds."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(ROWS + POOL, width)).round(3)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(width)])
    frame["id"] = [f"s{i}" for i in range(len(x))]
    frame["split"] = (["train", "validation", "train", "test", "train"] * len(x))[: len(x)]
    frame["fold"] = np.where(frame["split"] == "train", np.arange(len(x)) % 6, -1)
    by_lot = np.array(["a", "b"], object)[draw.integers(2, size=len(x))]
    frame["y"] = by_lot if kind == "classification" else (5000 + 300 * x[:, :3].sum(1)).round(3)
    frame.loc[ROWS:, "y"] = None
    frame.loc[ROWS:, "split"] = "pool"
    return frame.assign(fold=frame["fold"].where(frame["split"] == "train").astype("Int64").astype("string"))


class Lab:
    """A data set of vectors, prepared, with the embeddings of its parts: themselves."""

    def __init__(self, folder, frame, kind="classification", columns=COLUMNS, **entry):
        self.folder, root = folder, folder / "cells"
        root.mkdir(parents=True)
        frame.to_csv(root / "t.csv", index=False)
        entry = {"table": "t.csv", "columns": columns, "targets": {"y": {"kind": kind}}, **entry}
        self.entry = complete(entry)
        model = {"dataset": "cells", "backbone": "vectors", "method": "linear", **SETTINGS}
        config = {"datasets": {"cells": {"source": {"path": "cells"}, **entry}}, "finetune": {"e": model}}
        self.settings = graft_config.make_plan(graft_config.load(config)).models["e.vectors.linear"]
        files = {key: folder / f"{key}.digest" for key in ("labelled", "pool")}
        files |= {"samples": folder / "samples.parquet", "labels": folder / "labels.json"}
        write(prepare("cells", self.entry, root), {**files, "card": folder / "data_card.json"})
        write_json(folder / "dataset.json", {"root": "cells"})
        write_json(folder / "backbone.json", {"name": "vectors", "library": "vectors", **features_of_vectors()})
        self.manifest = read_manifest(folder / "samples.parquet")
        for part in ("labelled", "pool"):
            rows = self.manifest.part(part)
            own = frame.set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)
            write_features(folder / f"{part}.parquet", rows, own)

    def trainer(self, method="full", fold=None, folds=None):
        data = TrainingData(
            settings=self.settings | {"method": method},  # which a config refuses for vectors: here they are quick
            samples=self.folder / "samples.parquet",
            source=open_source(self.folder / "dataset.json", self.entry, self.manifest.card),
            backbone=features.pretrained(self.folder, self.manifest.card),
            store=Store(self.folder / "store"),
            features=self.folder / "labelled.parquet",
            fold=fold,
            folds=folds,
        )
        return Trainer(data, 0, StateFiles(self.folder / f"state{fold}", "f"), torch.device("cpu"), "fp32")

    def held_out(self, method, fold, folds):
        path = self.folder / f"{method}.{fold}of{folds}.parquet"
        finetune_fold.main(self.trainer(method, fold, folds), path)
        return path

    def predictions(self, method="full", held_out=()):
        model, out = self.folder / "ft_model.pt", outputs_in(self.folder)
        if not model.exists():
            finetune.main(self.trainer(method), model, self.folder / "ft_history.csv")
        parts = [self.folder / f"{part}.parquet" for part in ("labelled", "pool")]
        predict.main(self.folder / "samples.parquet", model, "y", parts, out, SETS, held_out)
        return pd.read_parquet(out.predictions).set_index("sample_id"), read_json(out.metrics)


def features_of_vectors():
    return {"architecture": "identity", "modality": "vector", "preprocessing": {}}


def in_fold(frame, fold, folds):
    return (frame["split"] == "train") & (pd.to_numeric(frame["fold"]).fillna(-1) % folds == fold)


@pytest.mark.parametrize("method", ["full", "lp_ft"])
@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_no_label_of_a_fold_reaches_the_model_that_holds_it_out(tmp_path, method, kind):
    frame = table(kind)
    rows = in_fold(frame, 1, 3)
    others = (frame["split"] == "train") & ~rows
    swap = {"a": "b", "b": "a"} if kind == "classification" else {value: 9e4 - value for value in frame["y"].dropna()}
    inside, outside = (frame["y"].where(~part, frame["y"].map(swap)) for part in (rows, others & (others.cumsum() < 6)))
    found = {}
    for name, labels in {"true": frame["y"], "inside": inside, "outside": outside}.items():
        lab = Lab(tmp_path / name, frame.assign(y=labels), kind)
        found[name] = lab.held_out(method, 1, 3).read_bytes()
    assert found["true"] == found["inside"] != found["outside"]
    assert pd.read_parquet(lab.folder / f"{method}.1of3.parquet")["sample_id"].tolist() == [
        name for name in lab.manifest.frame["sample_id"] if name in set(frame.loc[rows, "id"])
    ]


def test_labels_by_lot_are_known_by_heart_but_not_out_of_fold_and_other_rows_stay(tmp_path):
    lab = Lab(tmp_path, table(width=120))
    plain, _ = lab.predictions()
    honest, metrics = lab.predictions(held_out=[lab.held_out("full", fold, 3) for fold in range(3)])
    train = plain["split"] == "train"
    right = plain["predicted"] == plain["label"]
    assert right[train].mean() > 0.85 and (plain["fold"] == -1).all()
    assert (honest["predicted"] == honest["label"])[train].mean() < 0.65
    assert metrics["train"]["accuracy"]["value"] == (honest["predicted"] == honest["label"])[train].mean()
    pd.testing.assert_frame_equal(plain[~train].drop(columns="set_90"), honest[~train].drop(columns="set_90"))
    assert plain["set_90"].isna().all() and honest["set_90"].notna().all()  # only rows that nothing saw calibrate
    folds = lab.manifest.frame.set_index("sample_id")["fold"].loc[honest.index]
    assert (honest["fold"][train] == folds[train] % 3).all()
    assert honest["temperature"].nunique() == 1  # the main model's
    logits = honest[["logit_a", "logit_b"]].to_numpy() / honest["temperature"].to_numpy()[:, None]
    assert np.allclose(honest["prob_b"], 1 / (1 + np.exp(logits[:, 0] - logits[:, 1])))


def test_values_are_held_out_in_their_own_unit(tmp_path):
    lab = Lab(tmp_path, table("regression", width=6), "regression")
    held_out = [lab.held_out("lp_ft", fold, 2) for fold in range(2)]
    table_, metrics = lab.predictions("lp_ft", held_out)
    found = read_held_out(held_out).set_index("sample_id")
    train = table_[table_["split"] == "train"]
    assert np.allclose(train["predicted"], found["y.0"].loc[train.index])
    assert np.corrcoef(train["predicted"], train["value"])[0, 1] > 0.95
    assert abs(train["predicted"].mean() - train["value"].mean()) < 200
    assert metrics["train"]["r2"]["value"] > 0.9


def test_folds_that_are_joined_keep_groups_together(tmp_path):
    frame = table().assign(fold=None, plate=[f"p{i // 7}" for i in range(ROWS + POOL)])
    frame["split"] = np.where(frame["y"].isna(), "pool", "train")
    frame.loc[frame["plate"].isin(["p0", "p1"]) & frame["y"].notna(), "split"] = "validation"
    frame.loc[frame["plate"].isin(["p2", "p3"]) & frame["y"].notna(), "split"] = "test"
    columns = {key: name for key, name in COLUMNS.items() if key != "fold"} | {"group": "plate"}
    lab = Lab(tmp_path, frame, columns=columns, folds=5)
    held = [lab.trainer(fold=fold, folds=2).data for fold in range(2)]
    parts = [set(data.rows["sample_id"][data.splits == "held out"]) for data in held]
    groups = [set(frame[frame["id"].isin(part)]["plate"]) for part in parts]
    assert not parts[0] & parts[1] and not groups[0] & groups[1]
    assert parts[0] | parts[1] == set(frame[frame["split"] == "train"]["id"])
    assert lab.manifest.card["folds"] == [0, 1, 2, 3, 4]


def test_a_fold_without_a_row_of_the_target_is_an_empty_file(tmp_path):
    frame = table()
    frame["z"] = frame["y"]
    frame.loc[in_fold(frame, 2, 3), "y"] = None
    lab = Lab(tmp_path, frame, targets={"y": {}, "z": {}})
    held_out = [lab.held_out("full", fold, 3) for fold in range(3)]
    assert len(pd.read_parquet(held_out[2])) == 0
    predicted, _ = lab.predictions(held_out=held_out)
    assert (predicted["fold"][predicted["label"].notna() & (predicted["split"] == "train")] >= 0).all()


def test_a_fold_that_is_all_there_is_to_train_on_is_refused(tmp_path):
    lab = Lab(tmp_path, table())
    with pytest.raises(UserError, match="no train row"):
        lab.held_out("full", 0, 1)


def test_what_another_data_set_held_out_is_refused():
    held_out = pd.DataFrame({"sample_id": ["s9"], "fold": [0], "y.0": [1.0]})
    facts = {"kind": "regression", "mean": 0.0, "std": 1.0}
    with pytest.raises(UserError, match="'s9'"):
        with_held_out(np.zeros((1, 1)), np.array([-1]), pd.DataFrame({"sample_id": ["s1"]}), held_out, "y", facts)


def test_every_fold_has_a_state_of_its_own(tmp_path):
    lab = Lab(tmp_path, table())
    files = {
        "samples": "samples.parquet",
        "dataset": "dataset.json",
        "digest": "labelled.digest",
        "backbone": "backbone.json",
    }
    inputs = {name: tmp_path / file for name, file in files.items()}

    def opened(fold, folds, folder):
        mode = {"precision": "fp32", "layout": "channels_last", "compile": False, "cpu_kernels": True}
        params = {"settings": lab.settings | {"method": "full"}, "mode": mode, "code": "c", "folds": folds}
        store = {"path": str(tmp_path / "store"), "max_gb": None, "shared": None}
        return open_trainer(inputs, params, tmp_path / folder / ".state", 0, lab.entry, store, fold=fold)

    first = opened(0, 3, "fold0")
    first.states.save(1)
    assert (first.data.fold, first.data.folds) == (0, 3) and opened(0, 3, "fold0").states.load() == 1
    assert opened(1, 3, "fold1").states.load() is None
    assert opened(1, 3, "fold0").states.load() is None and opened(0, 2, "fold0").states.load() is None


def test_lp_ft_starts_from_the_head_that_its_probe_solved(tmp_path):
    lab = Lab(tmp_path, table(width=5))
    lab.predictions("lp_ft")
    history = pd.read_csv(tmp_path / "ft_history.csv")
    assert history["stage"].drop_duplicates().tolist() == ["probe", "train"]
    best, start = (history[chosen].iloc[0] for chosen in (history["best"] == True, history["epoch"] == 0))  # noqa: E712
    assert start["val_loss"] == pytest.approx(best["val_loss"], abs=1e-5)
