"""Prediction sets and intervals hold the truth as often as they say, and equal those of MAPIE."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mapie.classification import SplitConformalClassifier
from mapie.regression import SplitConformalRegressor
from scipy.special import softmax
from scipy.stats import kstest
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from graft.common import plugins
from graft.conformal.draws import uniform
from graft.conformal.sets import fit_sets, judge_sets, may_calibrate, with_sets, without_sets
from graft.conformal.thresholds import least_rows, threshold
from graft.data.splitting.halves import kept_aside, second_half
from graft.heads.probe import VALIDATION
from graft.targets.predictions import KEPT_ASIDE

CLASSES = ["a", "b", "c"]
FACTS = {"kind": "classification", "classes": CLASSES}
ASKED = {"levels": [0.9], "sets": "lac", "intervals": "absolute", "within": "auto"}


def classified(rows, seed=0, skill=1.5, classes=CLASSES, shares=None):
    """A prediction table of calibrated probabilities."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(rows, len(classes))) * skill + np.log(shares if shares is not None else 1.0)
    chances = softmax(logits, axis=1)
    codes = (chances.cumsum(1) > random.random((rows, 1))).argmax(1)
    table = pd.DataFrame(chances, columns=[f"prob_{name}" for name in classes])
    ids = [f"{seed}.{number}" for number in range(rows)]
    return table.assign(label=np.array(classes, object)[codes], split="test", fold=-1, sample_id=ids)


def measured(rows, seed=0, spread=lambda x: np.ones_like(x)):
    """A prediction table of numbers, off by as much as `spread` says for each prediction."""
    random = np.random.default_rng(seed)
    predicted = random.uniform(0, 10, rows)
    values = predicted + random.normal(size=rows) * spread(predicted)
    return pd.DataFrame({"predicted": predicted, "value": values, "split": "test", "fold": -1})


def sets_by(calibrating, others, facts, asked):
    fitted = fit_sets(calibrating, facts, asked, np.ones(len(calibrating), bool), calibrating)
    return with_sets(others, facts, json.loads(json.dumps(fitted))), fitted


class Known(ClassifierMixin, BaseEstimator):
    """A classifier whose inputs are its probabilities."""

    def __init__(self):
        self.classes_, self.fitted_ = np.arange(3), True

    def fit(self, *_):
        return self

    def predict_proba(self, X):
        return X

    def predict(self, X):
        return X.argmax(1)


class Same(RegressorMixin, BaseEstimator):
    """A regressor whose input is its prediction."""

    def __init__(self):
        self.fitted_ = True

    def fit(self, *_):
        return self

    def predict(self, X):
        return X[:, 0]


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_sets_of_lac_equal_those_of_mapie(level):
    calibrating, others = classified(301, 0), classified(200, 1)
    asked = {**ASKED, "levels": [level], "within": "all"}
    found, _ = sets_by(calibrating, others, FACTS, asked)
    peer = SplitConformalClassifier(Known(), confidence_level=level, conformity_score="lac", prefit=True)
    inputs = [table[[f"prob_{name}" for name in CLASSES]].to_numpy() for table in (calibrating, others)]
    peer.conformalize(inputs[0], calibrating["label"].map(CLASSES.index).to_numpy())
    _, expected = peer.predict_set(inputs[1])
    expected = expected[:, :, 0]
    empty = np.flatnonzero(~expected.any(1))
    expected[empty, inputs[1][empty].argmax(1)] = True  # graft's sets are never empty
    ours = np.array([[name in one for name in CLASSES] for one in found[f"set_{100 * level:g}"]])
    assert (ours == expected).all()


@pytest.mark.parametrize(("score", "penalty"), [("aps", 0.0), ("raps", 0.01)])
def test_summed_scores_are_the_papers_formulas(score, penalty):
    chances = softmax(np.random.default_rng(0).normal(size=(50, 8)), axis=1)
    ids = [f"s{number}" for number in range(50)]
    found = plugins.load("class_score", score).score(chances, ids)
    for row, draw, scores in zip(chances, uniform(ids), found, strict=True):
        for label in range(8):
            place = int((row > row[label]).sum()) + 1
            expected = row[row > row[label]].sum() + (1 - draw) * row[label] + penalty * max(place - 5, 0)
            assert np.isclose(scores[label], expected)


def test_draws_of_samples_are_uniform_and_the_same_in_any_order():
    ids = [f"s{number}" for number in range(5000)]
    found = uniform(ids)
    assert kstest(found, "uniform").pvalue > 0.01
    assert (uniform(ids[::-1]) == found[::-1]).all()


