"""Models judged by groups: the numbers are scikit-learn's, and nothing is claimed of groups that are too small or one too many."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import accuracy_score, roc_auc_score, root_mean_squared_error

import compare_groups as script
from graft.common.outputs import write_json, write_parquet
from graft.data.samples import read_manifest, write_manifest
from graft.evaluation.choosing import Candidate
from graft.targets.by_group import MOST, judge_groups, worst_in_words

CLASSES = ["a", "b"]
FACTS = {"kind": "classification", "classes": CLASSES}


def said(groups, right, seed=0):
    """A table of rows in `groups`, by a model that is right with probability right[group]."""
    draw, count = np.random.default_rng(seed), len(groups)
    labels = draw.integers(0, 2, count)
    sure = np.array([right[group] for group in groups])
    predicted = np.where(draw.random(count) < sure, labels, 1 - labels)
    chance = np.clip(0.5 + (predicted - 0.5) * draw.uniform(0.2, 0.9, count), 0, 1)
    names = np.array(CLASSES, object)
    return pd.DataFrame(
        {
            "sample_id": [f"s{i:05}" for i in range(count)],
            "label": names[labels],
            "predicted": names[predicted],
            "prob_a": 1 - chance,
            "prob_b": chance,
        }
    )


def column(groups):
    return pd.Series(np.asarray(groups, object), [f"s{i:05}" for i in range(len(groups))])


def judged(groups, *tables, units=None, metrics=("auroc", "accuracy"), facts=FACTS):
    return judge_groups(
        Candidate("m", list(tables), 0, True), facts, {"site": column(groups)}, units or {}, list(metrics)
    )


def row(table, role, group=None):
    found = table[(table["role"] == role) & ((table["group"] == group) | (group is None))]
    assert len(found) == 1
    return found.iloc[0]


THREE = ["x", "y", "z"] * 120
RIGHT = {"x": 0.9, "y": 0.6, "z": 0.95}


def test_each_groups_metric_is_that_of_scikit_learn_on_its_rows_and_the_mean_over_seeds():
    tables = [said(THREE, RIGHT, seed) for seed in (0, 1)]
    tables[1]["label"] = tables[0]["label"]
    found = judged(THREE, *tables)
    groups = np.array(THREE)
    for name in RIGHT:
        each = [one[groups == name] for one in tables]
        wanted = np.mean([roc_auc_score(one["label"] == "b", one["prob_b"]) for one in each])
        own = row(found, "group", name)
        assert own["value"] == pytest.approx(wanted) and own["rows"] == 120
        assert own["low"] < own["value"] < own["high"]
    whole = np.mean([roc_auc_score(one["label"] == "b", one["prob_b"]) for one in tables])
    assert row(found, "all")["value"] == pytest.approx(whole)
    accuracy = judged(THREE, tables[0], metrics=("accuracy",))
    part = tables[0][groups == "y"]
    assert row(accuracy, "group", "y")["value"] == pytest.approx(accuracy_score(part["label"], part["predicted"]))


def test_the_worst_group_and_its_gap_to_all_rows_are_named_with_an_interval():
    found = judged(THREE, said(THREE, RIGHT))
    worst, gap = row(found, "worst"), row(found, "gap")
    assert worst["group"] == gap["group"] == "y" and worst["compared"] == 3
    assert gap["value"] == pytest.approx(row(found, "all")["value"] - worst["value"])
    assert 0 < gap["low"] < gap["value"] < gap["high"]
    plain = row(found, "group", "y")
    assert worst["value"] == plain["value"] and worst["low"] < plain["low"] and worst["high"] > plain["high"]


def test_the_gaps_interval_is_that_of_independent_rows():
    """Of accuracy, the gap to all rows is a share of the difference to the rows of the other groups, whose variance is known."""
    groups = ["x", "y"] * 400
    table = said(groups, {"x": 0.9, "y": 0.7})
    gap = row(judged(groups, table, metrics=("accuracy",)), "gap")
    right = (table["label"] == table["predicted"]).to_numpy()
    shares = [right[np.array(groups) == name].mean() for name in ("x", "y")]
    spread = np.sqrt(sum(one * (1 - one) / 400 for one in shares)) / 2
    assert gap["value"] == pytest.approx((shares[0] - shares[1]) / 2)
    assert (gap["high"] - gap["low"]) / 2 == pytest.approx(2.2414 * spread, rel=0.08)  # Bonferroni's for two groups


def test_of_regression_the_worst_group_has_the_largest_error():
    draw = np.random.default_rng(0)
    value, spread = draw.normal(size=360), np.where(np.array(THREE) == "z", 3.0, 1.0)
    table = pd.DataFrame({"sample_id": column(THREE).index, "value": value})
    table["predicted"] = value + draw.normal(size=360) * spread
    found = judged(THREE, table, metrics=("rmse",), facts={"kind": "regression"})
    own = table[np.array(THREE) == "z"]
    worst, gap = row(found, "worst"), row(found, "gap")
    assert worst["group"] == "z" and worst["value"] == pytest.approx(
        root_mean_squared_error(own["value"], own["predicted"])
    )
    assert gap["value"] == pytest.approx(worst["value"] - row(found, "all")["value"]) and gap["low"] > 0
    assert (
        "3.0" in worst_in_words(found)[0]
        and "above that of all rows (3 groups were compared)." in worst_in_words(found)[0]
    )


def test_of_many_groups_that_are_equal_the_worst_is_not_said_to_be_worse():
    """The lowest of forty is far below all; without the correction its interval would say so in most draws."""
    groups = [f"g{i % 40}" for i in range(1200)]
    alarms = 0
    for seed in range(10):
        found = judged(groups, said(groups, dict.fromkeys(groups, 0.8), seed), metrics=("accuracy",))
        gap = row(found, "gap")
        assert gap["compared"] == 40 and gap["value"] > 0.05
        alarms += gap["low"] > 0
    assert alarms <= 1


def test_of_groups_of_one_row_nothing_is_claimed():
    groups = [f"g{i}" for i in range(60)]
    found = judged(groups, said(groups, dict.fromkeys(groups, 0.5)))
    assert set(found["role"]) == {"all", "group"} and (found["compared"] == 0).all()
    assert found.loc[found["role"] == "group", ["value", "low", "high"]].isna().all(axis=None)
    assert (found.loc[found["role"] == "group", "rows"] == 1).all() and worst_in_words(found) == []


def test_a_group_with_one_class_has_no_auroc_and_is_counted():
    groups = ["x"] * 60 + ["y"] * 60 + ["z"] * 60
    table = said(groups, {"x": 0.9, "y": 0.8, "z": 0.7})
    table.loc[120:, "label"] = "a"
    found = judged(groups, table)
    assert row(found, "group", "z")["rows"] == 60 and pd.isna(row(found, "group", "z")["value"])
    assert row(found, "worst")["group"] == "y" and row(found, "worst")["compared"] == 2
    table["label"] = "a"  # in no group: then the metric that is always there
    assert set(judged(groups, table)["metric"]) == {"accuracy"}


def test_a_column_with_thousands_of_values_is_counted_and_cut():
    groups = [f"v{i}" for i in range(5000)] + ["often"] * 40 + ["seldom"] * 30
    found = judged(groups, said(groups, dict.fromkeys(groups, 0.8)))
    assert (found["role"] == "group").sum() == MOST and {"often", "seldom"} <= set(found["group"])
    other = row(found, "other")
    assert other["group"] == f"{5002 - MOST} smaller groups" and other["rows"] == 5002 - MOST
    assert row(found, "worst")["compared"] == 2


def test_units_are_drawn_together_within_a_group_unless_they_are_the_group():
    table = said(THREE, RIGHT)
    ids = table["sample_id"]
    alone = judged(THREE, table, metrics=("accuracy",))
    patients = {name: f"p{i % 24}" for i, name in enumerate(ids)}  # eight in each site
    patient = judged(THREE, table, units=patients, metrics=("accuracy",))
    sites = judged(THREE, table, units=dict(zip(ids, THREE, strict=True)), metrics=("accuracy",))
    for role in ("group", "worst", "gap"):
        width = [row(one, role, "y")["high"] - row(one, role, "y")["low"] for one in (alone, patient, sites)]
        assert width[1] != pytest.approx(width[0], rel=0.02) and np.isfinite(width).all()
    assert row(sites, "group", "y")["low"] == row(alone, "group", "y")["low"]


def test_the_sentence_says_what_is_not_sure():
    sure = worst_in_words(judged(THREE, said(THREE, RIGHT)))
    assert (
        len(sure) == 1 and sure[0].startswith("Worst group: site y, AUROC 0.") and "of 120 rows, which is 0." in sure[0]
    )
    assert "chance" not in sure[0] and sure[0].endswith("below that of all rows (3 groups were compared).")
    unsure = worst_in_words(judged(THREE, said(THREE, dict.fromkeys(THREE, 0.8))))
    assert "below that of all rows. This may be chance (3 groups were compared)." in unsure[0]
    table = judged(THREE, said(THREE, RIGHT))
    table.loc[table["role"] == "gap", "value"] = -0.0001
    assert worst_in_words(table)[0].endswith("rows: no worse than all rows together (3 groups were compared).")


@pytest.fixture
def lab(tmp_path):
    """A manifest with a group column and a column of subgroups, and the predictions of a model."""
    table = pd.concat([said(THREE, RIGHT)] * 1).assign(split=["validation", "test"] * 180)
    frame = table.assign(path="p", row=range(360), content_sha256=table["sample_id"], fold=-1, sampling_unit=None)
    frame = frame.assign(group=[None, "g1", "g2"] * 120, labelled_copy=False, weight=None, **{"subgroup:site": THREE})
    write_manifest(tmp_path / "samples.parquet", frame, {"label": FACTS})
    write_json(tmp_path / "labels.json", {"targets": {"label": FACTS}})
    write_json(tmp_path / "data_card.json", {"groups": 2})
    write_json(tmp_path / "metrics.json", {"test": {"auroc": {"value": 0.7, "low": 0.6, "high": 0.8}}})
    write_parquet(tmp_path / "m.parquet", table, {"target": "label", "classes": '["a", "b"]'})
    write_parquet(tmp_path / "controls.parquet", table.assign(model="forest"))
    return tmp_path


def test_on_test_rows_the_file_says_how_often_sets_hold_the_truth_in_each_group(lab):
    rows = pd.read_parquet(lab / "m.parquet")
    draw = np.random.default_rng(5)
    sets = [["a", "b"] if draw.random() < 0.3 else [one] for one in rows["predicted"]]
    sets[1] = None  # a row that has no set counts in no coverage
    with_sets = rows.assign(set_90=pd.Series(sets, dtype=object))
    write_parquet(lab / "m.parquet", with_sets, {"target": "label", "classes": '["a", "b"]'})
    write_parquet(lab / "controls.parquet", with_sets.assign(model="forest"))
    runs = {("finetune", "solar.net.linear"): [lab / "m.parquet"]}
    script.main(lab / "samples.parquet", "label", runs, lab / "metrics.json", lab / "controls.parquet", lab / "out.csv")
    found = pd.read_csv(lab / "out.csv")
    assert found.columns[-4:].tolist() == ["coverage_90", "coverage_90_low", "coverage_90_high", "set_size_90"]
    test = with_sets[(with_sets["split"] == "test") & with_sets["set_90"].notna()].assign(
        site=column(THREE).to_numpy()[3::2]
    )
    test["held"] = [label in one for label, one in zip(test["label"], test["set_90"], strict=True)]
    for name in ("solar.net.linear", "forest"):
        own = found[(found["model"] == name) & (found["split"] == "test") & (found["column"] == "site")]
        for site, part in test.groupby("site"):
            row_of = own[(own["role"] == "group") & (own["group"] == site)].iloc[0]
            low, high = binomtest(int(part["held"].sum()), len(part)).proportion_ci(method="wilson")
            assert row_of["coverage_90"] == pytest.approx(part["held"].mean(), rel=1e-5)
            assert row_of[["coverage_90_low", "coverage_90_high"]].tolist() == pytest.approx([low, high], abs=0.01)
            assert row_of["set_size_90"] == pytest.approx(part["set_90"].map(len).mean(), rel=1e-5)
        assert own.loc[own["role"] == "all", "coverage_90"].iloc[0] == pytest.approx(test["held"].mean(), rel=1e-5)
        assert own.loc[own["role"].isin(["worst", "gap"]), "coverage_90"].isna().all()
    assert found.loc[found["split"] == "validation", "coverage_90"].isna().all()  # these rows have calibrated


def test_the_file_has_models_and_controls_splits_and_columns_and_missing_is_a_group(lab):
    runs = {("finetune", "solar.net.linear"): [lab / "m.parquet"]}
    paths = (lab / "samples.parquet", "label", runs, lab / "metrics.json", lab / "controls.parquet", lab / "out.csv")
    script.main(*paths)
    found, first = pd.read_csv(lab / "out.csv"), (lab / "out.csv").read_bytes()
    assert list(found.columns[:3]) == ["model", "stage", "split"]
    assert set(zip(found["model"], found["stage"], strict=True)) == {
        ("solar.net.linear", "finetune"),
        ("forest", "control"),
    }
    assert set(found["split"]) == {"validation", "test"} and set(found["column"]) == {"group", "site"}
    named = found[(found["column"] == "group") & (found["role"] == "group")]
    assert set(named["group"]) == {"g1", "g2", "missing"} and (named["rows"] == 60).all()
    script.main(*paths)
    assert (lab / "out.csv").read_bytes() == first
    assert read_manifest(lab / "samples.parquet").subgroups["site"].tolist() == THREE
