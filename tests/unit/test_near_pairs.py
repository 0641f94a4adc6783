"""Near copies by embeddings: found however many samples there are, and none where there is none."""

import numpy as np
import pandas as pd
import pytest

from graft.evaluation import near_pairs as module
from graft.evaluation.near_pairs import copies_in, cosines, near_pairs


def samples(n=400, width=64, seed=0):
    return np.random.default_rng(seed).normal(size=(n, width))


def with_copies(n=400, copies=30, noise=0.02):
    rows = samples(n)
    near = rows[:copies] * 3 + np.random.default_rng(1).normal(size=(copies, rows.shape[1])) * noise
    return np.concatenate([rows, near]), {(i, n + i) for i in range(copies)}


@pytest.mark.parametrize("exact", [40_000, 100], ids=["all pairs", "along lines"])
def test_planted_copies_are_found_and_nothing_else(monkeypatch, exact):
    monkeypatch.setattr(module, "EXACT", exact)
    rows, planted = with_copies()
    pairs, cosines = near_pairs(rows)
    assert set(map(tuple, pairs.tolist())) == planted
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert cosines == pytest.approx([unit[i] @ unit[j] for i, j in pairs], abs=1e-6)


def test_the_cosine_of_any_pair_is_known():
    rows = samples(20) * 7
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    assert cosines(rows, np.array([[0, 3], [5, 4]])) == pytest.approx([unit[0] @ unit[3], unit[5] @ unit[4]], abs=1e-6)


def test_samples_without_copies_have_no_pair():
    pairs, cosines = near_pairs(samples())
    assert pairs.shape == (0, 2) and cosines.shape == (0,)


def test_the_same_pairs_are_found_in_blocks(monkeypatch):
    rows, planted = with_copies()
    monkeypatch.setattr(module, "CELLS", 5000)
    assert set(map(tuple, near_pairs(rows)[0].tolist())) == planted


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_samples_have_no_pair(n):
    assert near_pairs(samples(n))[0].shape == (0, 2)


def test_where_all_are_nearly_the_same_only_those_that_are_equal_are_copies():
    """The median distance is then small, too: how near samples usually are is all that can be said."""
    rows = np.ones((50, 8)) + np.random.default_rng(0).normal(size=(50, 8)) * 1e-2
    rows[1] = rows[0] * 2
    assert near_pairs(rows)[0].tolist() == [[0, 1]]


def test_twenty_copies_of_each_of_few_samples_are_all_pairs():
    rows = np.repeat(samples(5), 20, axis=0)
    assert len(near_pairs(rows)[0]) == 5 * 20 * 19 // 2


def test_more_samples_than_can_be_compared_have_no_pair(monkeypatch):
    rows, _ = with_copies()
    monkeypatch.setattr(module, "MOST", 100)
    assert near_pairs(rows)[0].shape == (0, 2)


def test_the_copies_of_a_split_are_those_with_a_partner_in_the_other():
    pairs = pd.DataFrame(
        [
            ("a", "b", "test", "train"),
            ("c", "d", "train", "test"),
            ("e", "f", "test", "test"),
            ("g", "h", "pool", "train"),
        ],
        columns=["sample_id", "other", "split", "other_split"],
    )
    assert copies_in(pairs, "test", "train") == {"a", "d"}
