"""Controls: what is reached without a pretrained network, judged as models are."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score

import fit_controls as script
from graft.common import plugins
from graft.controls import judging
from graft.controls.judging import table_of
from graft.controls.methods import texture
from graft.controls.rows import Rows
from predicting import SETS

KINDS = ("classification", "ordinal", "regression", "multilabel")
CLASSES = ["x", "y", "z"]


def rows_of(kind, contents, signal, embeddings=None):
    """Rows of four parts train, one validation, one test; `signal` (n,) is what the label depends on."""
    count, steps = len(contents), np.digitize(signal, np.quantile(signal, [1 / 3, 2 / 3]))
    codes = {
        "regression": signal.astype(float),
        "multilabel": np.stack([signal > 0, signal > 1, steps == 1], 1).astype(float),
    }.get(kind, steps)
    frame = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(count)],
            "path": "t",
            "row": range(count),
            "content_sha256": [f"{i * 7919 % count:05}" for i in range(count)],
            "split": np.array(["train"] * 4 + ["validation", "test"], object)[np.arange(count) % 6],
            "sampling_unit": None,
            "label": None
            if kind == "multilabel"
            else codes
            if kind == "regression"
            else np.array(CLASSES, object)[codes],
        }
    )
    target = {"kind": kind} | ({} if kind == "regression" else {"classes": CLASSES})
    loaded = plugins.load("kind", kind)
    return Rows(frame, codes, target, loaded, lambda path, row, content: contents[row], embeddings)


def judged(name, rows):
    answers = plugins.load("control", name).answers(rows)
    return judging.judged(name, "label", "data", rows, np.asarray(answers, float), SETS)


def vectors(n=300):
    draw = np.random.default_rng(0)
    found = draw.normal(size=(n, 6))
    return found, np.sign(found[:, 0]) * found[:, 1] + found[:, 2] / 4  # no line says it


def texts(n=300):
    draw = np.random.default_rng(1)
    signal = draw.integers(0, 3, n) + draw.normal(size=n) / 100
    words = [["wall cell", "orbit moon", "key cipher"][round(value) % 3] for value in signal]
    return [f"{word} {' '.join(draw.choice(list('abcdef'), 4))}" for word in words], signal


def pictures(n=120):
    draw = np.random.default_rng(2)
    signal = draw.normal(size=n)
    return [np.clip(draw.normal(100 + 60 * one, 20, (24, 20, 3)), 0, 255).astype(np.uint8) for one in signal], signal


MADE = {"image": pictures, "text": texts, "vector": vectors}
BEST = {"regression": ("r2", 0.2), "multilabel": ("map", 0.55)}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", plugins.names("control"))
def test_every_control_answers_every_kind_of_target_and_beats_the_majority(name, kind):
    for modality in plugins.constant("control", name, "MODALITIES"):
        contents, signal = MADE[modality]()
        embeddings = np.random.default_rng(3).normal(size=(len(signal), 40)) + signal[:, None]
        table, row = judged(name, rows_of(kind, contents, signal, embeddings))
        base, base_row = judged("majority", rows_of(kind, contents, signal))
        metric, least = BEST.get(kind, ("accuracy", 0.5))
        column = f"test_{metric}"
        assert row["stage"] == "control" and row["model"] == name and len(table) == len(signal)
        assert set(base.columns) == set(table.columns)
        if name != "majority":
            assert row[column] > max(least, base_row[column]), (modality, kind)
            assert row[f"{column}_low"] <= row[column] <= row[f"{column}_high"]


def test_the_metrics_are_those_of_scikit_learn_of_the_same_rows():
    contents, signal = texts()
    rows = rows_of("classification", contents, signal)
    table, row = judged("tfidf", rows)
    test = table[table["split"] == "test"]
    chances = test[[f"prob_{name}" for name in CLASSES]].to_numpy()
    assert row["test_accuracy"] == pytest.approx(accuracy_score(test["label"], test["predicted"]))
    assert row["test_log_loss"] == pytest.approx(log_loss(test["label"], chances, labels=CLASSES))
    wanted = np.mean([roc_auc_score(test["label"] == name, chances[:, i]) for i, name in enumerate(CLASSES)])
    assert row["test_auroc"] == pytest.approx(wanted)


def test_words_are_weighed_by_train_rows_alone_as_scikit_learns_pipeline_does():
    contents, signal = texts()
    rows = rows_of("classification", contents, signal)
    train = rows.splits == "train"
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"(?u)\S+")
    fitted = LogisticRegression(C=10, max_iter=1000).fit(
        words.fit_transform(np.array(contents)[train]), rows.codes[train]
    )
    wanted = fitted.predict_proba(words.transform(contents))
    assert plugins.load("control", "tfidf").answers(rows) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("name", plugins.names("control"))
def test_a_control_sees_no_label_outside_the_train_split(name):
    for modality in plugins.constant("control", name, "MODALITIES"):
        contents, signal = MADE[modality]()
        embeddings = np.random.default_rng(3).normal(size=(len(signal), 8)) + signal[:, None]
        rows = rows_of("classification", contents, signal, embeddings)
        answers = plugins.load("control", name).answers(rows)
        other = rows_of("classification", contents, signal, embeddings)
        other.codes[other.splits != "train"] = 0
        assert np.array_equal(plugins.load("control", name).answers(other), answers)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_probabilities_are_calibrated_by_validation_rows_alone(split):
    contents, signal = texts()
    rows = rows_of("classification", contents, signal)
    answers = plugins.load("control", "tfidf").answers(rows)
    before = table_of("tfidf", "label", rows, answers)
    rows.codes[rows.splits == split] = 0
    after = table_of("tfidf", "label", rows, answers)
    assert (before["temperature"].iloc[0] != after["temperature"].iloc[0]) == (split == "validation")


@pytest.mark.parametrize("name", ["tfidf", "majority"])
def test_a_class_without_a_train_row_has_no_chance_and_one_class_alone_has_all(name):
    contents, signal = texts()
    rows = rows_of("classification", contents, signal)
    rows.codes[rows.splits == "train"] = np.where(
        rows.codes[rows.splits == "train"] == 2, 1, rows.codes[rows.splits == "train"]
    )
    assert (plugins.load("control", name).answers(rows)[:, 2] == 0).all()
    rows.codes[rows.splits == "train"] = 1
    assert (plugins.load("control", name).answers(rows)[:, 1] == 1).all()
    table, row = judged(name, rows)
    assert np.isfinite(table["prob_x"]).all() and np.isfinite(row["test_log_loss"])


def test_missing_labels_are_left_out():
    contents, signal = vectors()
    rows = rows_of("multilabel", contents, signal)
    rows.codes[::3, 1] = np.nan
    rows.codes[:, 2] = np.nan
    answers = plugins.load("control", "forest").answers(rows)
    assert np.isfinite(answers).all() and (answers[:, 2] == 0.5).all()


def test_no_untrained_twin_is_no_row():
    contents, signal = texts()
    assert plugins.load("control", "untrained").answers(rows_of("classification", contents, signal)) is None


def test_of_many_rows_some_of_each_split_are_enough(monkeypatch):
    monkeypatch.setattr(script, "MOST", 20)
    rows = rows_of("classification", *vectors()).frame.assign(label=["x", "y", None, "x", "y"] * 60)
    some = script.labelled(SimpleNamespace(part=lambda name: rows), "label")
    assert some["split"].value_counts().to_dict() == {"train": 20, "validation": 20, "test": 20}
    assert some["label"].notna().all() and some["sample_id"].is_unique
    other = script.labelled(SimpleNamespace(part=lambda name: rows.sample(frac=1, random_state=0)), "label")
    assert set(other["sample_id"]) == set(some["sample_id"])


def test_of_sequences_letters_count():
    draw = np.random.default_rng(0)
    sequences = ["".join(draw.choice(list("ACGT"), 30)) for _ in range(300)]
    counts = np.array([float(one.count("GC")) for one in sequences])
    _, row = judged("tfidf", rows_of("regression", sequences, counts))
    _, base = judged("majority", rows_of("regression", sequences, counts))
    assert row["test_r2"] > 0.5 > base["test_r2"]


def test_very_many_classes_are_not_boosted():
    rows = rows_of("classification", *vectors())
    rows.target["classes"] = [str(one) for one in range(21)]
    assert plugins.load("control", "boosting").answers(rows) is None


def test_textures_do_not_change_when_a_picture_is_turned_and_a_flat_one_has_no_edges():
    draw = np.random.default_rng(0)
    picture = draw.integers(0, 255, (30, 30, 1)).astype(np.uint8)
    one, turned = (texture.describe(array) for array in (picture, np.rot90(picture)))
    assert one[:7] == pytest.approx(turned[:7])  # colours
    assert one[-10:] == pytest.approx(turned[-10:], abs=0.01)  # patterns
    flat = texture.describe(np.full((10, 10, 3), 7, np.uint8))
    assert flat[:21] == pytest.approx([7] * 3 + [0] * 3 + [7] * 15) and flat[21:31].sum() == 0
    assert flat[-2] == 1  # all neighbours are as bright


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 1, 3), (1, 40, 1)])
def test_a_picture_of_a_few_pixels_has_numbers_too(shape):
    found = texture.describe(np.ma.masked_equal(np.zeros(shape, np.float32), 0))
    assert np.isfinite(found).all()
