"""Which model a run recommends: told on validation rows, by a paired bootstrap that draws groups."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.stats import binomtest
from sklearn.metrics import balanced_accuracy_score, log_loss, r2_score, roc_auc_score, root_mean_squared_error

from graft.evaluation.choosing import Candidate
from graft.evaluation.choosing import choose as choose_by

CLASSES = ["a", "b"]
METRICS = ("auroc", "accuracy")


def table(labels, chances):
    """Validation rows of a classifier of a and b that gives b these probabilities."""
    chances = np.asarray(chances, float)
    return pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(len(labels))],
            "label": [CLASSES[i] for i in labels],
            "predicted": [CLASSES[i] for i in (chances > 0.5).astype(int)],
            "prob_a": 1 - chances,
            "prob_b": chances,
        }
    )


def choose(candidates, classes, groups, metrics):
    return choose_by(candidates, classes, groups, metrics, "rmse" if classes is None else "log_loss")


def candidate(name, *tables, parameters=100, frozen=True):
    return Candidate(name, list(tables), parameters, frozen)


def noisy(labels, spread, seed):
    """Probabilities of b: the label and noise of this spread, through a logistic curve."""
    random = np.random.default_rng(seed)
    return 1 / (1 + np.exp(-(3 * (2 * np.asarray(labels) - 1) + spread * random.normal(size=len(labels)))))


LABELS = np.arange(300) % 2


def test_a_clear_lead_is_no_tie_and_the_figures_are_those_of_scikit_learn():
    good, bad = noisy(LABELS, 1, 0), noisy(LABELS, 6, 1)
    found = choose([candidate("bad", table(LABELS, bad)), candidate("good", table(LABELS, good))], CLASSES, {}, METRICS)
    assert (found["model"], found["by"], found["metric"], found["rows"]) == ("good", "lead", "auroc", 300)
    for name, chances in (("good", good), ("bad", bad)):
        row = found["table"].loc[name]
        assert row["value"] == pytest.approx(roc_auc_score(LABELS, chances), abs=1e-12)
        assert row["loss"] == pytest.approx(log_loss(LABELS, chances), abs=1e-12)
    assert not found["table"].loc["bad", "tied"] and found["table"].loc["bad", "gap_high"] < 0


def test_within_a_tie_the_lower_log_loss_is_taken_though_its_metric_is_lower():
    labels = np.arange(60) % 2
    chances = np.where(labels, 0.9, 0.1)
    chances[:3] = 1 - chances[:3]  # three mistakes
    sharp, first = chances.copy(), chances.copy()
    first[0] = 1 - first[0]  # one mistake fewer, but all others at 0.6
    dull = np.where(first > 0.5, 0.6, 0.4)
    ways = [candidate("dull", table(labels, dull)), candidate("sharp", table(labels, sharp))]
    found = choose(ways, CLASSES, {}, ("accuracy",))
    assert found["table"].loc["dull", "value"] > found["table"].loc["sharp", "value"]
    assert (found["model"], found["by"]) == ("sharp", "loss") and found["table"]["tied"].all()


def test_losses_that_look_equal_are_equal():
    """0.40001 and 0.40002 are both shown as 0.4: the model with fewer parameters is taken."""
    labels = np.arange(60) % 2
    chances = [np.where(labels, chance, 1 - chance) for chance in np.exp([-0.40001, -0.40002])]
    ways = [
        candidate("large", table(labels, chances[0]), parameters=900),
        candidate("small", table(labels, chances[1])),
    ]
    found = choose(ways, CLASSES, {}, ("accuracy",))
    assert found["table"].loc["large", "loss"] < found["table"].loc["small", "loss"]
    assert (found["model"], found["by"]) == ("small", "cost")


@pytest.mark.parametrize("order", [1, -1])
def test_among_equals_the_fewest_parameters_win_then_the_frozen_network(order):
    rows = table(LABELS, noisy(LABELS, 2, 0))
    equal = [
        candidate("large", rows, parameters=900),
        candidate("trained", rows, frozen=False),
        candidate("small", rows),
    ]
    found = choose(equal[::order], CLASSES, {}, METRICS)
    assert (found["model"], found["by"]) == ("small", "cost") and found["table"]["tied"].all()
    assert (found["table"][["gap", "gap_low", "gap_high"]] == 0).all(axis=None)


def test_the_interval_of_the_gap_is_that_of_a_bootstrap_by_brute_force_over_groups():
    random = np.random.default_rng(3)
    groups = np.repeat(np.arange(30), 10)
    hard = random.random(30)[groups]  # a group is hard for one model and easy for the other
    first, second = (np.abs(1 - LABELS - 0.1 - 0.8 * (random.random(300) < share)) for share in (hard, 1 - hard))
    tables = [table(LABELS, chances.round(1)) for chances in (first, second)]
    right = [(one["label"] == one["predicted"]).to_numpy(float) for one in tables]
    gap = right[0] - right[1]
    leader = 0 if gap.mean() > 0 else 1
    drawn = []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(groups == g) for g in random.integers(0, 30, 30)])
        drawn.append((gap if leader else -gap)[rows].mean())
    low, high = np.percentile(drawn, [2.5, 97.5])
    ways = [candidate(name, one) for name, one in zip("xy", tables, strict=True)]
    by_group = choose(ways, CLASSES, {f"s{i}": f"plate {g}" for i, g in enumerate(groups)}, ("accuracy",))
    other = by_group["table"].loc["xy"[1 - leader]]
    wider = 2.045 / 1.96 * np.sqrt(30 / 29)  # Student's t of 29 degrees of freedom
    assert other["gap_low"] == pytest.approx(other["gap"] + wider * (low - other["gap"]), abs=0.015)
    assert other["gap_high"] == pytest.approx(other["gap"] + wider * (high - other["gap"]), abs=0.015)
    by_row = choose(ways, CLASSES, {}, ("accuracy",))["table"].loc["xy"[1 - leader]]
    assert other["gap_high"] - other["gap_low"] > 1.5 * (by_row["gap_high"] - by_row["gap_low"])
    assert by_group["groups"] == 30


def test_what_mcnemar_cannot_tell_apart_on_many_rows_is_a_tie_and_what_it_can_is_none():
    for mistakes, lost in ((20, 8), (20, 0)):  # the first errs on 0..19, the second on `lost` others instead
        labels = np.arange(400) % 2
        first, second = (np.where(labels, 0.9, 0.1) for _ in range(2))
        first[:mistakes] = 1 - first[:mistakes]
        second[200 : 200 + lost] = 1 - second[200 : 200 + lost]
        p = binomtest(lost, mistakes + lost).pvalue
        found = choose(
            [candidate("x", table(labels, first)), candidate("y", table(labels, second))], CLASSES, {}, ("accuracy",)
        )
        assert found["table"]["tied"].all() == (p > 0.05), (lost, p)
    close = np.where(labels, 0.9, 0.1)
    close[200:214] = 1 - close[200:214]
    assert binomtest(14, 34).pvalue > 0.05
    found = choose(
        [candidate("x", table(labels, first)), candidate("y", table(labels, close))], CLASSES, {}, ("accuracy",)
    )
    assert found["table"]["tied"].all()


@pytest.mark.parametrize("none", ["", "  ", None, float("nan")])
def test_rows_without_a_group_stand_for_themselves_however_that_is_written(none):
    ways = [candidate("x", table(LABELS, noisy(LABELS, 3, 0))), candidate("y", table(LABELS, noisy(LABELS, 4, 1)))]
    plain = choose(ways, CLASSES, {}, METRICS)
    found = choose(ways, CLASSES, {f"s{i}": none for i in range(300)}, METRICS)
    pd.testing.assert_frame_equal(found["table"], plain["table"])
    mixed = choose(ways, CLASSES, {f"s{i}": "plate" if i < 100 else none for i in range(300)}, METRICS)
    assert (plain["groups"], found["groups"], mixed["groups"]) == (300, 300, 201)


def test_seeds_are_averaged_and_the_same_rows_compared_whatever_their_order():
    seeds = [table(LABELS, noisy(LABELS, 3, seed)) for seed in range(2)]
    shuffled = [one.sample(frac=1, random_state=1) for one in seeds]
    found, again = (
        choose([candidate("x", *some), candidate("y", table(LABELS, noisy(LABELS, 3, 9)))], CLASSES, {}, METRICS)
        for some in (seeds, shuffled)
    )
    mean = np.mean([roc_auc_score(LABELS, one["prob_b"]) for one in seeds])
    assert found["table"].loc["x", "value"] == pytest.approx(mean, abs=1e-12)
    pd.testing.assert_frame_equal(found["table"], again["table"])


def test_where_a_class_is_missing_in_validation_the_next_metric_is_taken_and_without_rows_nothing_is_compared():
    labels = np.zeros(40, int)
    first, second = np.full(40, 0.1), np.where(np.arange(40) < 30, 0.6, 0.1)
    found = choose([candidate("x", table(labels, second)), candidate("y", table(labels, first))], CLASSES, {}, METRICS)
    assert (found["metric"], found["model"], found["by"]) == ("accuracy", "y", "lead")
    none = table([], [])
    found = choose([candidate("x", none, parameters=9), candidate("y", none, parameters=8)], CLASSES, {}, METRICS)
    assert (found["model"], found["by"], found["rows"]) == ("y", "rows", 0) and found["table"]["value"].isna().all()


def test_regressions_are_compared_by_r2_and_rmse():
    random = np.random.default_rng(0)
    value = random.normal(size=100)
    tables = [
        pd.DataFrame({"sample_id": [f"s{i}" for i in range(100)], "value": value, "predicted": value + off})
        for off in (0.1 * random.normal(size=100), 0.5 * random.normal(size=100))
    ]
    found = choose([candidate("x", tables[0]), candidate("y", tables[1])], None, {}, ("r2",))
    assert (found["model"], found["by"]) == ("x", "lead")
    for name, one in zip("xy", tables, strict=True):
        assert found["table"].loc[name, "value"] == pytest.approx(r2_score(value, one["predicted"]))
        assert found["table"].loc[name, "loss"] == pytest.approx(np.sqrt(np.mean((one["predicted"] - value) ** 2)))
    single = [candidate(name, one.head(1)) for name, one in zip("xy", tables, strict=True)]
    found = choose(single, None, {}, ("r2",))
    assert found["by"] == "loss" and found["table"]["tied"].all()


def test_one_group_alone_tells_nothing_apart():
    ways = [candidate("bad", table(LABELS, noisy(LABELS, 9, 1))), candidate("good", table(LABELS, noisy(LABELS, 1, 0)))]
    found = choose(ways, CLASSES, dict.fromkeys((f"s{i}" for i in range(300)), "one"), METRICS)
    assert found["table"]["tied"].all() and (found["model"], found["by"]) == ("good", "loss")


@pytest.mark.parametrize(("metric", "rare"), [("auroc", 1), ("auroc", 2), ("auroc", 3), ("balanced_accuracy", 2)])
def test_equal_models_are_hardly_ever_told_apart_by_few_rows_of_a_class(monkeypatch, metric, rare):
    """Of two models that know equally much, the luck of one or two rows must not make a leader: in about 5 % of draws at most."""
    monkeypatch.setattr("graft.evaluation.choosing.RESAMPLES", 200)
    labels, leads = np.repeat([0, 1], [60 - rare, rare]), 0
    for seed in range(30):
        noise = np.random.default_rng(seed).normal(size=(2, 60))
        models = [table(labels, 1 / (1 + np.exp(-(labels - 0.5 + one)))) for one in noise]
        leads += choose([candidate("x", models[0]), candidate("y", models[1])], CLASSES, {}, (metric,))["by"] == "lead"
    assert leads <= 2


@pytest.mark.parametrize("rare", [5, 20])
def test_a_large_lead_is_told_by_few_rows_of_a_class(rare):
    labels = np.repeat([0, 1], [100 - rare, rare])
    models = [
        candidate("right", table(labels, noisy(labels, 1, 0))),
        candidate("guess", table(labels, noisy(labels, 90, 1))),
    ]
    found = choose(models, CLASSES, {}, METRICS)
    assert (found["model"], found["by"]) == ("right", "lead")


def test_one_row_of_a_class_tells_nothing_apart_however_large_the_gap():
    labels = np.repeat([0, 1], [30, 1])
    good, bad = table(labels, np.where(labels, 0.9, 0.1)), table(labels, np.linspace(0.6, 0.1, 31))
    found = choose([candidate("good", good), candidate("bad", bad)], CLASSES, {}, METRICS)
    row = found["table"].loc["bad"]
    assert row["tied"] and np.isnan(row["gap_low"])
    assert found["by"] == "loss" and found["model"] == "good"


def test_models_are_compared_on_the_rows_that_all_of_them_answered():
    rows = table(np.arange(40) % 2, np.full(40, 0.9))
    found = choose([candidate("x", rows.iloc[:30]), candidate("y", rows.iloc[9:])], CLASSES, {}, ("accuracy",))
    assert found["rows"] == 21
    assert (found["table"]["value"] == 11 / 21).all()  # rows 9 to 29, of which 11 are of class b


def resampled_by_brute_force(value_of, tables, units, resamples):
    """The gap of two models in each resample of the units, by the metric of another library."""
    gaps = []
    for drawn in resamples:
        rows = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        gaps.append(np.subtract(*(value_of(one.iloc[rows]) for one in tables)))
    return gaps


def regression(value, predicted):
    ids = [f"s{i}" for i in range(len(value))]
    return pd.DataFrame({"sample_id": ids, "value": value, "predicted": predicted})


@pytest.mark.parametrize(("metric", "measure"), [("r2", r2_score), ("rmse", root_mean_squared_error)])
def test_figures_of_a_resample_are_those_of_its_rows_alone(metric, measure):
    """Six groups, one of which has other values: the mean of a resample is its own, as in scikit-learn."""
    random = np.random.default_rng(0)
    units = np.repeat(np.arange(6), 4)
    value = 9.0 * (units == 0) + random.normal(size=24)
    tables = [regression(value, value + spread * random.normal(size=24)) for spread in (1.0, 0.5)]
    ways = [candidate(name, one) for name, one in zip("xy", tables, strict=True)]
    found = choose_by(ways, None, {f"s{i}": f"g{u}" for i, u in enumerate(units)}, (metric,), "rmse")["table"]
    other = found.index[found["gap"] != 0].item()
    ordered = tables if other == "x" else tables[::-1]
    gaps = resampled_by_brute_force(
        lambda rows: measure(rows["value"], rows["predicted"]), ordered, units, random.integers(0, 6, (600, 6))
    )
    gap, wider = found.loc[other, "gap"], stats.t.ppf(0.975, 5) / stats.norm.ppf(0.975) * np.sqrt(6 / 5)
    for end, share in (("gap_low", 2.5), ("gap_high", 97.5)):
        expected = wider * (np.percentile(gaps, share) - gap)
        assert found.loc[other, end] - gap == pytest.approx(expected, rel=0.15)


@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")
def test_a_class_that_a_resample_lacks_does_not_count_in_its_mean_recall():
    """Of five rows, 8 % of the resamples have no row of b: there the recall of a is the mean, as in scikit-learn."""
    labels = np.array([0, 0, 0, 1, 1])
    tables = [table(labels, np.full(5, 0.9)), table(labels, np.where(labels, 0.9, 0.1))]  # b everywhere; all right
    ways = [candidate(name, one) for name, one in zip("xy", tables, strict=True)]
    found = choose(ways, CLASSES, {}, ("balanced_accuracy",))["table"].loc["x"]
    gaps = resampled_by_brute_force(
        lambda rows: balanced_accuracy_score(rows["label"], rows["predicted"]),
        tables,
        np.arange(5),
        np.random.default_rng(0).integers(0, 5, (200, 5)),
    )
    assert (found["gap"], np.percentile(gaps, 2.5)) == (-0.5, -1.0)
    assert found["gap_low"] == -1.0


def test_the_interval_of_an_area_is_as_wide_as_that_of_areas_drawn_by_brute_force():
    random = np.random.default_rng(5)
    tables = [table(LABELS, noisy(LABELS, spread, seed)) for seed, spread in enumerate((4, 5))]
    ways = [candidate(name, one) for name, one in zip("xy", tables, strict=True)]
    found = choose(ways, CLASSES, {}, ("auroc",))["table"]
    other = found.index[found["gap"] != 0].item()
    gaps = resampled_by_brute_force(
        lambda rows: roc_auc_score(rows["label"] == "b", rows["prob_b"]),
        tables if other == "x" else tables[::-1],
        np.arange(300),
        random.integers(0, 300, (250, 300)),
    )
    low, high = np.percentile(gaps, [2.5, 97.5])
    assert found.loc[other, "gap_high"] - found.loc[other, "gap_low"] == pytest.approx(high - low, rel=0.15)
