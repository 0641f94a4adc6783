"""Every pair of models: what is a tie, what is not, and how many comparisons are taken into account."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from compare_models import without
from graft.evaluation.choosing import Candidate
from graft.evaluation.pairs import compare_pairs, holm

CLASSES = ["a", "b"]


def said(right, seed=0, n=400):
    """A table of validation rows by a model that is right with probability `right`."""
    draw = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    predicted = np.where(draw.random(n) < right, labels, 1 - labels)
    chance = np.where(predicted == 1, 0.8, 0.2)
    names = np.array(CLASSES, object)
    return pd.DataFrame(
        {
            "sample_id": [f"s{i:03}" for i in range(n)],
            "label": names[labels],
            "predicted": names[predicted],
            "prob_a": 1 - chance,
            "prob_b": chance,
        }
    )


def candidate(name, *tables):
    return Candidate(name, list(tables), 1, True)


def test_holms_correction_is_that_of_r():
    assert holm([0.01, 0.02, 0.03, 0.04]) == pytest.approx([0.04, 0.06, 0.06, 0.06])
    assert holm([0.04, 0.01, np.nan, 0.5, 0.9]) == pytest.approx([0.12, 0.04, np.nan, 1.0, 1.0], nan_ok=True)
    assert holm([]).tolist() == []


def test_each_pair_is_once_in_the_table_the_better_one_first():
    models = [
        candidate(name, said(right, seed)) for seed, (name, right) in enumerate({"x": 0.6, "y": 0.9, "z": 0.75}.items())
    ]
    table = compare_pairs(models, CLASSES, {}, ["accuracy"])
    assert list(zip(table["model"], table["other"], strict=True)) == [("y", "z"), ("y", "x"), ("z", "x")]
    assert (table["difference"] > 0).all() and not table["tied"].any()
    assert table["difference"].to_numpy() == pytest.approx((table["value"] - table["other_value"]).to_numpy())
    assert ((table["low"] < table["difference"]) & (table["difference"] < table["high"])).all()
    assert (table["p_holm"] >= table["p"]).all()


def test_p_is_that_of_the_paired_difference():
    one, other = said(0.80, 1), said(0.76, 2)
    table = compare_pairs([candidate("x", one), candidate("y", other)], CLASSES, {}, ["accuracy"])
    right = (one["label"] == one["predicted"]).astype(float) - (other["label"] == other["predicted"])
    wanted = 2 * norm.sf(abs(right.mean()) / (right.std() / np.sqrt(len(right))))
    assert 0.01 < wanted < 0.9
    assert table["p"].iloc[0] == pytest.approx(wanted, abs=0.04)


def test_a_model_and_its_copy_are_tied():
    table = compare_pairs([candidate("x", said(0.8)), candidate("y", said(0.8))], CLASSES, {}, ["accuracy"])
    assert table["tied"].all() and table["p"].iloc[0] == 1 and table["difference"].iloc[0] == 0


def test_of_many_equal_models_hardly_a_pair_differs():
    """Without a correction, one pair in twenty would."""
    models = [candidate(f"m{seed}", said(0.8, seed)) for seed in range(12)]
    table = compare_pairs(models, CLASSES, {}, ["accuracy"])
    assert len(table) == 66 and table["tied"].all() and (table["p"] < 0.05).any()


def test_rows_of_one_group_are_drawn_together():
    one, other = said(0.80, 1), said(0.70, 2)
    groups = {name: f"g{i // 40}" for i, name in enumerate(one["sample_id"])}
    alone, grouped = (
        compare_pairs([candidate("x", one), candidate("y", other)], CLASSES, units, ["accuracy"])
        for units in ({}, groups)
    )
    assert (grouped["high"] - grouped["low"]).iloc[0] != (alone["high"] - alone["low"]).iloc[0]
    every = dict.fromkeys(one["sample_id"], "g")
    single = compare_pairs([candidate("x", one), candidate("y", other)], CLASSES, every, ["accuracy"])
    assert single["p"].isna().all() and single["tied"].all()  # one group alone says nothing of others


def test_seeds_that_differ_make_the_difference_less_sure():
    steady = candidate("x", said(0.8, 1), said(0.8, 2))
    same = candidate("y", said(0.7, 3), said(0.7, 4))
    apart = candidate("y", said(0.55, 3), said(0.85, 4))
    sure = compare_pairs([steady, same], CLASSES, {}, ["accuracy"]).iloc[0]
    unsure = compare_pairs([steady, apart], CLASSES, {}, ["accuracy"]).iloc[0]
    assert not sure["tied"] and unsure["tied"]
    assert unsure["high"] - unsure["low"] > 1.5 * (sure["high"] - sure["low"])


def test_nothing_to_compare_is_an_empty_table():
    assert compare_pairs([candidate("x", said(0.8))], CLASSES, {}, ["accuracy"]).empty
    none = said(0.8).head(0)
    assert compare_pairs([candidate("x", none), candidate("y", none)], CLASSES, {}, ["accuracy"]).empty


def test_a_metric_without_near_copies_is_that_of_the_other_rows_over_all_seeds():
    tables = [said(0.8, 1), said(0.7, 2)]
    copied = set(tables[0]["sample_id"][tables[0]["label"] == tables[0]["predicted"]][:50])
    row = without(candidate("x", *tables), "test", ["auroc", "accuracy"], CLASSES, copied)
    few = [one[~one["sample_id"].isin(copied)] for one in tables]
    found = [np.mean([roc_auc_score(one["label"] == "b", one["prob_b"]) for one in some]) for some in (tables, few)]
    assert row[:5] == ("x", "test", "auroc", 400, 50) and row[5:] == pytest.approx(found)
    assert row[6] < row[5]


def test_a_metric_of_copies_alone_is_not_known_without_them():
    table = said(0.8)
    assert without(candidate("x", table), "test", ["accuracy"], CLASSES, set(table["sample_id"]))[6] is None
    assert without(candidate("x", table[:0]), "test", ["accuracy"], CLASSES, set()) is None
