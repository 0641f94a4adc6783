"""Test rows stay outside: no training reads them, and their labels change no model and no digest that trains one."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import distill
import finetune
import finetune_fold
import graft.training.methods
from graft import config as graft_config
from graft.common.outputs import write_json
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.networks import backbones
from graft.networks.network import load
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training.data import TrainingData
from graft.training.state import StateFiles
from graft.training.trainer import Trainer
from tiny_data import UNTRAINED, encoded, pixels, prepared, write_lines
from trained_runs import IMAGE

pytestmark = pytest.mark.usefixtures("with_and_without_kernels")

PREPARED = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
PREPARED |= {name: f"{name}.digest" for name in ("labelled", "training", "contents", "pool", "unlabelled")}
DIGESTS = ("labelled", "training", "contents", "pool", "unlabelled")
SPEC = {"name": "tiny", "modality": "image", "library": "timm", "architecture": "test_efficientnet", "width": 256}
SPEC |= {"weights_sha256": "1" * 64, "preprocessing": {**IMAGE, "size": 32}}
METHODS = sorted(path.stem for path in Path(graft.training.methods.__file__).parent.glob("[a-z]*.py"))
CLASSES, VALUES = {"target": "label"}, {"target": "value"}


def network(**settings):
    torch.manual_seed(1)
    return backbones.build(SPEC, **settings)


BACKBONE = SimpleNamespace(spec=SPEC, folder=None, weights="1" * 64, network=network, stored=network)


def table(growth_stable):
    """60 labelled images and 6 of the pool: a class, a value, and a split that the user gave, except where it is drawn."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"path": [f"{i}.png" for i in range(66)]})
    frame["label"], frame["value"] = (
        np.array(list("abc"), object)[draw.integers(3, size=66)],
        draw.normal(size=66).round(3),
    )
    frame["part"] = [["train", "train", "test"][i % 3] for i in range(60)] + ["pool"] * 6
    frame.loc[60:, ["label", "value"]] = None
    return frame.drop(columns="part") if growth_stable else frame


class Lab:
    """A prepared data set with the embeddings of its parts, of a network without training."""

    def __init__(self, folder, frame, store):
        self.folder, root = folder, folder / "cells"
        root.mkdir(parents=True)
        for i, path in enumerate(frame["path"]):
            (root / path).write_bytes(encoded(pixels(i, 32, 32)))
        frame.to_csv(root / "t.csv", index=False)
        columns = {"path": "path"} | ({"split": "part"} if "part" in frame else {})
        targets = {"label": {}, "value": {"kind": "regression"}}
        shares = {"validation": 0.25, "test": 0.3, "growth_stable": "part" not in frame}
        self.entry = complete(
            {"table": "t.csv", "columns": columns, "targets": targets, "split": shares, "folds": 3, "split_seed": 1}
        )
        write(prepare("cells", self.entry, root), {key: folder / name for key, name in PREPARED.items()})
        write_json(folder / "dataset.json", {"root": "cells"})
        self.manifest, self.store = read_manifest(folder / "samples.parquet"), store
        self.source = open_source(folder / "dataset.json", self.entry, self.manifest.card)
        for part in ("labelled", "pool"):
            rows = self.manifest.part(part)
            write_features(
                folder / f"{part}.parquet", rows, features.embed(rows, self.source, BACKBONE, store, "fp32")[0]
            )
        both = {"label": CLASSES, "value": VALUES}
        entries = {
            key: {"dataset": "cells", "backbone": "tiny", "method": METHODS, "epochs": 1, **one}
            for key, one in both.items()
        }
        config = {
            "datasets": {"cells": {"source": {"path": "cells"}, "targets": targets}},
            "backbones": {name: {**UNTRAINED, "architecture": "test_efficientnet"} for name in ("tiny", "other")},
            "finetune": entries,
            "distill": {"small": {"teacher": "label.tiny.linear", "backbone": "other", "epochs": 1}},
        }
        self.plan = graft_config.make_plan(graft_config.load(config))

    def trainer(self, name, fold=None):
        data = TrainingData(
            settings=self.plan.models[name],
            samples=self.folder / "samples.parquet",
            source=self.source,
            backbone=BACKBONE,
            store=self.store,
            features=self.folder / "labelled.parquet",
            fold=fold,
            folds=None if fold is None else 3,
        )
        return Trainer(data, 0, StateFiles(self.folder / "state", "f"), torch.device("cpu"), "fp32")

    def model(self, name):
        """The bytes of a trained model."""
        path = self.folder / f"{name}.pt"
        if name.startswith("small"):
            teacher = self.folder / "label.tiny.linear.pt"
            if not teacher.exists():
                self.model("label.tiny.linear")
            extra = [self.folder / "small.csv", self.folder / "small.json"]
            teaching, parts = load(teacher), [self.folder / f"{part}.parquet" for part in ("labelled", "pool")]
            distill.main(self.trainer(name), teaching, [(teaching, parts, None)], path, *extra)
        else:
            finetune.main(self.trainer(name), path, self.folder / f"{name}.csv")
        return path.read_bytes()

    def digests(self):
        return {name: (self.folder / f"{name}.digest").read_text() for name in DIGESTS}


