"""The table of learning curves: what is measured, on which rows, and what is said where nothing can be foretold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import r2_score, roc_auc_score

import fit_curves as script
import plot as draw_figures
from graft.common.outputs import write_csv, write_json
from graft.curves import measuring
from graft.curves.measuring import FRACTIONS
from graft.curves.table import COLUMNS, Curve, read_curves
from graft.data.samples import write_manifest
from graft.report.sources import Source
from graft.store.feature_files import write_features

CLASSES = ["a", "b", "c"]
KINDS = {
    "classification": "auroc",
    "ordinal": "quadratic_kappa",
    "regression": "r2",
    "multilabel": "map",
}
SPLITS = ["train"] * 7 + ["validation"] * 2 + ["test"]


def labels_of(kind, signal):
    """Labels of a kind as a manifest has them, that a line through the embeddings says in part."""
    if kind == "regression":
        return signal.astype(object)
    steps = np.digitize(signal, [-0.6, 0.6])
    if kind == "multilabel":
        return np.array(
            [
                f'["{CLASSES[step]}"' + (', "c"]' if v > 1 and step < 2 else "]")
                for step, v in zip(steps, signal, strict=True)
            ],
            object,
        )
    return np.array([CLASSES[step] for step in steps], object)


@pytest.fixture
def made(tmp_path, monkeypatch):
    """A function that makes a data set of n rows and fits its curves; `change` is given the manifest's frame."""

    monkeypatch.setattr(measuring, "DRAWS", 3)

    def make(kind="classification", count=300, change=lambda frame: frame, width=12, classes=CLASSES, ranked=("good",)):
        draw = np.random.default_rng(0)
        features = draw.normal(size=(count, width)).astype(np.float32)
        signal = features[:, 0] + features[:, 1] / 2 + draw.normal(size=count) / 3
        frame = pd.DataFrame(
            {
                "sample_id": [f"s{i}" for i in range(count)],
                "path": "t",
                "row": range(count),
                "content_sha256": [f"{i:04}" for i in range(count)],
                "split": np.array(SPLITS, object)[np.arange(count) % 10],
                "fold": np.where(np.arange(count) % 10 < 7, np.arange(count) % 3, -1),
                "group": None,
                "sampling_unit": None,
                "labelled_copy": False,
                "weight": None,
                "label": labels_of(kind, signal),
            }
        )
        frame = change(frame)
        features = features[frame["row"]]
        targets = {"label": {"kind": kind} | ({} if kind == "regression" else {"classes": list(classes)})}
        write_manifest(tmp_path / "samples.parquet", frame, targets)
        write_json(tmp_path / "labels.json", {"targets": targets})
        write_json(tmp_path / "data_card.json", {"dataset": "d"})
        names = ("good", "other", "good-untrained")
        for name in names:
            write_features(tmp_path / f"{name}.parquet", frame, features if name == "good" else features[:, 2:])
            write_json(tmp_path / f"{name}.json", {"name": name, "library": "timm", "parameters": 9})
        scores = {"good-untrained": 1, "good": 2, "other": 3}
        ranking = [
            ("label", name, "linear", 1.0 / rank, rank)
            for name, rank in scores.items()
            if name in (*ranked, "good-untrained")
        ]
        ranking += [("label", "other", "logme", 1.0, 1), ("else", "other", "linear", 1.0, 1)]
        write_csv(
            tmp_path / "rank.csv", pd.DataFrame(ranking, columns=["target", "backbone", "method", "score", "rank"])
        )
        files = [[tmp_path / f"{name}{end}" for name in names] for end in (".parquet", ".json")]
        script.main(
            tmp_path / "samples.parquet", [tmp_path / "rank.csv"], *files, [], [], "label", tmp_path / "label.csv"
        )
        return pd.read_csv(tmp_path / "label.csv"), features, frame

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_target_has_a_curve_on_validation_and_test_rows_in_its_own_metric(made, tmp_path, kind):
    table, *_ = made(kind)
    assert list(table.columns) == COLUMNS and set(table["model"]) == {"linear on good"}
    assert set(table["metric"]) == {KINDS[kind]}
    for split in ("validation", "test"):
        measured = table[(table["split"] == split) & (table["kind"] == "measured")]
        assert sorted(set(measured["fraction"])) == list(FRACTIONS)
        assert measured.groupby("fraction").size().tolist() == [3] * 5 + [1]
        assert measured["labels"].max() == 210 and (measured["value"] <= measured["high"]).all()
    curves = read_curves(tmp_path / "label.csv")
    medians = curves["linear on good", "validation"].medians["median"].tolist()
    assert medians[-1] > medians[0]
    ahead = table.query("kind == 'forecast' and split == 'validation'")
    assert ahead["labels"].iloc[0] == 210 and ahead["labels"].iloc[-1] == 2100 and ahead["fraction"].iloc[-1] == 10
    assert (ahead["low"] <= ahead["value"]).all() and (ahead["value"] <= ahead["high"]).all()


