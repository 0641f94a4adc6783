"""Splits and folds: every row has one, groups stay together, growth moves nothing, the order of rows is nothing."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.data.splitting.splits import given_folds, given_splits, hash_units, make_folds, make_splits, strata

SHARES = {"validation": 0.15, "test": 0.2}
labels_of = st.lists(st.integers(0, 4), min_size=8, max_size=120)
seeds = st.integers(0, 2**32 - 1)
quick = settings(max_examples=60, deadline=None)


def ids_for(labels):
    return np.array([f"sample-{i}" for i in range(len(labels))], dtype=object)


def split(ids, labels, groups=None, seed=0, given=None, **extra):
    return make_splits(ids, np.asarray(labels, np.int64), groups, given, {**SHARES, **extra}, seed)[0]


@quick
@given(labels_of, seeds)
def test_every_row_is_in_one_split_and_each_class_within_one_row_of_its_share(labels, seed):
    labels = np.array(labels)
    splits = split(ids_for(labels), labels, seed=seed)
    assert set(splits) <= {"train", "validation", "test"}
    for name in np.unique(labels):
        own = splits[labels == name]
        for part, share in {"train": 0.65, "validation": 0.15, "test": 0.2}.items():
            assert abs((own == part).sum() - share * len(own)) <= 1 + 1e-9
        assert (own == "train").any()


@quick
@given(st.lists(st.integers(1, 6), min_size=1, max_size=60), seeds)
def test_the_totals_stay_near_their_shares_with_many_small_classes(sizes, seed):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    splits = split(ids_for(labels), labels, seed=seed)
    forced = sum(size * 0.65 < 1 for size in sizes)  # the first row of a class is in train
    for part, share in {"validation": 0.15, "test": 0.2}.items():
        assert abs((splits == part).sum() - share * len(labels)) <= 2 + forced


@quick
@given(labels_of, seeds, seeds, st.booleans(), st.booleans())
def test_the_order_of_rows_does_not_matter(labels, seed, shuffle, grouped, growth_stable):
    ids, labels = ids_for(labels), np.array(labels)
    groups = np.array([f"g{i % 7}" for i in range(len(ids))], dtype=object) if grouped else None
    order = np.random.default_rng(shuffle).permutation(len(ids))
    one = split(ids, labels, groups, seed, growth_stable=growth_stable)
    other = split(ids[order], labels[order], groups[order] if grouped else None, seed, growth_stable=growth_stable)
    assert (one[order] == other).all()
    folds = make_folds(ids, labels, groups, 3, growth_stable, seed)
    moved = make_folds(ids[order], labels[order], groups[order] if grouped else None, 3, growth_stable, seed)
    assert (folds[order] == moved).all()


@quick
@given(st.lists(st.integers(0, 20), min_size=30, max_size=120), seeds, st.booleans())
def test_a_group_is_in_one_split_and_one_fold(numbers, seed, growth_stable):
    groups = np.array([None if n == 0 else f"g{n}" for n in numbers], dtype=object)
    ids, labels = ids_for(groups), np.arange(len(groups)) % 3
    if len({g for g in groups if g}) + (groups == None).sum() < 3:  # noqa: E711
        return
    splits = split(ids, labels, groups, seed, growth_stable=growth_stable)
    folds = make_folds(ids, labels, groups, 3, growth_stable, seed)
    for group in {g for g in groups if g}:
        assert len(set(splits[groups == group])) == 1
        assert len(set(folds[groups == group])) == 1


def test_grouped_splits_stay_near_their_shares_and_none_is_empty():
    groups = np.array([f"g{i // 5}" for i in range(1000)], dtype=object)
    labels = np.arange(1000) // 5 % 4
    splits = split(ids_for(groups), labels, groups)
    for name in range(4):
        assert abs((splits[labels == name] == "test").mean() - 0.2) < 0.03
    few = np.array([f"g{i % 3}" for i in range(99)], dtype=object)
    assert set(split(ids_for(few), np.zeros(99), few)) == {"train", "validation", "test"}


def test_too_few_groups_are_refused():
    groups = np.array(["a", "b"] * 10, dtype=object)
    with pytest.raises(UserError, match="2 groups cannot fill 3 splits"):
        split(ids_for(groups), np.zeros(20), groups)
    with pytest.raises(UserError, match="2 groups in the train split cannot fill 5 folds"):
        make_folds(ids_for(groups), np.zeros(20, int), groups, 5, False, 0)


@quick
@given(st.integers(5, 100), st.integers(1, 100), seeds, st.booleans())
def test_growth_stable_splits_and_folds_move_no_row_when_rows_are_added(few, more, seed, grouped):
    ids = ids_for(range(few + more))
    labels = np.arange(few + more) % 2
    groups = np.array([f"g{i % 11}" for i in range(few + more)], dtype=object) if grouped else None
    before = split(ids[:few], labels[:few], groups[:few] if grouped else None, seed, growth_stable=True)
    after = split(ids, labels, groups, seed, growth_stable=True)
    assert (before == after[:few]).all()
    folds = make_folds(ids[:few], labels[:few], groups[:few] if grouped else None, 5, True, seed)
    assert (folds == make_folds(ids, labels, groups, 5, True, seed)[:few]).all()


def test_growth_stable_shares_are_right_on_average():
    splits = split(ids_for(range(20_000)), np.zeros(20_000), growth_stable=True)
    assert abs((splits == "test").mean() - 0.2) < 0.01
    assert abs((splits == "validation").mean() - 0.15) < 0.01


def test_another_seed_makes_another_split_and_folds_do_not_follow_splits():
    ids, labels = ids_for(range(400)), np.zeros(400, int)
    assert (split(ids, labels, seed=0) != split(ids, labels, seed=1)).any()
    assert (make_folds(ids, labels, None, 5, False, 0) != make_folds(ids, labels, None, 5, False, 1)).any()
    groups = np.array([f"g{i // 4}" for i in range(400)], dtype=object)
    assert (split(ids, labels, groups, seed=0) != split(ids, labels, groups, seed=1)).any()
    assert (make_folds(ids, labels, groups, 5, False, 0) != make_folds(ids, labels, groups, 5, False, 1)).any()
    units = hash_units(ids, 0, "splits"), hash_units(ids, 0, "folds")
    assert abs(np.corrcoef(*units)[0, 1]) < 0.15


@quick
@given(labels_of, seeds, st.integers(2, 6))
def test_folds_are_filled_evenly_with_every_class(labels, seed, count):
    labels = np.array(labels)
    folds = make_folds(ids_for(labels), labels, None, count, False, seed)
    for part in [np.ones(len(labels), bool), *(labels == name for name in np.unique(labels))]:
        sizes = np.bincount(folds[part], minlength=count)
        assert sizes.max() - sizes.min() <= 1


def test_validation_is_taken_out_of_the_train_rows_that_the_user_gave():
    ids, labels = ids_for(range(100)), np.arange(100) % 2
    user = np.array(["train"] * 80 + ["test"] * 20, dtype=object)
    splits, how, carved = make_splits(ids, labels, None, user, SHARES, 0)
    assert (splits[80:] == "test").all()
    assert (splits[:80] == "validation").sum() == 12
    assert carved == ["validation"]
    complete = np.array(["train"] * 60 + ["validation"] * 20 + ["test"] * 20, dtype=object)
    splits, how, carved = make_splits(ids, labels, None, complete, SHARES, 0)
    assert (splits == complete).all()
    assert (how, carved) == ("given", [])


def test_a_group_in_two_given_splits_is_refused_by_name():
    ids = ids_for(range(6))
    user = np.array(["train", "train", "validation", "test", "test", "train"], dtype=object)
    groups = np.array(["p1", "p2", "p3", "p1", "p2", None], dtype=object)
    with pytest.raises(UserError, match="2 groups are in several splits") as error:
        make_splits(ids, np.zeros(6, int), groups, user, SHARES, 0)
    assert "'p1': test, train" in str(error.value)


def frame_with(**columns):
    length = len(next(iter(columns.values())))
    frame = pd.DataFrame(
        {"path": ["t.csv"] * length, "row": range(length), "table": "t.csv", "table_row": range(length)}
    )
    return frame.assign(**{name: pd.Series(values, dtype="str") for name, values in columns.items()})


def test_split_words_are_understood_in_their_usual_spellings():
    words = ["Train", "training", " val", "valid", "dev", "TEST", "pool", "unlabelled", ""]
    found = given_splits(frame_with(split=words))
    assert found.tolist()[:8] == ["train", "train", "validation", "validation", "validation", "test", "pool", "pool"]
    assert pd.isna(found.iloc[8])


def test_unknown_split_words_are_all_named():
    with pytest.raises(UserError) as error:
        given_splits(frame_with(split=["train", "tset", "holdout", "test"]))
    assert "t.csv, row 2: 'tset'" in str(error.value)
    assert "t.csv, row 3: 'holdout'" in str(error.value)
    with pytest.raises(UserError) as error:
        given_splits(frame_with(split=["train", "eval", "eval", "Evaluation", "eval"]))
    assert "4 rows name no known split" in str(error.value)
    assert "t.csv, row 2: 'eval' and 2 more rows\n" in str(error.value)
    assert "chose a model (validation) or judged it (test)" in error.value.hint


def test_given_folds_are_numbered_in_natural_order_and_keep_groups_together():
    frame = frame_with(fold=["10", "2", "1", "2"])
    assert given_folds(frame, None).tolist() == [2, 1, 0, 1]
    with pytest.raises(UserError, match="several folds"):
        given_folds(frame, np.array(["a", "a", "b", "c"], dtype=object))
    with pytest.raises(UserError, match="1 train rows have no fold"):
        given_folds(frame_with(fold=["1", "2", ""]), None)


@pytest.mark.parametrize("fold", [["1", "1.0", " 2", "2.0"], ["Fold A", "fold a ", "Fold B", "FOLD B"]])
def test_a_given_fold_may_be_spelled_in_several_ways(fold):
    assert given_folds(frame_with(fold=fold), None).tolist() == [0, 0, 1, 1]


def test_numbers_are_stratified_by_their_quantiles():
    values = pd.Series(np.linspace(0, 1, 100))
    splits = split(ids_for(values), strata(values, "regression"))
    means = [values[splits == part].mean() for part in ("train", "validation", "test")]
    assert max(means) - min(means) < 0.06
