"""Spectra of two instruments through the whole workflow: what is fitted, on which rows, and that no later step differs."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from safetensors.torch import load_file
from scipy.signal import savgol_filter
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from graft.serving import exported
from instruments import NAMES, spectra
from running import graft

PCS = ["snv", {"savitzky_golay": {"window": 11, "derivative": 1}}, "standardise", {"pca": {"components": 20}}]
CONFIG = {
    "datasets": {
        "grain": {
            "source": {"path": "grain"},
            "table": "grain.csv",
            "columns": {"features": "* nm", "id": "sample_id", "split": "split"},
            "targets": {"label": {}},
        }
    },
    "backbones": {
        "snv": {"library": "vectors", "preprocess": ["snv"]},
        "pcs": {"library": "vectors", "preprocess": PCS},
    },
    "finetune": {"m": {"dataset": "grain", "backbone": ["vectors", "snv", "pcs"], "method": "linear"}},
    "few_shot": {"few": {"dataset": "grain", "backbone": "pcs", "shots": [5], "ways": 2, "queries": 5, "episodes": 20}},
    "predict": {"again": {"model": "m.pcs.linear", "data": "new.csv"}},
}
MODEL = "results/finetune/m.pcs.linear/seed0"
FITTED = "results/preprocessing/grain/pcs/fitted.safetensors"
EXPORT = "results/handoff/models/m.pcs.linear/seed0"
FILES = [
    *(f"results/finetune/m.{name}.linear/seed0/label/metrics.json" for name in ("vectors", "snv", "pcs")),
    "results/few_shot/few.pcs.prototypes/metrics.json",
    "results/handoff/grain/pcs.embeddings.parquet",
    "results/predict/again.csv",
    f"{EXPORT}/config.json",
]


def write(folder, frame):
    frame.drop(columns="truth").to_csv(folder / "grain/grain.csv", index=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run, what it was made of, and the numbers of its spectra as they are in the table."""
    folder = tmp_path_factory.mktemp("spectra")
    (folder / "grain").mkdir()
    frame = spectra(seed=1)
    write(folder, frame)
    pool = frame[frame["split"] == ""]
    pool[NAMES[::-1]].to_csv(folder / "new.csv", index=False)  # as another program may write them
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    jobs = graft(folder, folder / "config.yaml", *FILES).jobs
    return SimpleNamespace(folder=folder, frame=frame, jobs=jobs)


def accuracy(run, name):
    metrics = json.loads((run.folder / f"results/finetune/m.{name}.linear/seed0/label/metrics.json").read_text())
    return metrics["test"]["accuracy"]["value"]


def test_snv_takes_out_what_another_instrument_changes(run):
    assert accuracy(run, "snv") > 0.9 and accuracy(run, "pcs") > 0.9
    assert accuracy(run, "vectors") < 0.7


def test_only_what_learns_from_rows_is_fitted_and_from_train_rows_alone(run):
    assert run.jobs["fit_preprocessing"] == ["Fitting the preprocessing of pcs on grain"]
    rows = run.frame.loc[run.frame["split"] == "train", NAMES].to_numpy(np.float64)
    rows = (rows - rows.mean(1, keepdims=True)) / rows.std(1, keepdims=True)
    rows = savgol_filter(rows, 11, 2, deriv=1, delta=8.0)
    scaler = StandardScaler().fit(rows)
    axes = PCA(20, svd_solver="full").fit(scaler.transform(rows)).components_
    state = load_file(run.folder / FITTED)
    assert set(state) == {"fitted.2.mean", "fitted.2.factor", "fitted.3.mean", "fitted.3.axes"}
    np.testing.assert_allclose(state["fitted.2.mean"], scaler.mean_, rtol=1e-9)
    np.testing.assert_allclose(state["fitted.2.factor"], 1 / scaler.scale_, rtol=1e-9)
    found = state["fitted.3.axes"].numpy()
    np.testing.assert_allclose(np.abs(found), np.abs(axes), atol=1e-7)


def test_new_files_and_the_exported_model_get_the_numbers_of_the_run(run):
    table = pd.read_parquet(run.folder / MODEL / "label/predictions.parquet")
    own = table[table["split"] == "pool"]["prob_wheat"].to_numpy()
    again = pd.read_csv(run.folder / "results/predict/again.csv")
    np.testing.assert_allclose(again["prob_wheat"], own, atol=1e-6)
    assert again["problem"].isna().all() and again["distance"].gt(0).all()
    model = exported.load_exported(run.folder / EXPORT)
    assert model.backbone.width == 20
    pool = run.frame.loc[run.frame["split"] == "", NAMES]
    for samples in (pool, pool.to_numpy()):
        np.testing.assert_allclose(exported.predict(model, samples)["label"]["prob_wheat"], own, atol=1e-6)
    trained = torch.load(run.folder / MODEL / "ft_model.pt", weights_only=True)
    assert trained["state_dict"].keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in trained["state_dict"].items())
    assert "[[0.1] * 100]" in (run.folder / EXPORT / "README.md").read_text()


def test_the_embeddings_that_are_handed_over_are_those_after_the_steps(run):
    table = pd.read_parquet(run.folder / "results/handoff/grain/pcs.embeddings.parquet")
    assert set(table["part"]) == {"labelled", "pool"} and {len(row) for row in table["embedding"]} == {20}
    raw = pd.read_parquet(run.folder / "results/features/grain/vectors/pool.parquet")
    changed = pd.read_parquet(run.folder / "results/features/grain/snv/pool.parquet")
    assert list(raw["content_sha256"]) == list(changed["content_sha256"])


def test_the_steps_and_what_was_fitted_are_part_of_the_weights_digest(run):
    models = [run.folder / f"results/finetune/m.{name}.linear/seed0/ft_model.pt" for name in ("vectors", "snv", "pcs")]
    digests = [torch.load(path, weights_only=True)["digests"]["backbone"] for path in models]
    assert digests[0] == "identity" and len(set(digests)) == 3


@pytest.mark.parametrize("changed", [("test", ""), ("train",)])
def test_a_changed_train_row_is_fitted_again_and_a_changed_test_or_pool_row_changes_no_model(run, changed, tmp_path):
    folder, frame = tmp_path / "lab", run.frame.copy()
    shutil.copytree(run.folder, folder, symlinks=True)
    for split in changed:
        frame.loc[frame.index[frame["split"] == split][0], NAMES] *= 1.01
    write(folder, frame)
    jobs = graft(folder, folder / "config.yaml", f"{MODEL}/label/metrics.json").jobs
    again = changed == ("train",)
    assert "embed" in jobs and ("fit_preprocessing" in jobs) == again
    for file in (FITTED, f"{MODEL}/ft_model.pt"):
        assert ((folder / file).read_bytes() != (run.folder / file).read_bytes()) == again
