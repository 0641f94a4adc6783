"""Learning curves of networks: which rows each point learned from, what the table says, and what trains again."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import r2_score, roc_auc_score

from graft.curves.subsets import drawn
from graft.curves.table import read_curves
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

ENTRY = {"dataset": "cells", "backbone": "tiny", "epochs": 1, "batch_size": 8, "lr": 0.003}
ONE = {**ENTRY, "target": "kind", "method": ["linear", "full"], "curve": [0.5, 0.05]}
TWO = {
    **ENTRY,
    "targets": ["kind", "size"],
    "alone": False,
    "method": "full",
    "curve": [0.25, 0.5, 0.75],
    "curve_draws": 2,
}
CELLS = {
    "source": {"path": "cells"},
    "table": "t.csv",
    "columns": {"id": "id", "path": "file", "split": "split"},
    "targets": {"kind": {}, "size": {"kind": "regression"}},
    "folds": 2,
}
CONFIG = {
    "datasets": {"cells": CELLS},
    "backbones": {"tiny": UNTRAINED},
    "finetune": {"one": ONE, "two": TWO},
    "device": TORCH,
    "controls": ["majority"],
}
ONE_RUN, TWO_RUN = (f"results/finetune/{name}.tiny.full/seed0" for name in ("one", "two"))
TARGETS = ["results/curves/cells/kind.csv", "results/curves/cells/size.csv", "results/figures/curves/cells.svg"]


def run(folder, *arguments, targets=TARGETS, **changes):
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG | changes))
    return graft(folder, folder / "config.yaml", *targets, *arguments).jobs


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Curves of 160 images; every fifth lacks its number, and no class is rare."""
    folder = tmp_path_factory.mktemp("curves")
    frame = pd.DataFrame({"id": [f"s{i:03}" for i in range(160)], "file": [f"{i}.png" for i in range(160)]})
    frame["split"] = (["train", "validation", "train", "test"] * 40)[:160]
    frame["kind"] = np.random.default_rng(0).permutation(["a", "b"] * 80)
    frame["size"] = np.random.default_rng(1).normal(size=160).round(3)
    frame.loc[::5, "size"] = None
    (folder / "cells").mkdir()
    for i, kind in enumerate(frame["kind"]):
        (folder / f"cells/{i}.png").write_bytes(encoded(pixels(i) // 2 + 60 * (kind == "b")))
    frame.to_csv(folder / "cells/t.csv", index=False)
    jobs = run(folder)
    assert len(jobs["finetune_subset"]) == 2 + 6 and not any("linear" in line for line in jobs["finetune_subset"])
    return folder


@pytest.fixture
def lab(first, tmp_path):
    shutil.copytree(first, tmp_path / "lab", symlinks=True)
    return tmp_path / "lab"


def manifest(folder):
    return pd.read_parquet(folder / "results/data/cells/samples.parquet").set_index("sample_id", drop=False)


def subset(folder, run, name):
    home = folder / run / name
    return json.loads((home / "subset.json").read_text()), pd.read_parquet(home / "judged.parquet")


def test_each_point_learned_from_its_subset_and_one_with_too_few_rows_is_left_out(first):
    frame = manifest(first)
    train = frame[frame["split"] == "train"]
    half = drawn(train, "kind", "classification", 0) <= 3
    assert 38 <= half.sum() <= 42 and len(train) == 80
    assert subset(first, ONE_RUN, "subset50.draw0")[0]["labels"] == {"kind": half.sum()}
    few, judged = subset(first, ONE_RUN, "subset5.draw0")
    assert few["left_out"] == "kind: 4 labels are fewer than 8" and few["labels"] == {} and judged.empty
    assert "left out: kind: 4" in (first / "logs/finetune_subset/one.tiny.full.seed0.subset5.draw0.log").read_text()
    for draw in (0, 1):
        half = drawn(train, "kind", "classification", draw) <= 3
        counts = {"kind": half.sum(), "size": train["size"].notna()[half].sum()}
        assert subset(first, TWO_RUN, f"subset50.draw{draw}")[0]["labels"] == counts
    assert not list((first / "results").rglob(".state"))


def test_the_curve_ends_with_the_model_itself_and_says_why_nothing_is_foretold(first):
    curves = read_curves(first / TARGETS[0])
    assert list(dict.fromkeys(model for model, _ in curves)) == ["linear on tiny", "one.tiny.full", "two.tiny.full"]
    for split in ("validation", "test"):
        curve, heads = curves["one.tiny.full", split], curves["linear on tiny", split]
        assert curve.measured["fraction"].tolist() == [0.5, 1.0] and curve.metric == heads.metric == "auroc"
        shared = heads.measured.query("draw == 0 and fraction in (0.5, 1)")
        assert curve.measured["labels"].tolist() == shared["labels"].tolist()
        assert curve.why.startswith("3 numbers of labels were tried, and it needs 4") and curve.forecast.empty
        metrics = json.loads((first / ONE_RUN / "kind/metrics.json").read_text())[split]["auroc"]
        assert curve.measured["value"].iloc[-1] == pytest.approx(metrics["value"], rel=1e-5)
        assert curve.measured["low"].iloc[-1] == pytest.approx(metrics["low"], rel=1e-5)
        assert "`curve`" not in curves["two.tiny.full", split].why  # its points would do, if the curve rose
    said = (first / TARGETS[2]).read_text()
    assert "one.tiny.full, test" in said


@pytest.mark.parametrize("target", ["kind", "size"])
def test_points_are_what_scikit_learn_says_of_the_networks_outputs_for_labelled_rows(first, target):
    frame = manifest(first)
    table = pd.read_csv(first / f"results/curves/cells/{target}.csv").query("kind == 'measured'")
    for percent in (25, 50, 75):
        facts, judged = subset(first, TWO_RUN, f"subset{percent}.draw1")
        own = judged.set_index("sample_id").loc[frame.index[(frame["split"] == "test") & frame[target].notna()]]
        truth = frame.loc[own.index, target]
        if target == "kind":
            wanted = roc_auc_score(truth == "b", own["kind.1"] - own["kind.0"])
        else:
            wanted = r2_score(truth, own["size.0"] * facts["targets"]["size"]["std"] + facts["targets"]["size"]["mean"])
        row = table[(table["model"] == "two.tiny.full") & (table["split"] == "test") & (table["draw"] == 1)]
        row = row[row["fraction"] == percent / 100].iloc[0]
        assert row["value"] == pytest.approx(wanted, abs=1e-5) and row["labels"] == facts["labels"][target]


def test_a_point_is_the_network_of_a_data_set_that_has_only_the_rows_of_its_subset(lab):
    frame, table = manifest(lab), pd.read_csv(lab / "cells/t.csv", dtype={"id": str})
    train = frame[frame["split"] == "train"]
    gone = train["sample_id"][drawn(train, "kind", "classification", 0) > 3]
    table[~table["id"].isin(gone)].to_csv(lab / "cells/few.csv", index=False)
    few = {**CELLS, "table": "few.csv"}
    entry = {**ONE, "dataset": "few", "method": "full", "curve": None}
    path = "results/finetune/few.tiny.full/seed0/kind/predictions.parquet"
    run(lab, targets=[path], datasets={"cells": CELLS, "few": few}, finetune={**CONFIG["finetune"], "few": entry})
    wanted = pd.read_parquet(lab / path).set_index("sample_id")
    _, judged = subset(lab, ONE_RUN, "subset50.draw0")
    wanted = wanted.loc[judged["sample_id"], ["logit_a", "logit_b"]].to_numpy()
    np.testing.assert_allclose(judged[["kind.0", "kind.1"]], wanted, atol=1e-5)
    model = pd.read_parquet(lab / ONE_RUN / "kind/predictions.parquet").set_index("sample_id")
    assert np.abs(model.loc[judged["sample_id"], ["logit_a", "logit_b"]].to_numpy() - wanted).max() > 1e-3


def test_nothing_changed_trains_nothing_and_another_fraction_trains_that_alone(lab):
    assert run(lab) == {}
    more = {**CONFIG["finetune"], "one": {**ONE, "curve": [0.05, 0.5, 0.75]}}
    jobs = run(lab, "-n", finetune=more)
    assert jobs["finetune_subset"] == ["Learning from 75 % with one.tiny.full, seed 0, draw 0"]
    assert set(jobs) == {"finetune_subset", "fit_curves"}  # and figures
    none = {name: {**entry, "curve": None} for name, entry in CONFIG["finetune"].items()}
    assert set(run(lab, "-n", finetune=none)) == {"fit_curves"}


def test_a_corrected_test_label_trains_no_network(lab):
    table = pd.read_csv(lab / "cells/t.csv")
    place = table.index[table["split"] == "test"][0]
    table.loc[place, "kind"] = {"a": "b", "b": "a"}[table.loc[place, "kind"]]
    table.to_csv(lab / "cells/t.csv", index=False)
    run(lab, targets=["results/data/cells/samples.parquet"])
    assert {"fit_curves", "predict"} <= set(jobs := run(lab, "-n"))
    assert not {"finetune", "finetune_subset"} & set(jobs)