def test_what_all_labels_give_is_what_scikit_learn_gives(made):
    def two(frame):
        return frame.assign(label=np.where(frame["label"] == "a", "a", "b"))

    table, features, frame = made(change=two, classes=["a", "b"])
    train, test = ((frame["split"] == split).to_numpy() for split in ("train", "test"))
    spread = np.sqrt(features[train].var(0) + np.sort(features[train].std(0))[5] ** 2)
    truth, found = (frame["label"] == "b").to_numpy(), table.query("split == 'test' and fraction == 1")["value"].iloc[0]
    scores = {
        roc_auc_score(
            truth[test],
            LogisticRegression(C=2 / (10 ** (k / 2) * train.sum()), tol=1e-8)
            .fit((features / spread)[train], truth[train])
            .decision_function((features / spread)[test]),
        )
        for k in range(-4, 3)
    }
    assert min(abs(found - one) for one in scores) < 1e-5


def test_numbers_are_fitted_as_by_scikit_learn(made):
    table, features, frame = made("regression")
    train, test = ((frame["split"] == split).to_numpy() for split in ("train", "test"))
    spread = np.sqrt(features[train].var(0) + np.sort(features[train].std(0))[5] ** 2)
    value = frame["label"].to_numpy(float)
    found = table.query("split == 'test' and fraction == 1")["value"].iloc[0]
    scores = [
        r2_score(
            value[test],
            Ridge(alpha=10 ** (k / 2) * train.sum())
            .fit((features / spread)[train], value[train])
            .predict((features / spread)[test]),
        )
        for k in range(-20, 11)
    ]
    assert min(abs(found - one) for one in scores) < 1e-5


def test_no_test_label_moves_a_validation_row(made):
    before, *_ = made()
    after, *_ = made(change=lambda frame: frame.assign(label=np.where(frame["split"] == "test", "a", frame["label"])))
    rows = [table[table["split"] == "validation"].reset_index(drop=True) for table in (before, after)]
    pd.testing.assert_frame_equal(*rows, check_dtype=False)
    assert after.query("split == 'test'")["note"].tolist() == ["no forecast: all test rows have the same label"]


def without(frame, split, label):
    return frame[(frame["split"] != split) | (frame["label"] == label)].reset_index(drop=True)


def only(frame, count):
    """The first `count` train rows, and all others."""
    train = frame.index[frame["split"] == "train"][count:]
    return frame.drop(train).reset_index(drop=True)


@pytest.mark.parametrize(
    ("change", "validation", "test"),
    [
        (lambda frame: only(frame, 20), "fewer than 4 numbers of labels", "fewer than 4 numbers of labels"),
        (lambda frame: only(frame, 5), "the labels of the train rows are too few", "too few"),
        (lambda frame: without(frame, "validation", "a"), "all validation rows have the same label", ""),
        (lambda frame: frame[frame["split"] != "validation"].reset_index(drop=True), "no validation row", "no validation row"),
        (lambda frame: frame.assign(label="a"), "have the same label", "have the same label"),
        (lambda frame: frame.assign(sampling_unit=[f"g{i % 3}" for i in range(len(frame))]), "too few labels or groups", "groups"),
    ],
    ids=["20 labels", "5 labels", "one class in validation", "no validation", "one class", "three groups"],
)  # fmt: skip
def test_bad_input_gives_a_row_without_a_forecast_and_the_reason_in_words(made, tmp_path, change, validation, test):
    table, *_ = made(change=change)
    for split, why in (("validation", validation), ("test", test)):
        rows = table[(table["split"] == split) & (table["kind"] == "none")]
        if why:
            assert len(rows) == 1 and rows["note"].iloc[0].startswith("no forecast: ") and why in rows["note"].iloc[0]
            assert not ((table["split"] == split) & (table["kind"] == "forecast")).any()
            assert rows["note"].iloc[0] == read_curves(tmp_path / "label.csv")[rows["model"].iloc[0], split].says(0.9)
        else:
            assert rows.empty and ((table["split"] == split) & (table["kind"] == "forecast")).any()
    draw_figures.main(Source({"curves": [tmp_path / "label.csv"]}, "d"), {"curves": tmp_path / "figure.svg"})


