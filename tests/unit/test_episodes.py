"""Episodes hold what was asked for, whatever the data, and do not change when more are asked for."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.few_shot.episodes import episode_labels, sample_episodes


@st.composite
def requests(draw):
    ways, shots, queries = draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    sizes = draw(st.lists(st.integers(shots + queries, 12), min_size=ways, max_size=6))
    labels = np.repeat(np.arange(len(sizes)), sizes)
    unlabelled = np.full(draw(st.integers(0, 5)), -1)
    order = draw(st.integers(0, 99))
    labels = np.random.default_rng(order).permutation(np.concatenate([labels, unlabelled]))
    return labels, ways, shots, queries, draw(st.integers(0, 2**32))


@settings(max_examples=60, deadline=None)
@given(requests(), st.booleans())
def test_an_episode_has_exactly_the_rows_asked_for(request, shared):
    labels, ways, shots, queries, seed = request
    classes, support, query = sample_episodes(labels, None if shared else labels, ways, shots, queries, 9, seed)
    assert support.shape == (9, ways * shots) and query.shape == (9, ways * queries)
    for episode in range(9):
        assert len(set(classes[episode])) == ways
        assert len(set(support[episode])) == ways * shots
        assert len(set(query[episode])) == ways * queries
        assert (labels[support[episode]] == classes[episode][episode_labels(ways, shots)]).all()
        assert (labels[query[episode]] == classes[episode][episode_labels(ways, queries)]).all()
        if shared:
            assert not set(support[episode]) & set(query[episode])


@settings(max_examples=30, deadline=None)
@given(requests(), st.integers(1, 600))
def test_asking_for_more_episodes_keeps_the_first_ones(request, episodes):
    labels, ways, shots, queries, seed = request
    few = sample_episodes(labels, None, ways, shots, queries, episodes, seed)
    many = sample_episodes(labels, None, ways, shots, queries, episodes + 300, seed)
    for first, second in zip(few, many, strict=True):
        assert np.array_equal(first, second[:episodes])


@settings(max_examples=30, deadline=None)
@given(requests(), st.booleans())
def test_more_shots_add_to_the_support_and_keep_the_queries(request, shared):
    labels, ways, shots, queries, seed = request
    other = None if shared else labels
    few = sample_episodes(labels, other, ways, 1, queries, 20, seed)
    many = sample_episodes(labels, other, ways, shots, queries, 20, seed)
    assert np.array_equal(few[0], many[0]) and np.array_equal(few[2], many[2])
    assert np.array_equal(few[1], many[1].reshape(20, ways, shots)[..., 0])


def test_every_row_and_class_is_equally_likely():
    labels = np.repeat([0, 1, 2], [5, 6, 7])
    classes, support, query = sample_episodes(labels, None, 2, 2, 2, 12000, 3)
    assert np.bincount(classes.ravel()) / 12000 == pytest.approx([2 / 3] * 3, abs=0.02)
    for rows in (support, query):
        expected = 2 / 3 * 2 / np.array([5, 6, 7])[labels]
        assert np.bincount(rows.ravel(), minlength=18) / 12000 == pytest.approx(expected, abs=0.02)
    # The two places of a class are equally likely, too: no row prefers the first.
    first = support.reshape(12000, 2, 2)[..., 0]
    assert np.bincount(first.ravel(), minlength=18) / 12000 == pytest.approx(
        1 / 3 * 2 / np.array([5, 6, 7])[labels], abs=0.02
    )


def test_seeds_give_different_episodes():
    labels = np.repeat([0, 1, 2], 20)
    drawn = [sample_episodes(labels, None, 2, 2, 2, 50, seed)[1] for seed in (0, 1, [0, 1], 0)]
    assert np.array_equal(drawn[0], drawn[3])
    assert not np.array_equal(drawn[0], drawn[1]) and not np.array_equal(drawn[0], drawn[2])


def test_episodes_differ_from_each_other():
    _, support, _ = sample_episodes(np.repeat([0, 1, 2], 50), None, 2, 3, 3, 1000, 0)
    assert len(np.unique(support, axis=0)) > 990


def test_all_classes_with_too_few_samples_are_named_at_once():
    labels = np.repeat([0, 1, 2], [7, 20, 3])
    with pytest.raises(UserError) as caught:
        sample_episodes(labels, None, 2, 5, 10, 4, 0, names=["x", "y", "z"])
    assert "class 'x' has 7 samples, 5 shots + 10 queries need 15" in str(caught.value)
    assert "class 'z' has 3 samples" in str(caught.value) and "'y'" not in str(caught.value)


def test_messages_name_the_split_and_classes_without_any_sample():
    with pytest.raises(UserError) as caught:
        sample_episodes([0, 0, 1], [0, 1, 1], 5, 2, 2, 4, 0, names=["x", "y", "z"], splits=("train", "test"))
    message = str(caught.value)
    assert "5 ways, but only 3 classes" in message
    assert "class 'y' has 1 train samples, 2 shots need 2" in message
    assert "class 'x' has 1 test samples, 2 queries need 2" in message
    assert "class 'z' has 0 train samples" in message and "class 'z' has 0 test samples" in message


def test_supports_and_queries_are_drawn_by_numbers_of_their_own():
    """Splits of equal size: with the same numbers, the same places of both would meet in every episode."""
    labels = np.repeat(np.arange(5), 30)
    _, support, query = sample_episodes(labels, labels, 5, 4, 4, 200, 0)
    assert (support == query).mean() == pytest.approx(1 / 30, abs=0.01)
