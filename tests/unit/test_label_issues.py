"""Labels that are probably wrong: those that were planted are found, right ones are left alone."""

import numpy as np
import pandas as pd
import pytest
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from scipy.special import softmax
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

import find_label_issues as script
from graft.common.outputs import write_json
from graft.data.samples import write_manifest
from graft.doubts.label_issues import SURE, label_issues
from graft.heads.calibration import fit_temperature
from graft.store.feature_files import write_features


def unsure(classes, spread, n=6000, seed=0):
    """Labels that are all right, and the exact probabilities that they were drawn from."""
    draw = np.random.default_rng(seed)
    chances = softmax(spread * draw.normal(size=(n, classes)), axis=1)
    return (chances.cumsum(1) < draw.random((n, 1))).sum(1).clip(0, classes - 1), chances


def planted(codes, classes, share=0.05, seed=0):
    """Codes of which a share is wrong, and which these are."""
    draw = np.random.default_rng(seed)
    wrong = draw.choice(len(codes), round(share * len(codes)), replace=False)
    codes = codes.copy()
    codes[wrong] = (codes[wrong] + draw.integers(1, classes, len(wrong))) % classes
    return codes, wrong


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_rows_are_those_that_cleanlab_counts_where_another_class_is_sure(classes):
    codes, chances = unsure(classes, 2.0)
    codes, _ = planted(codes, classes)
    counted = find_label_issues(codes, chances, filter_by="confident_learning", n_jobs=1)
    places, suggested = label_issues(codes, chances)
    assert set(places) == set(np.flatnonzero(counted & (chances.max(1) >= SURE))) and len(places) > 20
    assert (suggested == chances[places].argmax(1)).all()
    quality = get_label_quality_scores(codes, chances, method="self_confidence")
    assert (np.diff(quality[places]) >= 0).all()


def test_a_class_that_the_model_is_usually_surer_of_needs_more():
    """9 rows of class 0 at 0.99; a row of class 1 at 0.9 for class 0 is below that, and one at 0.995 is above."""
    chances = np.array([[0.99, 0.01]] * 9 + [[0.1, 0.9]] * 8 + [[0.9, 0.1], [0.995, 0.005]])
    codes = np.array([0] * 9 + [1] * 10)
    places, suggested = label_issues(codes, chances)
    assert places.tolist() == [18] and suggested.tolist() == [0]


@pytest.mark.parametrize("spread", [0.5, 1.0, 1.5, 2.0, 3.0, 6.0])
@pytest.mark.parametrize("classes", [2, 4, 10])
def test_of_right_labels_an_unsure_model_doubts_two_percent_at_most(classes, spread):
    codes, chances = unsure(classes, spread)
    assert len(label_issues(codes, chances)[0]) <= 0.02 * len(codes)


def test_planted_errors_of_separable_classes_are_found_and_nothing_where_there_are_none():
    features, right = load_digits(return_X_y=True)
    for share in (0.0, 0.05):
        codes, wrong = planted(right, 10, share)
        chances = cross_val_predict(LogisticRegression(C=0.1), features / 16, codes, cv=5, method="predict_proba")
        chances = softmax(np.log(chances) / fit_temperature(np.log(chances), codes), axis=1)
        places, suggested = label_issues(codes, chances)
        if not share:
            assert len(places) <= 0.01 * len(codes)
        else:
            assert np.isin(places, wrong).mean() > 0.9 and len(places) > 0.4 * len(wrong)
            assert (suggested == right[places]).mean() > 0.9


def test_no_row_and_one_row_have_no_doubt():
    assert label_issues(np.empty(0, int), np.empty((0, 2)))[0].shape == (0,)
    assert label_issues(np.array([1]), np.array([[0.5, 0.5]]))[0].shape == (0,)


KINDS = {
    "kind": {"kind": "classification", "classes": ["a", "b"]},
    "grade": {"kind": "ordinal", "classes": ["low", "middle", "high"]},
    "signs": {"kind": "multilabel", "classes": ["x", "y"]},
    "same": {"kind": "classification", "classes": ["only"]},
}