@pytest.mark.parametrize("kind", ["classification", "ordinal", "multilabel"])
def test_a_class_of_one_train_row_is_no_obstacle(made, kind):
    def rare(frame):
        gone = frame["label"].str.contains("c") & (frame["split"] == "train")
        return frame.drop(frame.index[gone][1:]).reset_index(drop=True)

    # Of an order with a fourth class, no row but that one answers whether it is above the third.
    table, *_ = made(kind, change=rare, classes=[*CLASSES, "d"] if kind == "ordinal" else CLASSES)
    assert table.query("kind == 'measured'")["value"].notna().all()
    assert table["kind"].isin(["measured", "none", "forecast"]).all() and len(table) > 2


def test_equal_numbers_are_said_to_teach_nothing(made):
    table, *_ = made("regression", change=lambda frame: frame.assign(label=1.0))
    assert table["note"].str.contains("have the same label").all() and set(table["kind"]) == {"none"}


def test_without_a_ranked_backbone_no_curve_is_measured_and_a_twin_is_none(made, tmp_path):
    table, *_ = made(ranked=())
    assert table["note"].tolist() == ["no forecast: no backbone could be ranked"] * 2
    draw_figures.main(Source({"curves": [tmp_path / "label.csv"]}, "d"), {"curves": tmp_path / "figure.svg"})


def test_of_many_rows_some_are_measured_and_the_largest_fraction_says_so(made, monkeypatch, tmp_path):
    monkeypatch.setattr(script, "MOST", 105)
    table, *_ = made()
    measured = table.query("kind == 'measured' and split == 'validation'")
    assert measured["fraction"].max() == 0.5 and measured["labels"].max() == 105
    curve = read_curves(tmp_path / "label.csv")["linear on good", "validation"]
    assert curve.labels == 210 and curve.furthest == 1050 - 210


MORE = np.arange(9001)


def curve(low, high, metric="auroc", now=0.9):
    ahead = pd.DataFrame({"labels": 1000 + MORE, "value": low, "low": np.round(low, 6), "high": np.round(high, 6)})
    measured = pd.DataFrame({"fraction": [0.5, 1.0], "labels": [500, 1000], "draw": [0, 0], "value": [now, now]})
    return Curve("linear on b", metric, measured, ahead, "")


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        (0.85, "AUROC 0.85 is reached with the labels that there are"),
        (0.95, "to reach AUROC 0.95 about 2,000 to 7,000 more labels"),
        (0.9526, "to reach AUROC 0.9526 about 2,200 to 7,300 more labels"),  # 2,260 to 7,260: the two digits hold them
        (0.925, "to reach AUROC 0.925 at most about 4,500 more labels"),
        (
            0.975,
            "to reach AUROC 0.975 at least about 4,500 more labels, perhaps more than 9,000; the middle of the forecast does not reach it",
        ),
        (0.999, "AUROC 0.999 is not to be expected with up to 9,000 more labels"),
    ],
)
def test_between_how_many_more_labels_a_value_is_reached_is_said_in_a_sentence(wanted, said):
    assert curve(0.88 + MORE / 1e5, np.minimum(0.93 + MORE / 1e5, 0.99)).says(wanted) == said


def test_of_an_error_less_is_better():
    found = curve(0.17 - MORE / 1e5, 0.22 - MORE / 1e5, metric="rmse", now=0.2)
    assert found.labels_to(0.15) == (2000, 7000)
    assert found.says(0.15) == "to reach RMSE 0.15 about 2,000 to 7,000 more labels"
    assert found.says(0.21) == "RMSE 0.21 is reached with the labels that there are"