def test_absolute_intervals_equal_those_of_mapie():
    calibrating, others = measured(157, 0), measured(80, 1)
    found, _ = sets_by(calibrating, others, {"kind": "regression"}, ASKED)
    peer = SplitConformalRegressor(Same(), confidence_level=0.9, conformity_score="absolute", prefit=True)
    peer.conformalize(calibrating[["predicted"]].to_numpy(), calibrating["value"].to_numpy())
    _, expected = peer.predict_interval(others[["predicted"]].to_numpy())
    assert np.allclose(found[["low_90", "high_90"]].to_numpy(), expected[:, :, 0])


@pytest.mark.parametrize("score", ["lac", "aps", "raps"])
@pytest.mark.parametrize("within", ["all", "class"])
def test_sets_hold_the_truth_as_often_as_they_say(score, within):
    asked = {**ASKED, "sets": score, "within": within}
    shares = np.array([0.7, 0.2, 0.1])
    by_class, overall = {name: [] for name in CLASSES}, []
    for seed in range(30):
        found, _ = sets_by(
            classified(400, seed, shares=shares), classified(1000, 1000 + seed, shares=shares), FACTS, asked
        )
        held = np.array([label in one for label, one in zip(found["label"], found["set_90"], strict=True)])
        overall.append(held.mean())
        for name in CLASSES:
            by_class[name].append(held[found["label"] == name].mean())
    assert np.mean(overall) >= 0.895
    assert within == "class" or np.mean(overall) < 0.93  # the rest is what no empty set costs
    if score == "lac" and within == "all":
        assert np.mean(overall) < 0.92 and np.mean(by_class["c"]) < 0.88  # the rare class pays for the others
    if within == "class":
        assert all(np.mean(values) >= 0.88 for values in by_class.values())


@pytest.mark.parametrize("score", ["absolute", "normalised", "cqr"])
def test_intervals_hold_the_truth_and_follow_the_spread_where_the_score_does(score):
    asked, spread = {**ASKED, "intervals": score}, lambda predicted: 0.1 + predicted
    coverage, width = [], []
    for seed in range(20):
        found, _ = sets_by(
            measured(400, seed, spread), measured(1000, 100 + seed, spread), {"kind": "regression"}, asked
        )
        held = (found["low_90"] <= found["value"]) & (found["value"] <= found["high_90"])
        coverage.append(held.mean())
        sizes = found["high_90"] - found["low_90"]
        width.append(sizes[found["predicted"] > 8].mean() / sizes[found["predicted"] < 2].mean())
    assert 0.89 < np.mean(coverage) < 0.93
    assert np.isclose(np.mean(width), 1) if score == "absolute" else np.mean(width) > 2.5


def test_sets_of_labels_hold_all_labels_of_a_sample():
    random, names = np.random.default_rng(0), ["x", "y", "z"]
    facts = {"kind": "multilabel", "classes": names}

    def table(rows):
        chances = random.random((rows, 3))
        has = chances > random.random((rows, 3))
        found = pd.DataFrame(chances, columns=[f"prob_{name}" for name in names])
        labels = pd.Series([np.array(names)[row].tolist() for row in has], dtype=object)
        return found.assign(label=labels, split="test", fold=-1)

    found, fitted = sets_by(table(4000), table(3000), facts, ASKED)
    metrics, _ = judge_sets(found, facts, fitted, [None] * 3000)
    assert 0.88 < metrics["test"]["coverage_90"]["value"] < 0.92
    assert found["set_90"].map(len).min() >= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=0, max_size=60), st.sampled_from([0.5, 0.8, 0.9, 0.95]))
def test_the_threshold_is_that_order_statistic_or_none(scores, level):
    found = threshold(np.array(scores), level)
    assert (found is None) == (len(scores) < least_rows(level))
    if found is not None:
        assert (np.array(scores) <= found).sum() >= (len(scores) + 1) * level - 1e-6


def test_no_set_is_empty():
    calibrating = classified(200, 0, skill=8)
    others = pd.DataFrame(np.full((5, 3), 1 / 3), columns=[f"prob_{name}" for name in CLASSES]).assign(sample_id="s")
    found, _ = sets_by(calibrating, others, FACTS, {**ASKED, "within": "all"})
    assert found["set_90"].map(len).min() >= 1


def test_a_class_with_too_few_rows_leaves_no_sets_and_a_note():
    calibrating = classified(300, 0)
    rare = calibrating.index[calibrating["label"] == "c"][8:]
    found, fitted = sets_by(calibrating.drop(rare), classified(10, 1), FACTS, ASKED)
    assert found["set_90"].isna().all()
    assert (
        fitted["levels"]["90"]["note"] == "class 'c': 8 labelled rows are left to calibrate with, and 90 % sets need 9"
    )


