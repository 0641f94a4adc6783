"""Whole groups in splits and folds: by lot, balanced, with every class in every part that it can be in."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import GroupShuffleSplit

from graft.common.errors import UserError
from graft.data.splitting.splits import bind, make_folds, make_splits
from graft.data.splitting.whole_groups import round_shares

SHARES = {"train": 0.65, "validation": 0.15, "test": 0.2}
quick = settings(max_examples=25, deadline=None)


def patients(sizes, seed=0):
    """ids, labels of two classes (each patient has a share of its own), and the patient of each row."""
    draw = np.random.default_rng(seed)
    groups = np.repeat([f"p{i:03d}" for i in range(len(sizes))], sizes).astype(object)
    share = np.repeat(draw.beta(2, 2, len(sizes)), sizes)
    return ids_for(groups), (draw.random(len(groups)) < share).astype(np.int64), groups


def ids_for(rows):
    return np.array([f"s{i:05d}" for i in range(len(rows))], dtype=object)


def split(ids, labels, groups=None, seed=0, alike=None, given=None, **more):
    shares = {"validation": SHARES["validation"], "test": SHARES["test"], **more}
    return make_splits(ids, np.asarray(labels, np.int64), groups, given, shares, seed, alike)[0]


def overlap(tests):
    """Mean share of groups that two test splits have in common, of all that they have."""
    return np.mean([len(a & b) / len(a | b) for a, b in itertools.combinations(tests, 2)])


def test_twenty_seeds_give_twenty_splits_as_different_as_scikit_learns_and_balanced():
    ids, labels, groups = patients(np.random.default_rng(0).integers(5, 45, 40))
    splits = [split(ids, labels, groups, seed) for seed in range(20)]
    shuffled = GroupShuffleSplit(20, test_size=0.2, random_state=0).split(ids, groups=groups)
    tests = [frozenset(groups[part == "test"]) for part in splits]
    assert len({tuple(part) for part in splits}) == len(set(tests)) == 20
    assert overlap(tests) < 1.25 * overlap([frozenset(groups[test]) for _, test in shuffled])
    for part in splits:
        for name, share in SHARES.items():
            assert abs((part == name).mean() - share) < 0.005
            assert abs(labels[part == name].mean() - labels.mean()) < 0.035


@pytest.mark.parametrize(
    ("sizes", "fewest"), [((20, 30, 40, 50, 35, 45), 4), ((400, 100, *[20] * 30), 15), ([7] * 9, 15)]
)
def test_seeds_matter_for_few_groups_and_for_uneven_ones(sizes, fewest):
    ids, labels, groups = patients(sizes)
    splits = [split(ids, labels, groups, seed) for seed in range(20)]
    assert len({tuple(part) for part in splits}) >= fewest
    largest = max(sizes) / sum(sizes)
    for part in splits:
        assert abs((part == "test").mean() - SHARES["test"]) < largest


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("carriers", [1, 2, 3, 4])
def test_a_rare_class_is_in_every_split_that_its_groups_suffice_for(carriers, rows):
    for seed in range(12):
        draw = np.random.default_rng(seed)
        ids, labels, groups = patients(draw.integers(5, 45, 40), seed)
        for group in draw.choice(np.unique(groups), carriers, replace=False):
            labels[np.flatnonzero(groups == group)[:rows]] = 2
        part = split(ids, labels, groups, seed)
        for name in ("train", "test", "validation")[:carriers]:
            assert (labels[part == name] == 2).any()


def test_classes_that_crowd_the_same_few_groups_are_all_in_every_split():
    for seed in range(8):
        draw = np.random.default_rng(seed)
        groups = np.repeat([f"g{i}" for i in range(30)], 20).astype(object)
        labels = np.zeros(600, np.int64)
        for rare in range(1, 6):
            for group in draw.choice(12, 4, replace=False):
                labels[20 * group + rare] = rare
        part = split(ids_for(groups), labels, groups, seed)
        assert all(set(labels[part == name]) == set(range(6)) for name in SHARES)


def test_a_class_of_single_rows_is_in_every_split_where_groups_are_named():
    groups = np.array([f"g{i}" for i in range(100)], dtype=object)
    labels = np.r_[np.zeros(97, np.int64), 1, 1, 1]
    part = split(ids_for(groups), labels, groups)
    assert all((labels[part == name] == 1).sum() == 1 for name in SHARES)


@pytest.mark.parametrize("count", [3, 5])
def test_a_class_is_in_as_many_folds_as_it_has_groups(count):
    for seed in range(10):
        draw = np.random.default_rng(seed)
        ids, labels, groups = patients(draw.integers(2, 40, 25), seed)
        for group in draw.choice(np.unique(groups), 4, replace=False):
            labels[np.flatnonzero(groups == group)[:1]] = 2
        folds = make_folds(ids, labels, groups, count, False, seed)
        assert len(set(folds[labels == 2])) == min(count, 4)
        assert np.bincount(folds).min() > 0.6 * len(ids) / count


@quick
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 14)), min_size=30, max_size=90), st.integers(0, 99))
def test_what_is_bound_through_others_stays_together(rows, seed):
    groups = np.array([None if g < 3 else f"g{g}" for g, _ in rows], dtype=object)
    alike = np.array([f"c{c}" if c < 10 else f"own{i}" for i, (_, c) in enumerate(rows)], dtype=object)
    ids, labels = ids_for(rows), np.arange(len(rows)) % 3
    words = bind(ids, groups, alike)
    known = groups != None  # noqa: E711
    for key, own in ((alike, np.ones(len(ids), bool)), (groups, known)):
        same = (key[own][:, None] == key[own]) & (words[own][:, None] != words[own])
        assert not same.any()
    if len(set(words)) < 3:
        return
    part, folds = split(ids, labels, groups, seed, alike), make_folds(ids, labels, groups, 3, False, seed, alike)
    for word in set(words):
        assert len(set(part[words == word])) == len(set(folds[words == word])) == 1
    assert set(part) == set(SHARES) and set(folds) == {0, 1, 2}


def test_copies_of_one_content_are_never_in_two_splits_or_folds_and_single_rows_keep_the_shares_exact():
    ids, labels = ids_for(range(600)), np.arange(600) % 2
    alike = np.array([f"c{i % 200}" if i < 400 else f"own{i}" for i in range(600)], dtype=object)
    for seed in range(5):
        part, folds = split(ids, labels, None, seed, alike), make_folds(ids, labels, None, 5, False, seed, alike)
        assert (part[:200] == part[200:400]).all() and (folds[:200] == folds[200:400]).all()
        for label in (0, 1):
            assert abs((part[labels == label] == "test").sum() - 60) <= 1
            assert np.ptp(np.bincount(folds[labels == label])) <= 1


def test_a_few_copies_leave_the_other_rows_where_they_are_drawn_without_them():
    ids, labels = ids_for(range(300)), np.arange(300) % 2
    alike = ids.copy()
    alike[[7, 70]] = "same"
    one, other = split(ids, labels), split(ids, labels, alike=alike)
    assert (one != other).sum() <= 6 and other[7] == other[70]


def test_growth_stable_copies_go_with_the_first_by_id_and_groups_keep_their_own_place():
    ids = ids_for(range(40))
    alike = np.array([f"c{i % 20}" for i in range(40)], dtype=object)
    alone = split(ids[:20], np.zeros(20), alike=alike[:20], growth_stable=True)
    both = split(ids, np.zeros(40), alike=alike, growth_stable=True)
    assert (both[:20] == alone).all() and (both[20:] == alone).all()
    folds = make_folds(ids, np.zeros(40), None, 4, True, 0, alike)
    assert (folds[:20] == folds[20:]).all()
    groups = np.array(["a"] * 10 + ["b"] * 10 + [None] * 20, dtype=object)
    words = bind(ids, groups, alike, growth_stable=True)
    assert set(words[:10]) == {"group\0a"} and (words[20:30] == "group\0a").all() and (words[10:20] == "group\0b").all()


def test_validation_that_is_drawn_from_given_train_rows_keeps_copies_together():
    ids = ids_for(range(120))
    user = np.array(["train"] * 100 + ["test"] * 20, dtype=object)
    alike = np.array([f"c{i % 50}" for i in range(100)] + [f"t{i}" for i in range(20)], dtype=object)
    part = split(ids, np.arange(120) % 2, None, 0, alike, user)
    assert (part[:50] == part[50:100]).all() and (part[100:] == "test").all() and (part == "validation").sum() == 16


def test_contents_too_few_for_the_splits_are_refused():
    ids = ids_for(range(20))
    with pytest.raises(UserError, match="2 different contents cannot fill 3 splits"):
        split(ids, np.zeros(20), alike=np.array(["a", "b"] * 10, dtype=object))


@quick
@given(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(0, 9))
def test_rounded_shares_use_every_row_and_stay_within_one_of_what_is_lacking(sizes, seed):
    sizes = np.array(sizes)
    shares = np.array([0.65, 0.2, 0.15])
    counts = round_shares(sizes, sizes[:, None] * shares, np.zeros((len(sizes), 3)))
    assert (counts.sum(axis=1) == sizes).all() and np.abs(counts - sizes[:, None] * shares).max() <= 1 + 1e-9
    have = np.random.default_rng(seed).integers(0, 6, (len(sizes), 3))
    counts = round_shares(sizes, (sizes + have.sum(1))[:, None] * shares, have)
    assert (counts.sum(axis=1) == sizes).all() and (counts >= 0).all()
