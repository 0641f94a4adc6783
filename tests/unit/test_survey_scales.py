"""`make new` sees that classes have an order, and that cells are lists of labels; and writes a config that takes them so."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import new_config
from graft.config import load
from graft.data.survey.scales import in_order


@pytest.mark.parametrize(
    ("name", "classes", "ordered"),
    [
        ("x", ["high", "low", "medium"], ["low", "medium", "high"]),
        ("x", ["high risk", "low risk", "intermediate risk"], ["low risk", "intermediate risk", "high risk"]),
        ("x", ["Severe", "None", "Mild", "Moderate"], ["None", "Mild", "Moderate", "Severe"]),
        ("x", ["large", "small", "medium"], ["small", "medium", "large"]),
        ("tumour_stage", ["III", "I", "II"], ["I", "II", "III"]),
        ("Grade", ["G3", "G1", "G2"], ["G1", "G2", "G3"]),
        ("severity", ["stage 10", "stage 2", "stage 1"], ["stage 1", "stage 2", "stage 10"]),
        ("strain", ["I", "II", "III"], None),  # a type, as far as one knows
        ("well", ["B1", "B2", "B3"], None),
        ("x", ["low", "high"], None),  # two classes have no other order
        ("x", ["low", "high", "cat"], None),
        ("x", ["mild", "slight", "severe"], None),  # two words of one place
        ("stage", ["T1", "N2", "M3"], None),
    ],
)
def test_an_order_is_told_by_the_words_of_a_scale_or_by_numbers_of_grades(name, classes, ordered):
    assert in_order(name, classes) == ordered


def frame():
    draw, rows = np.random.default_rng(0), 150
    topics = [[word for word in ("heart", "lung", "liver") if draw.random() < 0.5] for _ in range(rows)]
    return pd.DataFrame(
        {
            "id": [f"n{i}" for i in range(rows)],
            "text": [f"the patient says that it hurts number {i} on the left" for i in range(rows)],
            "topics": [";".join(words) or ";" for words in topics],
            "severity": draw.choice(["mild", "moderate", "severe"], rows),
            "grade": draw.integers(1, 5, rows),
        }
    ), topics


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_make_new_writes_lists_as_several_labels_and_grades_as_ordinal(tmp_path, monkeypatch, kind):
    monkeypatch.chdir(tmp_path)
    table, topics = frame()
    if kind == "csv":
        table.to_csv("notes.csv", index=False)
    else:
        pq.write_table(pa.table({**table.drop(columns="topics"), "topics": pa.array(topics)}), "notes.parquet")
    new_config.main(f"notes.{kind}")
    written = yaml.safe_load((tmp_path / "notes.yaml").read_text())
    separator = {"separator": ";"} if kind == "csv" else {}
    assert written["datasets"]["notes"]["targets"] == {
        "topics": {"column": "topics", "kind": "multilabel", **separator},
        "severity": {"column": "severity", "kind": "ordinal", "classes": ["mild", "moderate", "severe"]},
        "grade": {"column": "grade", "kind": "ordinal"},
    }
    assert "mild < moderate < severe; without an order" in (tmp_path / "notes.yaml").read_text()
    load(written)
