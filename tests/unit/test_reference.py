"""The pages of docs/reference that are made of other files are up to date, and what is wrong with them is found."""

import importlib.util

import numpy as np
import pandas as pd

from described import faults
from graft.common.outputs import write_csv, write_parquet
from running import ROOT

spec = importlib.util.spec_from_file_location("write_reference", ROOT / "docs/write_reference.py")
write_reference = importlib.util.module_from_spec(spec)
spec.loader.exec_module(write_reference)
RANKING = pd.DataFrame({"target": ["t"], "backbone": ["b"], "method": ["knn"], "score": [0.5], "rank": [1]})
FILE = "rank/cells/transferability.csv"


def of(folder, frame, name=FILE):
    (write_csv if name.endswith(".csv") else write_parquet)(folder / name, frame)
    return [fault.removeprefix(f"{name}: ") for fault in faults(folder)]


def test_the_page_of_files_is_what_files_yaml_says():
    text = write_reference.PAGE.read_text(encoding="utf-8")
    assert write_reference.render(text) == text, "run: make docs"


def test_a_column_that_the_page_lacks_that_is_gone_or_of_another_type_is_found(tmp_path):
    assert of(tmp_path, RANKING) == []
    assert of(tmp_path, RANKING.assign(seed=0)) == ["'seed' is not described"]
    assert of(tmp_path, RANKING.drop(columns="score")) == ["'score' is not there"]
    assert of(tmp_path, RANKING.assign(rank="first")) == ["'rank' is no whole number"]


def test_a_file_that_the_page_lacks_is_found(tmp_path):
    assert of(tmp_path, RANKING, "rank/cells/other.csv") == ["no such file is described"]


def test_a_prediction_table_has_the_columns_of_one_kind_of_target(tmp_path):
    name = "finetune/e.b.m/seed0/size/predictions.parquet"
    head = {
        "sample_id": ["s"],
        "target": ["size"],
        "split": ["test"],
        "fold": np.int16([-1]),
        "model": ["m"],
        "seed": [0],
    }
    numbers = pd.DataFrame(
        {**head, "value": [1.0], "predicted": [1.5], "std": [0.1], "low_90": [1.0], "high_90": [2.0]}
    )
    assert of(tmp_path, numbers, name) == []
    assert of(tmp_path, numbers.drop(columns="low_90"), name) == ["'low_{level}' is not there"]
    assert of(tmp_path, numbers.assign(entropy=0.0), name) == ["'entropy' is not described"]