def test_one_class_among_the_calibrating_rows_leaves_no_sets_and_a_note():
    calibrating = classified(300, 0)
    found, fitted = sets_by(calibrating[calibrating["label"] == "a"], classified(10, 1), FACTS, ASKED)
    assert found["set_90"].isna().all()
    assert ": 0 labelled rows are left" in fitted["levels"]["90"]["note"]


def test_of_many_classes_one_threshold_is_for_all():
    classes = [f"c{number}" for number in range(11)]
    facts = {"kind": "classification", "classes": classes}
    _, fitted = sets_by(classified(200, 0, classes=classes), classified(10, 1, classes=classes), facts, ASKED)
    assert len(set(fitted["levels"]["90"]["thresholds"])) == 1


def test_groups_have_thresholds_of_their_own_and_unknown_ones_that_of_all():
    calibrating, others = measured(300, 0), measured(3, 1)
    calibrating["group"] = np.repeat(["near", "far", "few"], [145, 146, 9])
    calibrating.loc[calibrating["group"] == "far", "value"] += 5
    asked = {**ASKED, "within": "group", "levels": [0.9, 0.95]}
    fitted = fit_sets(calibrating, {"kind": "regression"}, asked, np.ones(300, bool), calibrating)
    found = with_sets(others, {"kind": "regression"}, fitted, pd.DataFrame({"group": ["near", "far", "new"]}))
    near, far, new = (found["high_90"] - found["predicted"]).tolist()
    assert near < new <= far and far > 5
    assert fitted["levels"]["95"]["groups"]["few"] is None
    assert (
        fitted["levels"]["95"]["note"]
        == "group 'few': 9 labelled rows are left to calibrate with, and 95 % sets need 19"
    )


def test_what_calibrates_is_unseen():
    table = pd.DataFrame(
        {
            "fold": [0, -1, VALIDATION, -1, KEPT_ASIDE, -1, VALIDATION],
            "split": ["train", "train", "validation", "validation", "validation", "test", "test"],
        }
    )
    assert may_calibrate(table).tolist() == [True, False, True, False, True, False, False]


def test_a_reason_stands_in_for_sets():
    fitted = without_sets(ASKED, "nothing is promised")
    found = with_sets(classified(4), FACTS, fitted)
    assert found["set_90"].isna().all() and fitted["levels"]["90"]["note"] == "nothing is promised"
    assert judge_sets(found, FACTS, fitted, [None] * 4) == ({}, {})


def rows_of(split, labels, unit=None):
    size = len(labels)
    return pd.DataFrame(
        {
            "split": split,
            "sampling_unit": unit,
            "content_sha256": [f"{split}{number}" for number in range(size)],
            "label": labels,
        }
    )


def test_half_of_validation_is_kept_aside_where_it_is_enough():
    rows = pd.concat([rows_of("train", ["a", "b"] * 50), rows_of("validation", ["a", "b"] * 50)], ignore_index=True)
    facts = {"label": {"kind": "classification", "classes": ["a", "b"]}}
    aside = kept_aside(rows, facts)
    assert not aside[:100].any() and 35 < aside[100:].sum() < 65
    assert not kept_aside(rows[:110], facts).any()  # ten validation rows choose all that is chosen
    more = pd.concat([rows, rows_of("validation", ["a"] * 200, "one group")], ignore_index=True)
    assert (kept_aside(more, facts)[:200] == aside).all()  # a row stays in its half
    assert len(set(second_half(more)[200:])) == 1  # a group is in one half


SITES = np.repeat(["near", "far", "few"], [150, 140, 11])  # far is harder to tell


def at_sites(table, sites):
    return table.assign(**{"subgroup:site": np.resize(sites, len(table))})


def test_sets_within_a_column_equal_those_of_mapie_on_the_rows_of_each_value():
    calibrating, others = at_sites(classified(301, 0), SITES), at_sites(classified(200, 1), ["near", "far"])
    calibrating.loc[SITES == "far", "label"] = classified(140, 7, skill=0.2)["label"].to_numpy()
    asked = {**ASKED, "within": "site"}
    found = with_sets(others, FACTS, fit_sets(calibrating, FACTS, asked, np.ones(301, bool), calibrating), others)
    sizes = {}
    for site in ("near", "far"):
        own, new = (table[table["subgroup:site"] == site] for table in (calibrating, others))
        peer = SplitConformalClassifier(Known(), confidence_level=0.9, conformity_score="lac", prefit=True)
        inputs = [table[[f"prob_{name}" for name in CLASSES]].to_numpy() for table in (own, new)]
        peer.conformalize(inputs[0], own["label"].map(CLASSES.index).to_numpy())
        expected = peer.predict_set(inputs[1])[1][:, :, 0]
        expected[np.arange(len(new)), inputs[1].argmax(1)] |= ~expected.any(1)  # graft's sets are never empty
        ours = np.array([[name in one for name in CLASSES] for one in found.loc[new.index, "set_90"]])
        assert (ours == expected).all()
        sizes[site] = ours.sum(1).mean()
    assert sizes["far"] > sizes["near"] + 0.3