@pytest.fixture
def data(tmp_path):
    """600 rows, of which 30 have a wrong label of each target; embeddings that tell the right ones, and others that tell nothing."""
    draw, count = np.random.default_rng(0), 600
    split = np.array(["train"] * 4 + ["validation", "test"], object)[np.arange(count) % 6]
    place = draw.integers(0, 3, count)
    wrong = draw.choice(count, 30, replace=False)
    said = place.copy()
    said[wrong] = (said[wrong] + 2) % 3
    names = np.array(["low", "middle", "high"], object)[said]
    signs = [["x"] * int(one > 0) + ["y"] * int(one > 1) for one in said]
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(count)],
            "path": "t",
            "row": range(count),
            "content_sha256": [f"{i * 7919 % count:04}" for i in range(count)],
            "split": split,
            "fold": np.where(split == "train", np.arange(count) // 6 % 5, -1),
            "group": None,
            "sampling_unit": None,
            "labelled_copy": False,
            "weight": None,
            "kind": np.where(said > 0, "b", "a"),
            "grade": names,
            "signs": ["[" + ", ".join(f'"{name}"' for name in one) + "]" for one in signs],
            "same": "only",
        }
    )
    write_manifest(tmp_path / "samples.parquet", frame, KINDS)
    write_json(tmp_path / "labels.json", {"targets": KINDS})
    write_json(tmp_path / "data_card.json", {"dataset": "d", "modality": "image"})
    telling = np.eye(3)[place] @ draw.normal(size=(3, 8)) * 3 + draw.normal(size=(count, 8)) * 0.3
    write_features(tmp_path / "good.parquet", frame, telling)
    write_features(tmp_path / "none.parquet", frame, draw.normal(size=(count, 8)))
    ranks = [(target, name, "linear", name == "good") for target in KINDS for name in ("none", "good")]
    pd.DataFrame(ranks, columns=["target", "backbone", "method", "score"]).to_csv(tmp_path / "rank.csv", index=False)
    return tmp_path, frame, place, wrong


def issues(folder, target):
    features = {name: folder / f"{name}.parquet" for name in ("none", "good")}
    script.main(folder / "samples.parquet", features, folder / "rank.csv", target, folder / "out.csv")
    return pd.read_csv(folder / "out.csv", dtype={"sample_id": str, "label": str, "suggested": str})


@pytest.mark.parametrize("target", ["kind", "grade", "signs"])
def test_the_table_names_wrong_labels_of_every_split_and_what_they_should_be(data, target):
    folder, frame, place, wrong = data
    table = issues(folder, target)
    assert list(table.columns) == script.COLUMNS
    assert table["rank"].tolist() == list(range(1, len(table) + 1))
    assert (np.diff(table["p_label"]) >= 0).all() and np.allclose(table["score"], 1 - table["p_label"])
    where = pd.Index(frame["sample_id"]).get_indexer(table["sample_id"])
    assert np.isin(where, wrong).mean() > 0.95 and len(table) >= 10
    assert set(table["split"]) == {"train", "validation", "test"}
    assert table["split"].tolist() == frame["split"].to_numpy()[where].tolist()
    if target == "signs":
        said = list(table["suggested"])
        right = [
            ("" if place[i] > "xy".index(one[-1]) else "not ") + one[-1] for i, one in zip(where, said, strict=True)
        ]
    else:
        right = ["a", "b", "b"] if target == "kind" else ["low", "middle", "high"]
        right = np.array(right)[place[where]]
    assert (table["suggested"] == right)[np.isin(where, wrong)].all()
    assert (table["label"] != table["suggested"]).all()


def test_no_test_label_is_learned_from(data):
    """Where all test labels are turned around, what is said of the others stays."""
    folder, frame, *_ = data
    before = issues(folder, "kind")
    test = frame["split"] == "test"
    frame.loc[test, "kind"] = np.where(frame.loc[test, "kind"] == "a", "b", "a")
    write_manifest(folder / "samples.parquet", frame, KINDS)
    after = issues(folder, "kind")
    both = before.merge(after[after["split"] != "test"], on="sample_id")
    assert len(both) >= 5 and (both["p_label_x"] == both["p_label_y"]).all()


def test_what_is_said_of_a_row_does_not_depend_on_its_own_label(data, monkeypatch):
    """A row far from all others, which a head that sees it follows."""
    monkeypatch.setitem(script.SETTINGS, "l2", [0.1])
    folder, frame, *_ = data
    chances = []
    draw = np.random.default_rng(1).normal(size=(len(frame), 60))
    draw[0] *= 8
    write_features(folder / "far.parquet", frame, draw)
    for label in ("a", "b"):
        frame.loc[0, "kind"] = label
        write_manifest(folder / "samples.parquet", frame, KINDS)
        manifest = script.read_manifest(folder / "samples.parquet")
        rows = manifest.part("labelled")
        chances.append(script.unseen_chances(manifest, rows, folder / "far.parquet", "kind")[0, 1])
    assert frame.loc[0, "split"] == "train" and abs(chances[0] - chances[1]) < 0.02


def test_one_class_alone_and_a_target_that_no_ranking_names_are_no_error(data):
    folder, *_ = data
    assert issues(folder, "same").empty
    assert list(pd.read_csv(folder / "out.csv").columns) == script.COLUMNS
    pd.read_csv(folder / "rank.csv").head(0).to_csv(folder / "rank.csv", index=False)
    assert len(issues(folder, "kind")) < 12  # by the first backbone, which tells nothing


def test_of_many_rows_the_heads_are_fitted_on_some_and_all_are_judged(data, monkeypatch):
    folder, frame, _, wrong = data
    monkeypatch.setattr(script, "MOST", 200)
    table = issues(folder, "kind")
    where = pd.Index(frame["sample_id"]).get_indexer(table["sample_id"])
    assert np.isin(where, wrong).mean() > 0.95 and len(table) >= 10