@pytest.fixture(scope="module", params=["given", "growth-stable"])
def labs(request, tmp_path_factory):
    """A lab, and the same one after all labels and values of its test rows were dealt out again."""
    folder = tmp_path_factory.mktemp(request.param)
    store, frame = Store(folder / "store"), table(request.param == "growth-stable")
    before = Lab(folder / "before", frame, store)
    test = frame["path"].isin(before.manifest.frame.query("split == 'test'")["sample_id"])
    order = np.random.default_rng(1).permutation(int(test.sum()))
    changed = frame.copy()
    for column in ("label", "value"):
        changed.loc[test, column] = frame.loc[test, column].to_numpy()[order]
    changed.loc[test, "value"] = changed.loc[test, "value"] * 7 + 1000
    assert (changed["label"] != frame["label"]).sum() > 3
    return before, Lab(folder / "after", changed, store)


NAMES = [f"{target}.tiny.{method}" for target in ("label", "value") for method in METHODS] + ["small.other.kd"]


@pytest.mark.parametrize("name", NAMES)
def test_other_labels_of_test_rows_give_the_same_model_byte_for_byte(labs, name):
    before, after = labs
    assert before.model(name) == after.model(name)


def test_other_labels_of_test_rows_change_no_fold_and_only_the_digest_that_nothing_trains_by(labs):
    before, after = labs
    same = {name: before.digests()[name] == after.digests()[name] for name in DIGESTS}
    assert same == {"labelled": False, "training": True, "contents": True, "pool": True, "unlabelled": True}
    columns = ["sample_id", "split", "fold"]
    assert before.manifest.frame[columns].equals(after.manifest.frame[columns])
    held_out = [lab.folder / "held_out.parquet" for lab in labs]
    for lab, path in zip(labs, held_out, strict=True):
        finetune_fold.main(lab.trainer("label.tiny.lp_ft", fold=1), path)
    assert held_out[0].read_bytes() == held_out[1].read_bytes()


def test_a_training_holds_no_test_row(labs):
    data = labs[0].trainer("label.tiny.full").data
    assert set(data.manifest.frame["split"]) == {"train", "validation", "pool"}
    assert set(data.rows["split"]) == {"train", "validation"}
    assert len(data.rows) == len(data.targets["label"].codes) == len(data.embeddings) == len(data.inputs.lengths)
    everything = set(labs[0].manifest.frame["split"])
    assert "test" in everything


@pytest.mark.parametrize("split", ["train", "validation"])
def test_another_label_of_a_row_that_is_learnt_from_changes_the_digest_of_the_training(labs, tmp_path, split):
    lab = labs[0]
    frame = pd.read_csv(lab.folder / "cells/t.csv")
    row = frame["path"] == lab.manifest.frame.query("split == @split")["sample_id"].iloc[0]
    frame.loc[row, "label"] = frame.loc[row, "label"].map({"a": "b", "b": "c", "c": "a"})
    other = Lab(tmp_path / "other", frame, lab.store)
    assert other.digests()["training"] != lab.digests()["training"]
    assert other.digests()["contents"] == lab.digests()["contents"]
    assert split != "train" or other.model("label.tiny.linear") != lab.model("label.tiny.linear")


def test_values_of_given_test_rows_do_not_decide_which_rows_are_of_validation(tmp_path):
    values = np.random.default_rng(0).normal(size=200).round(3)
    found = []
    for factor in (1, 100):  # other values of test rows would shift the bins that validation is drawn from
        lines = [
            f"s{i},text {i},{v * (factor if i % 2 else 1)},{['train', 'test'][i % 2]}" for i, v in enumerate(values)
        ]
        write_lines(tmp_path, "id,text,value,part", *lines)
        columns, targets = {"id": "id", "text": "text", "split": "part"}, {"value": {"kind": "regression"}}
        found.append(prepared(tmp_path, table="t.csv", columns=columns, targets=targets).frame[["split", "fold"]])
    assert found[0].equals(found[1]) and (found[0]["split"] == "validation").sum() == 20


def test_labels_of_given_test_rows_do_not_decide_which_rows_a_limit_keeps(tmp_path):
    found = []
    for shift in (0, 1):
        lines = [
            f"s{i},text {i},{'abcdefgh'[(i + shift * (i % 2)) // 2 % 8]},{['train', 'test'][i % 2]}" for i in range(400)
        ]
        write_lines(tmp_path, "id,text,label,part", *lines)
        frame = prepared(tmp_path, table="t.csv", columns={"id": "id", "text": "text", "split": "part"}, limit=60).frame
        found.append(frame[frame["split"] != "test"].drop(columns="row"))
        assert len(frame) == 60 and (frame["split"] == "test").sum() == 30
    assert found[0].equals(found[1])
