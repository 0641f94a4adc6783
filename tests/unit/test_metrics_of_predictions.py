"""The metrics of a prediction table: one threshold from validation rows, intervals by groups."""

import numpy as np
import pandas as pd
import pytest

import compare
import report_tables
from graft.common.outputs import read_json
from graft.evaluation import metrics
from graft.targets.predictions import metrics_of

FACTS = {"kind": "classification", "classes": ["no", "yes"]}


def table(rows=200, seed=0):
    """Rows of all splits by a model that says 0.3 too little; one in four has no label."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    chances = np.clip(rng.normal(0.1 + 0.4 * labels, 0.15), 0, 1)
    frame = pd.DataFrame(
        {
            "split": np.array(["train", "validation", "test", "pool"])[np.arange(rows) % 4],
            "label": np.where(np.arange(rows) % 4 == 3, None, np.array(["no", "yes"], dtype=object)[labels]),
            "predicted": np.array(["no", "yes"])[(chances > 0.5).astype(int)],
            "prob_no": 1 - chances,
            "prob_yes": chances,
        }
    )
    return frame, labels, chances


def test_the_threshold_is_chosen_on_validation_and_stated_in_every_split():
    frame, labels, chances = table()
    found = metrics_of(frame, FACTS)
    validation, test = (frame["split"] == split for split in ("validation", "test"))
    threshold = metrics.choose_threshold(labels[validation], chances[validation])
    assert 0.2 < threshold < 0.45
    assert {one["threshold"]["value"] for one in found.values()} == {threshold} and set(found) == {
        "train",
        "validation",
        "test",
    }
    called = chances >= threshold
    assert found["test"]["sensitivity"]["value"] == pytest.approx(called[test & (labels == 1)].mean())
    assert found["test"]["specificity"]["value"] == pytest.approx((~called)[test & (labels == 0)].mean())


def test_labels_of_test_rows_do_not_move_the_threshold():
    frame, _, _ = table()
    before = metrics_of(frame, FACTS)["test"]["threshold"]
    test = frame["split"] == "test"
    frame.loc[test, "label"] = frame.loc[test, "label"].to_numpy()[::-1]
    assert metrics_of(frame, FACTS)["test"]["threshold"] == before
    without = frame[frame["split"] != "validation"]
    assert metrics_of(without, FACTS)["test"]["threshold"]["value"] == 0.5


def test_the_groups_of_the_rows_reach_every_split():
    frame, _, _ = table(400)
    groups = np.array([f"p{i // 40}" for i in range(400)], dtype=object)
    alone, together = metrics_of(frame, FACTS), metrics_of(frame, FACTS, groups)
    assert alone["test"]["accuracy"]["value"] == together["test"]["accuracy"]["value"]
    assert alone["test"]["log_loss"] != together["test"]["log_loss"]
    assert metrics_of(frame, FACTS, ["p"] * 400)["test"]["log_loss"]["low"] is None
    values = pd.DataFrame({"split": frame["split"], "value": np.arange(400.0), "predicted": np.arange(400.0) + 1})
    assert metrics_of(values, {"kind": "regression"}, ["p"] * 400)["test"]["rmse"] == {
        "value": 1.0,
        "low": None,
        "high": None,
    }


def test_a_student_is_held_against_its_teacher_with_the_groups_of_the_manifest(tmp_path, monkeypatch):
    student, teacher = (
        report_tables.predictions(tmp_path / f"{name}.parquet", FACTS["classes"], rows=400, seed=seed, pool=0)
        for seed, name in enumerate(("student", "teacher"))
    )
    teacher.sample(frac=1, random_state=0).to_parquet(tmp_path / "teacher.parquet")
    same = (student["predicted"] == teacher["predicted"]).to_numpy()
    group = np.array([f"plate {i // 40} {one}" for i, one in enumerate(same)], dtype=object)
    order = np.random.default_rng(0).permutation(400)
    report_tables.manifest(tmp_path, student.iloc[order].reset_index(drop=True), "vector", group=group[order])
    monkeypatch.setattr(compare, "facts_of", lambda one: {})
    paths = [{"predictions": tmp_path / f"{name}.parquet"} for name in ("teacher", "student")]
    compare.main(*paths, tmp_path / "samples.parquet", tmp_path / "agreement.json")
    test = (student["split"] == "test").to_numpy()
    first, second = student["predicted"].to_numpy()[test], teacher["predicted"].to_numpy()[test]
    found = read_json(tmp_path / "agreement.json")["agreement"]["test"]
    assert found == metrics.agreement(first, second, group[test]) != metrics.agreement(first, second)
