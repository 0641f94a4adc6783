"""Whether validation rows lie nearer to the train rows than test and pool rows do, by stored embeddings."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score
from sklearn.metrics.pairwise import cosine_similarity, euclidean_distances
from sklearn.preprocessing import StandardScaler

from graft.evaluation.nearness import farther, measure, nearest


def frame_of(group=None, **counts):
    splits = np.repeat(list(counts), list(counts.values()))
    ids = [f"s{i}" for i in range(len(splits))]
    return pd.DataFrame({"sample_id": ids, "split": splits, "sampling_unit": None if group is None else group})


def blocks_of(embeddings, size=37):
    return lambda: (
        (np.arange(start, min(start + size, len(embeddings))), embeddings[start : start + size])
        for start in range(0, len(embeddings), size)
    )


def test_the_nearest_train_row_is_that_of_scikit_learn_in_blocks_of_any_size():
    random = np.random.default_rng(0)
    train, rows = random.normal(size=(90, 5)).astype(np.float32), random.normal(size=(20, 5)).astype(np.float32)
    expected = euclidean_distances(rows, train).min(1)
    for size in (1, 7, 90):
        found = nearest((train[start : start + size] for start in range(0, 90, size)), rows)
        assert found == pytest.approx(expected, abs=1e-5)
    assert np.isinf(nearest([], rows)).all()


def test_the_medians_are_cosines_of_networks_and_standardised_distances_of_vectors():
    random = np.random.default_rng(1)
    frame = frame_of(train=60, validation=20, test=25, pool=30)
    embeddings = (random.normal(size=(135, 6)) * [1, 9, 1, 100, 1, 1] + [0, 0, 0, 3000, 0, 0]).astype(np.float32)
    embeddings[:, 5] = 7.0  # a dead column
    train, others = embeddings[:60], {"validation": slice(60, 80), "test": slice(80, 105), "pool": slice(105, 135)}
    centred = embeddings - embeddings.mean(0)
    found = measure(blocks_of(centred), frame, columns_differ=False)
    for split, rows in others.items():
        expected = np.median(cosine_similarity(centred[rows], centred[:60]).max(1))
        assert found["median"][split] == pytest.approx(expected, abs=1e-4) and expected < 0.9999
    found = measure(blocks_of(embeddings), frame, columns_differ=True)
    scaler = StandardScaler().fit(train[:, :5])
    nearby = {
        split: euclidean_distances(scaler.transform(embeddings[rows, :5]), scaler.transform(train[:, :5])).min(1)
        for split, rows in others.items()
    }
    for split in others:
        assert found["median"][split] == pytest.approx(np.median(nearby[split]) / np.sqrt(5), abs=2e-3)
    labels = np.repeat([0, 1], [20, 25])
    area = roc_auc_score(labels, np.concatenate([nearby["validation"], nearby["test"]]))
    assert found["farther"]["test"]["value"] == pytest.approx(area, abs=1e-3)


def test_copies_of_train_rows_in_validation_are_seen_and_equal_splits_are_alike():
    random = np.random.default_rng(2)
    frame = frame_of(train=300, validation=100, test=100)
    alike = random.normal(size=(500, 16)).astype(np.float32)
    found = measure(blocks_of(alike), frame, False)["farther"]["test"]
    assert found["low"] < 0.5 < found["high"] and found["high"] - found["low"] < 0.2
    copied = alike.copy()
    copied[300:400] = copied[:100] + 0.1 * random.normal(size=(100, 16))
    found = measure(blocks_of(copied), frame, False)
    assert found["farther"]["test"]["low"] > 0.95
    assert found["median"]["validation"] > 0.95 > found["median"]["test"]


def test_few_groups_leave_it_open_whether_the_splits_differ():
    """Three patients in each split, each a cloud of its own: the rows are many, what they tell is little."""
    random = np.random.default_rng(4)
    patients = np.repeat(np.arange(12), 40)
    centres = 3 * random.normal(size=(12, 8))
    embeddings = (centres[patients] + 0.3 * random.normal(size=(480, 8))).astype(np.float32)
    frame = frame_of(train=240, validation=120, test=120, group=[f"p{i}" for i in patients])
    by_group = measure(blocks_of(embeddings), frame, False)["farther"]["test"]
    by_row = measure(blocks_of(embeddings), frame.assign(sampling_unit=""), False)["farther"]["test"]
    assert by_group["value"] == by_row["value"]
    assert by_group["high"] - by_group["low"] > 3 * (by_row["high"] - by_row["low"])


def test_the_interval_of_few_rows_is_delongs_with_students_t():
    """DeLong et al. (1988): the mean of the placements of each row among those of the other split, and its spread."""
    random = np.random.default_rng(7)
    validation, test = random.normal(size=8), random.normal(size=8) + 0.2
    larger = test[:, None] > validation
    area, rows = larger.mean(), np.array([f"row {i}" for i in range(16)], object)
    influence = np.concatenate([2 * (larger.mean(0) - area), 2 * (larger.mean(1) - area)])
    low, high = stats.t.interval(0.95, 15, area, stats.sem(influence))
    found = farther(validation, test, rows[:8], rows[8:])
    assert 0 < low < high < 1
    assert (found["value"], found["low"], found["high"]) == pytest.approx((area, low, high), abs=1e-4)


def test_large_sets_ask_the_same_rows_whatever_their_order(monkeypatch):
    monkeypatch.setattr("graft.evaluation.nearness.MOST", 30)
    random = np.random.default_rng(5)
    frame = frame_of(train=50, validation=100, test=100, pool=100)
    embeddings = random.normal(size=(350, 4)).astype(np.float32)
    order = random.permutation(350)
    found = measure(blocks_of(embeddings), frame, False)
    assert found == measure(blocks_of(embeddings[order]), frame.iloc[order].reset_index(drop=True), False)


def test_without_validation_rows_nothing_is_compared():
    embeddings = np.random.default_rng(6).normal(size=(40, 3)).astype(np.float32)
    assert measure(blocks_of(embeddings), frame_of(train=20, test=20), False)["farther"] == {}
    assert measure(blocks_of(embeddings), frame_of(train=40), True)["median"] == {}
