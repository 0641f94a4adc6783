"""Learning curves of networks: their rows are those of the heads' curves, and what cannot be measured or foretold is said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from fit_curves import curve_of
from graft.common import plugins
from graft.common.outputs import write_json
from graft.config.plan import LEAST_LABELS
from graft.config.schema import read_schema
from graft.curves import measuring
from graft.curves.measuring import Rows
from graft.curves.subsets import FRACTIONS
from graft.curves.trained import Asked
from graft.data.samples import write_manifest
from graft.training.data import TrainingData
from graft.training.subsets import labels_of, why_left_out

SPLITS = ["train"] * 6 + ["test", "validation"]
KINDS = ["classification", "ordinal", "multilabel", "regression"]


def frame_of(kind, count=240, **changes):
    """Labelled rows, in a third of them groups that go through all splits, as a lab's own split may have them."""
    draw = np.random.default_rng(0)
    labels = np.array(["a", "b", "c"], object)[draw.integers(3, size=count)]
    if kind == "multilabel":
        labels = np.array([f'["{one}"]' for one in labels], object)
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(count)],
            "path": "t",
            "row": range(count),
            "content_sha256": [f"{i * 7919 % 10007:05}" for i in range(count)],
            "split": np.array(SPLITS, object)[draw.integers(8, size=count)],
            "fold": -1,
            "group": None,
            "sampling_unit": [f"g{i % 17}" if i % 3 == 0 else None for i in range(count)],
            "labelled_copy": False,
            "weight": None,
            "label": draw.normal(size=count) if kind == "regression" else labels,
        }
    )
    return frame.assign(**changes)


def data_of(folder, frame, kind="classification", fraction=0.25, draw=0):
    """The data of a training on a subset."""
    targets = {"label": {"kind": kind} | ({} if kind == "regression" else {"classes": ["a", "b", "c"]})}
    write_manifest(folder / "samples.parquet", frame, targets)
    write_json(folder / "labels.json", {"targets": targets})
    write_json(folder / "data_card.json", {"dataset": "d"})
    settings = {"name": "m", "targets": ["label"], "class_weights": "none"}
    return TrainingData(settings, folder / "samples.parquet", None, None, None, subset=(fraction, draw))


@pytest.mark.parametrize("kind", KINDS)
def test_networks_learn_from_the_very_rows_that_heads_learn_from_and_each_subset_holds_the_smaller_ones(
    tmp_path, monkeypatch, kind
):
    frame, seen = frame_of(kind), []
    manifest = data_of(tmp_path, frame, kind).manifest
    codes = manifest.codes("label", frame)
    monkeypatch.setattr(measuring, "measure", lambda rows, learned, l2=None: seen.append(set(learned)) or ({}, [1.0]))
    rows = Rows(frame, frame["label"], None, codes, manifest.targets["label"], plugins.load("kind", kind))
    sizes = [(fraction, draw) for fraction, _, draw, _ in measuring.measurements(rows)]
    of_heads = dict(zip(sizes, seen, strict=True))
    assert len(of_heads) == 26
    smaller = {}
    for (fraction, draw), wanted in of_heads.items():
        data = data_of(tmp_path, frame, kind, fraction, draw)
        found = {int(one.removeprefix("s")) for one in data.rows["sample_id"].iloc[data.taught]}
        assert found == wanted and labels_of(data) == {"label": len(wanted)}
        assert smaller.get(draw, set()) <= found
        smaller[draw] = found
    train = frame["split"] == "train"
    half = [len(of_heads[0.5, draw]) / train.sum() for draw in range(5)]
    assert np.allclose(half, 0.5, atol=0.05)
    apart = frame["sampling_unit"].where(train).dropna()
    assert all(len({place in of_heads[0.5, 0] for place in own.index}) == 1 for _, own in apart.groupby(apart))


def test_a_subset_of_no_use_is_left_out_and_the_reason_is_said(tmp_path):
    def why(fraction=0.25, kind="classification", **changes):
        return why_left_out(data_of(tmp_path, frame_of(kind, **changes), kind, fraction))

    assert why() == ""
    assert why(0.05, count=100) == "label: 3 labels are fewer than 8"
    assert why(label="a") == "label: all labels are the same"
    assert why(kind="regression", label=1.0) == "label: all labels are the same"
    assert why(weight=0.0) == "the weights of all of its rows are 0"
    for kind in KINDS[:3]:
        frame = frame_of(kind)
        rare = frame["label"].str.contains("c") & (frame["split"] == "train")
        frame = frame.drop(frame.index[rare][1:]).reset_index(drop=True)
        alone = frame["sampling_unit"].where(~frame["label"].str.contains("c"))
        found = [why_left_out(data_of(tmp_path, frame.assign(sampling_unit=alone), kind, 0.25, d)) for d in range(5)]
        assert set(found) <= {"", "label: class 'c' has no row"} and found.count("") < 5
    never = frame_of("classification")
    never = never[never["label"] != "c"].reset_index(drop=True)
    assert why_left_out(data_of(tmp_path, never)) == ""  # no train row has it: all of them say nothing of it, too


def subsets(fractions, draws):
    return [({"fraction": fraction, "draw": draw}, None) for fraction in fractions for draw in range(draws)]


@pytest.mark.parametrize(
    ("fractions", "draws", "why"),
    [
        ([0.25, 0.5], 2, "3 numbers of labels were tried, and it needs 4: more fractions in `curve`"),
        (
            [0.25, 0.5, 0.75],
            1,
            "each fraction was drawn once, which does not say how large chance is: `curve_draws: 2`",
        ),
        ([0.25, 0.5, 0.75], 2, ""),
    ],
)
def test_nothing_is_foretold_of_few_points_and_a_rising_curve_of_enough_has_a_forecast(fractions, draws, why):
    asked = Asked("m", None, subsets(fractions, draws))
    frame = frame_of("classification").assign(label=["a", "b"] * 120)
    codes = (frame["label"] == "b").to_numpy(int)
    facts = {"kind": "classification", "classes": ["a", "b"]}
    rows = Rows(frame, frame["label"], None, codes, facts, SimpleNamespace())

    def metrics(fraction, draw):
        value = 0.95 - 0.1 * fraction**-0.5 + 0.001 * draw
        return {split: {"auroc": {"value": value, "low": value, "high": value}} for split in ("validation", "test")}

    found = [(one["fraction"], int(1000 * one["fraction"]), one["draw"], metrics(**one)) for one, _ in asked.subsets]
    table = curve_of(rows, "m", [*found, (1.0, 1000, 0, metrics(1, 0))], 1000, 1.0, asked.too_few)
    kinds = [row[0] for row in table]
    assert kinds.count("measured") == 2 * (len(found) + 1)
    assert asked.too_few.startswith(why) and bool(asked.too_few) == bool(why)
    assert kinds.count("none") == (2 if why else 0) and ("forecast" in kinds) != bool(why)
    if why:
        assert table[-1][-1].startswith(f"no forecast: {why}")


def test_the_config_takes_the_fractions_that_heads_are_measured_at():
    keys = read_schema()["properties"]["finetune"]["additionalProperties"]["properties"]
    assert keys["curve"]["items"]["enum"] == list(FRACTIONS[:-1]) and keys["curve_draws"]["maximum"] == measuring.DRAWS
    assert LEAST_LABELS == 8
