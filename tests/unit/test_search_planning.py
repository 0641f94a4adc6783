"""The plan of a search: a function of minutes and rates, which never takes longer than it may."""

from collections import Counter
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.search import planning

RATES = {
    "slow": {"embedded_per_s": 30.0, "trained_per_s": 10.0},
    "fast": {"embedded_per_s": 300.0, "trained_per_s": 90.0},
}
REQUEST = {
    "minutes": 30,
    "backbone": ["slow", "fast"],
    "method": ["full", "linear", "lp_ft"],
    "lr": [1e-4, 3e-5, 3e-4],
    "augment": ["none", "flip", "dihedral", "standard", "zoom"],
    "epochs": 5,
    "trainings": 1,
    "counts": {"train": 600, "validation": 100, "test": 200, "pool": 50},
}
requests = st.fixed_dictionaries(
    {
        "epochs": st.integers(1, 40),
        "trainings": st.integers(1, 6),
        "lr": st.sampled_from([[1e-4], [1e-4, 1e-3]]),
        "counts": st.fixed_dictionaries({"train": st.integers(1, 20_000), "validation": st.integers(0, 3000)}),
    }
)
rates = st.fixed_dictionaries(
    {name: st.fixed_dictionaries({key: st.floats(0.5, 5000) for key in RATES["slow"]}) for name in RATES}
)
minutes = st.floats(0.1, 5000)


def seconds_of(plan):
    """What the jobs of a plan take, added up one by one."""
    request, rates = plan["request"], plan["rates"]
    counts, spent = request["counts"], 0.0

    def training(epochs, rate):
        return epochs * (counts["train"] / rate["trained_per_s"] + counts.get("validation", 0) / rate["embedded_per_s"])

    for trial in plan["trials"]:
        if trial["rung"] == 0:
            labelled = sum(number for part, number in counts.items() if part != "pool")
            spent += 2 * planning.START + labelled / rates[trial["backbone"]]["embedded_per_s"]
        else:
            spent += planning.START + max(training(trial["epochs"], rate) for rate in rates.values())
    for _ in range(request["trainings"]):
        spent += max(training(request["epochs"], rate) for rate in rates.values())
        spent += 2 * planning.START + max(sum(counts.values()) / rate["embedded_per_s"] for rate in rates.values())
    return spent


def least(request, rates):
    """The least minutes that a search can have, as the error says it; None: these are enough."""
    try:
        planning.plan(request, rates)
    except UserError as error:
        return float(error.allowed.split()[2])
    return None


@settings(deadline=None, max_examples=60)
@given(requests, rates, minutes)
def test_a_plan_takes_at_most_its_minutes_and_who_has_too_few_is_told_how_many_are_enough(more, rates, minutes):
    request = REQUEST | more | {"minutes": minutes}
    needed = least(request, rates)
    if needed is not None:
        assert needed > minutes
        request["minutes"] = needed
    plan = planning.plan(request, rates)
    assert seconds_of(plan) <= 60 * request["minutes"] * (1 + 1e-9)
    assert plan["minutes"] == pytest.approx(seconds_of(plan) / 60, abs=0.006)


@settings(deadline=None, max_examples=60)
@given(requests, rates, minutes, st.floats(1, 20))
def test_more_minutes_only_add_trials(more, rates, minutes, factor):
    request = REQUEST | more | {"minutes": max(minutes, least(REQUEST | more | {"minutes": minutes}, rates) or 0)}
    few, many = (
        planning.plan(request | {"minutes": one}, rates) for one in (request["minutes"], request["minutes"] * factor)
    )

    def settings_tried(plan):
        return [
            [one[key] for key in ("probe", "method", "lr", "augment")] for one in plan["trials"] if one["rung"] == 1
        ]

    assert settings_tried(many)[: len(settings_tried(few))] == settings_tried(few)
    assert many["minutes"] >= few["minutes"]


@settings(deadline=None)
@given(st.integers(1, 200), st.integers(1, 100))
def test_each_rung_has_half_the_trials_for_more_epochs_and_the_last_trains_them_all(count, epochs):
    rungs = planning.rungs_of(count, epochs)
    assert rungs[0][0] == count and rungs[-1][1] == epochs and len(rungs) <= 3
    for (many, short), (few, long) in zip(rungs, rungs[1:], strict=False):
        assert few == max(1, many // 2) and short < long <= 2 * short + 1


def test_the_usual_rungs():
    assert planning.rungs_of(9, 20) == [(9, 5), (4, 10), (2, 20)]
    assert planning.rungs_of(4, 5) == [(4, 1), (2, 2), (1, 5)]
    assert planning.rungs_of(1, 5) == [(1, 5)]


def test_the_first_settings_are_the_first_of_each_list_and_any_number_of_them_covers_all_values():
    arms = [tuple(one.values()) for one in planning.arms(REQUEST)]
    assert arms[0] == (1, "full", 1e-4, "none")
    methods = ["full", "lp_ft"]
    assert sorted(arms) == sorted(product([1, 2], methods, REQUEST["lr"], REQUEST["augment"]))
    for count in (8, 16, 30):
        for axis, values in enumerate([[1, 2], methods, REQUEST["lr"], REQUEST["augment"]]):
            seen = Counter(one[axis] for one in arms[:count])
            assert all(
                0.5 * count / len(values) - 1 <= seen[value] <= 1.7 * count / len(values) + 1 for value in values
            )


def test_what_tune_has_measured_goes_before_the_table():
    modes = [
        {
            "engine": "torch",
            "precision": precision,
            "layout": "channels_last",
            "embedded_per_s": 9 * rate,
            "trained_per_s": rate,
        }
        for precision, rate in (("fp32", 2.0), ("bf16", 3.0))
    ]
    default = {"engine": "torch", "precision": "bf16", "layout": "channels_last"}
    measured = planning.rate_of("net", {"library": "timm"}, {"modes": modes, "default": default})
    assert measured == {"embedded_per_s": 27.0, "trained_per_s": 3.0}


def test_the_table_knows_architectures_and_the_side_of_their_pictures():
    entry = {"library": "timm", "architecture": "tf_efficientnet_lite0", "input_size": 224}
    whole, half = (planning.rate_of("mine", entry | {"input_size": side}) for side in (224, 112))
    assert half["trained_per_s"] == 4 * whole["trained_per_s"] == 4 * planning.TRAINED_PER_S["tf_efficientnet_lite0"]
    assert planning.rate_of("mine", entry, gpus=1)["trained_per_s"] > 10 * whole["trained_per_s"]
    unknown = planning.rate_of("mine", {"library": "timm", "architecture": "new", "input_size": 224})
    assert unknown["trained_per_s"] == planning.TRAINED_PER_S["image"]
    assert planning.rate_of("minilm", {"library": "transformers"})["trained_per_s"] == planning.TRAINED_PER_S["minilm"]
    assert planning.rate_of("bert", {"library": "transformers"})["trained_per_s"] == planning.TRAINED_PER_S["text"]
