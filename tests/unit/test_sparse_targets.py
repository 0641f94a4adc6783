"""A target that few rows have: heads of folds keep the numbers of their folds, and predict the rows that they did not see."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

import finetune
import predict
from graft import config as graft_config
from graft.common.outputs import read_json, write_json, write_parquet
from graft.data.prepare import prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.evaluation.metrics import agreement, choose_threshold
from graft.networks import network
from graft.store import Store
from graft.store.feature_files import write_features
from graft.training.data import TrainingData
from graft.training.trainer import Trainer
from predicting import SETS, outputs_in

WIDTH = 30
TARGETS = {"always": {}, "seldom": {}}
COLUMNS = {"id": "id", "features": "x*", "split": "split", "fold": "fold"}


def table(folds_with_rows):
    """200 rows of vectors in 5 folds of train; labels by lot, those of `seldom` only in some of the folds."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, WIDTH)).round(3)
    frame = pd.DataFrame(x, columns=[f"x{i}" for i in range(WIDTH)]).assign(id=[f"s{i}" for i in range(200)])
    frame["split"] = np.array(["train", "train", "train", "validation", "test"])[np.arange(200) % 5]
    frame["fold"] = pd.Series(np.arange(200) // 5 % 5).where(frame["split"] == "train").astype("Int64")
    for name in TARGETS:
        frame[name] = np.array(["a", "b"], object)[draw.integers(2, size=200)]
    frame.loc[(frame["split"] == "train") & ~frame["fold"].isin(folds_with_rows), "seldom"] = None
    return frame


def predicted(folder, frame, method="linear"):
    """The content of the model on `seldom`, the manifest and the predictions, as the rules' scripts make them."""
    root = folder / "cells"
    root.mkdir(parents=True)
    frame.to_csv(root / "t.csv", index=False)
    entry = {"table": "t.csv", "columns": COLUMNS, "targets": TARGETS}
    names = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
    write(prepare("cells", complete(entry), root), {key: folder / name for key, name in names.items()})
    write_json(folder / "dataset.json", {"root": "cells"})
    spec = {"library": "vectors", "architecture": "identity", "modality": "vector", "preprocessing": {}}
    write_json(folder / "backbone.json", {"name": "vectors", **spec})
    manifest = read_manifest(folder / "samples.parquet")
    rows = manifest.part("labelled")
    write_features(folder / "labelled.parquet", rows, vectors_of(frame, rows))
    model = {"dataset": "cells", "target": "seldom", "backbone": "vectors", "method": method, "l2": [0.1]}
    config = {"datasets": {"cells": {"source": {"path": "cells"}, **entry}}, "finetune": {"e": model}}
    data = TrainingData(
        settings=graft_config.make_plan(graft_config.load(config)).models[f"e.vectors.{method}"],
        samples=folder / "samples.parquet",
        source=open_source(folder / "dataset.json", complete(entry), manifest.card),
        backbone=features.pretrained(folder, manifest.card),
        store=Store(folder / "store"),
        features=folder / "labelled.parquet",
    )
    trainer = Trainer(data, 0, SimpleNamespace(clear=lambda: None), torch.device("cpu"), "fp32")
    finetune.main(trainer, folder / "ft_model.pt", folder / "ft_history.csv")
    out = outputs_in(folder)
    predict.main(folder / "samples.parquet", folder / "ft_model.pt", "seldom", [folder / "labelled.parquet"], out, SETS)
    return network.load(folder / "ft_model.pt"), rows, pd.read_parquet(out.predictions).set_index("sample_id")


def vectors_of(frame, rows):
    return frame.set_index("id").loc[rows["sample_id"]].filter(like="x").to_numpy(np.float32)


@pytest.mark.parametrize("folds", [(0, 2, 4), (1, 3)])
def test_rows_of_a_fold_are_predicted_by_the_head_that_did_not_see_them(tmp_path, folds):
    frame = table(folds)
    _, rows, table_ = predicted(tmp_path, frame)
    x, y = vectors_of(frame, rows).astype(float), rows["seldom"].to_numpy(object)
    train = ((rows["split"] == "train") & rows["seldom"].notna()).to_numpy()
    fitted = train | (rows["split"] == "validation").to_numpy()  # one standardisation for all heads; it sees no label
    z = (x - x[fitted].mean(0)) / x[fitted].std(0)
    for fold in folds:
        own, others = train & (rows["fold"] == fold), train & (rows["fold"] != fold)
        # twice the penalty's inverse for two classes: scikit-learn has one weight vector (solvers.solve_logistic)
        sklearn = LogisticRegression(C=2 / (0.1 * others.sum()), tol=1e-10, max_iter=5000).fit(z[others], y[others])
        found = table_.loc[rows.loc[own, "sample_id"]]
        margins = np.stack([found["logit_b"] - found["logit_a"], sklearn.decision_function(z[own])])
        np.testing.assert_allclose(*margins, atol=1e-3)
        assert (found["fold"] == fold).all()


def test_rows_of_a_fold_without_the_target_are_predicted_by_the_model_itself(tmp_path):
    frame = table((0, 2, 4))
    content, rows, table_ = predicted(tmp_path, frame)
    unknown = rows["fold"].isin([1, 3])
    found = table_.loc[rows.loc[unknown, "sample_id"]]
    weight, bias = (content["state_dict"][f"heads.seldom.{name}"].numpy() for name in ("weight", "bias"))
    expected = vectors_of(frame, rows[unknown]) @ weight.T + bias
    np.testing.assert_allclose(found[["logit_a", "logit_b"]].to_numpy(), expected, atol=1e-5)
    assert found["label"].isna().all() and len(found) == 48


def test_a_target_that_one_fold_alone_has_leaves_its_rows_without_a_fold(tmp_path):
    table_ = predicted(tmp_path, table((2,)))[2]
    assert (table_.loc[table_["split"] == "train", "fold"] == -1).all()


def test_the_threshold_comes_from_validation_rows_by_a_head_that_did_not_see_them(tmp_path):
    """Labels by lot: the refitted head knows those of validation by heart, the head of the train rows does not."""
    frame = table((0, 2, 4))
    content, rows, _ = predicted(tmp_path, frame)
    x, y = vectors_of(frame, rows).astype(float), (rows["seldom"] == "b").to_numpy().astype(int)
    train = ((rows["split"] == "train") & rows["seldom"].notna()).to_numpy()
    validation = (rows["split"] == "validation").to_numpy()
    z = (x - x[train | validation].mean(0)) / x[train | validation].std(0)
    blind = LogisticRegression(C=2 / (0.1 * train.sum()), tol=1e-10, max_iter=5000).fit(z[train], y[train])
    temperature = content["targets"]["seldom"]["temperature"]
    weight, bias = (content["state_dict"][f"heads.seldom.{name}"].numpy() for name in ("weight", "bias"))
    margins = {"blind": blind.decision_function(z), "own": (x @ weight.T + bias) @ [-1, 1]}
    threshold = {
        name: choose_threshold(y[validation], 1 / (1 + np.exp(-one[validation] / temperature)))
        for name, one in margins.items()
    }
    found = read_json(tmp_path / "m.json")
    assert abs(threshold["own"] - threshold["blind"]) > 0.02
    assert {one["threshold"]["value"] for one in found.values()} == {found["test"]["threshold"]["value"]}
    assert found["test"]["threshold"]["value"] == pytest.approx(threshold["blind"], abs=1e-4)


def test_the_groups_of_the_manifest_reach_the_metrics(tmp_path):
    predicted(tmp_path, table((0, 2, 4)))
    paths = [tmp_path / name for name in ("samples.parquet", "ft_model.pt", "labelled.parquet", "p.parquet", "m.json")]
    alone = read_json(paths[4])["test"]
    samples = pd.read_parquet(paths[0])
    samples["sampling_unit"] = [f"p{i % 10}" for i in range(len(samples))]
    write_parquet(paths[0], samples)
    predict.main(paths[0], paths[1], "seldom", [paths[2]], outputs_in(tmp_path), SETS)
    together, predictions = read_json(paths[4])["test"], pd.read_parquet(paths[3])
    test = predictions[(predictions["split"] == "test") & predictions["label"].notna()]
    groups = samples.set_index("sample_id")["sampling_unit"].loc[test["sample_id"]]
    expected = agreement(test["label"], test["predicted"], groups)
    assert together["accuracy"] == expected != alone["accuracy"]