def test_intervals_within_a_column_equal_those_of_mapie_on_the_rows_of_each_value():
    calibrating, others = at_sites(measured(301, 0), SITES), at_sites(measured(80, 1), ["near", "far"])
    calibrating.loc[SITES == "far", "value"] += 5
    asked, facts = {**ASKED, "within": "site"}, {"kind": "regression"}
    found = with_sets(others, facts, fit_sets(calibrating, facts, asked, np.ones(301, bool), calibrating), others)
    for site in ("near", "far"):
        own, new = (table[table["subgroup:site"] == site] for table in (calibrating, others))
        peer = SplitConformalRegressor(Same(), confidence_level=0.9, conformity_score="absolute", prefit=True)
        peer.conformalize(own[["predicted"]].to_numpy(), own["value"].to_numpy())
        expected = peer.predict_interval(new[["predicted"]].to_numpy())[1][:, :, 0]
        assert np.allclose(found.loc[new.index, ["low_90", "high_90"]].to_numpy(), expected)


def labelled(rows, seed):
    random, names = np.random.default_rng(seed), ["x", "y"]
    chances = random.random((rows, 2))
    has = chances > random.random((rows, 2))
    table = pd.DataFrame(chances, columns=["prob_x", "prob_y"]).assign(split="test", fold=-1)
    return table.assign(label=pd.Series([np.array(names)[row].tolist() for row in has], dtype=object))


@pytest.mark.parametrize(
    ("facts", "table"),
    [
        (FACTS, classified),
        ({"kind": "regression"}, measured),
        ({"kind": "multilabel", "classes": ["x", "y"]}, labelled),
    ],
)
def test_a_value_of_a_column_with_too_few_rows_or_none_has_no_sets_and_a_note(facts, table):
    rows = at_sites(table(301, 0), SITES)
    extra = at_sites(table(4, 3), ["near", "few", "unseen", "far"]).assign(label=None, value=np.nan)  # a pool
    rows = pd.concat([rows, extra], ignore_index=True)
    asked = {**ASKED, "within": "site", "levels": [0.9, 0.95]}
    fitted = json.loads(json.dumps(fit_sets(rows, facts, asked, np.arange(305) < 301, rows)))
    column = "low" if facts["kind"] == "regression" else "set"
    found = with_sets(rows, facts, fitted, rows)
    assert found[f"{column}_90"].tail(4).notna().tolist() == [True, True, False, True]
    assert found[f"{column}_95"].tail(4).notna().tolist() == [True, False, False, True]
    assert (
        fitted["levels"]["90"]["note"]
        == "site 'unseen': 0 labelled rows are left to calibrate with, and 90 % sets need 9"
    )
    assert (
        fitted["levels"]["95"]["note"]
        == "site 'unseen' and 1 more: 0 labelled rows are left to calibrate with, and 95 % sets need 19"
    )
    unknown = with_sets(rows, facts, fitted)  # new data that do not say their site
    assert unknown[[f"{column}_90", f"{column}_95"]].isna().all(axis=None)


def test_multilabel_sets_hold_all_labels_as_often_within_each_value():
    facts, asked = {"kind": "multilabel", "classes": ["x", "y"]}, {**ASKED, "within": "site"}

    def table(rows, seed):  # at one site, unlikely labels are there more often
        found = at_sites(labelled(rows, seed), ["near", "far"])
        worse = (found["subgroup:site"] == "far") & (np.random.default_rng(seed).random(rows) < 0.3)
        return found.assign(
            label=[["x", "y"] if one else label for one, label in zip(worse, found["label"], strict=True)]
        )

    calibrating, others = table(4000, 0), table(4000, 1)
    found = with_sets(others, facts, fit_sets(calibrating, facts, asked, np.ones(4000, bool), calibrating), others)
    held = pd.Series([set(a) <= set(b) for a, b in zip(found["label"], found["set_90"], strict=True)])
    by_site = held.groupby(found["subgroup:site"]).mean()
    assert by_site.between(0.88, 0.93).all()
