"""The page that tells which model to take: what it says follows from the tables, and it says so where there is nothing to say."""

import re
from itertools import combinations, permutations
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from graft.common.outputs import write_csv
from graft.curves.table import Curve, forecast_rows, measured_row, none_row, table_of
from graft.evaluation.caveats import UNLIKE, Doubt, not_beaten
from graft.evaluation.tables import CONTROL
from graft.report import index_page
from graft.report.decision.curve import curve_svg
from graft.report.decision.forest import forest
from graft.report.decision.foretold import foretold
from graft.report.decision.targets import Decision, files_of, section

HEADINGS = (
    "The recommended model",
    "Ties",
    "How many more labels?",
    "What is doubtful about the data",
    "What to do next",
)


def row(model, value, stage="finetune", choice=None, gap=None, **more):
    ends = {"": value, "_low": value - 0.02, "_high": value + 0.03}
    found = {"stage": stage, "dataset": "cells", "target": "label", "model": model, "seed": 0, "choice": choice}
    found |= {f"{split}_auroc{end}": one for split in ("test", "validation") for end, one in ends.items()}
    gaps = {"": gap, "_low": None if gap is None else gap - 0.01, "_high": None if gap is None else gap + 0.01}
    return found | {f"validation_gap{end}": one for end, one in gaps.items()} | more


def decision(rows, tied=(), folder=None, **more):
    table = pd.DataFrame(rows)
    names = [one["model"] for one in rows if one["stage"] != "control"]
    compared = pd.DataFrame({"value": 0.9, "gap": -0.01, "gap_low": -0.02, "gap_high": 0.01}, index=names)
    compared["tied"] = [name == names[0] or name in tied for name in names]
    choice = {"model": names[0], "metric": "auroc", "by": "lead", "table": compared}
    facts = {"choice": choice, "rows": table, "sets": {}, "counts": {}, "doubts": [], "costs": {"a": "2 min"}} | more
    near = not_beaten(choice, table[table["stage"] == CONTROL].to_dict("records"))
    facts["doubts"] = more.get(
        "doubts", [Doubt(f"cells, label, {names[0]}", near, CONTROL)] if near else []
    )  # as summarize does
    said = {"figures": "AUROC 0.900 on test", "chosen": "the best on validation: ..", "what": "cells, label"}
    return Decision("cells", "label", said=said, folder=folder, **facts)


def page_of(one, rows, figures=()):
    table = pd.DataFrame([{"backbone": "b", "method": "m"} | one for one in rows])
    facts = {"best": [one.said | {"model": one.choice["model"]}], "doubts": one.doubts, "cost": "cheap", "next": []}
    return index_page.page(table, facts, dict(figures), False, [one])


def test_the_page_has_every_heading_once_per_target_and_names_the_model_first():
    rows = [row("a", 0.9, choice="best"), row("b", 0.89, choice="tie"), row("forest", 0.7, "control", "control", -0.2)]
    text = page_of(decision(rows, tied=["b"]), rows)
    assert [text.count(f"<h3>{name}</h3>") for name in HEADINGS] == [1] * len(HEADINGS)
    assert text.index('<p class="taken"><a href="finetune/a/">a</a>') < text.index("<h3>Ties</h3>")
    assert "b: AUROC -0.010 [-0.020, +0.010]" in text and "forest: a control" not in text


def test_a_control_that_is_surely_better_is_recommended_and_all_that_is_said_is_said_of_it(tmp_path):
    rows = [row("a", 0.8, choice="best"), row("b", 0.79, choice="tie")]
    rows += [row("forest", 0.9, "control", "control", 0.1), row("boosting", 0.89, "control", "control", 0.09)]
    for one, off in zip(rows, (0.2, 0.2, 0.01, 0.2), strict=True):
        one |= {"test_ece": off, "test_ece_high": off, "test_coverage_90": 0.9 + off / 10, "test_set_size_90": 1 + off}
    pairs = [
        ("forest", "boosting", 0.01, -0.01, 0.03),
        ("forest", "a", 0.1, 0.09, 0.11),
        ("boosting", "a", 0.09, 0.0, 0.2),
    ]
    pairs += [("c", "forest", 0.0, -0.02, 0.03)]  # as good: either may be first
    pairs = pd.DataFrame(pairs, columns=["model", "other", "difference", "low", "high"])
    pd.concat([pairs.assign(split="validation"), pairs.assign(split="test", low=-1.0)]).to_csv(tmp_path / "pairs.csv")
    told = {"levels": {"90": {"note": "class 'x' has 2 calibrating rows"}}}
    one = decision(rows, tied=["b"], folder=tmp_path, files={"pairs": "pairs.csv"}, sets=told)
    found = section(one)
    assert found["model"] == "forest" and found["link"] == "controls/cells/label.csv"
    assert found["why"][0] == "AUROC 0.900 [0.880, 0.930] on test."
    assert "better than the best trained model, a: AUROC +0.100 [+0.090, +0.110] on validation" in found["why"][1]
    assert not any("make predict" in command for command, _ in found["next"])
    assert "0.010 (at most" in found["sure"][0] and "in 90.1% of test rows, with 1.01 classes" in found["sure"][1]
    assert found["ties"] == ["c: AUROC +0.000 [-0.020, +0.030]", "boosting: a control, AUROC -0.010 [-0.030, +0.010]"]
    marks = [(each["model"], each["mark"], each["control"]) for each in found["forest"]["rows"]]
    assert marks == [
        ("forest", "taken", True),
        ("boosting", "control", True),
        ("a", "behind", False),
        ("b", "behind", False),
    ]
    assert "Figures of the best trained model, a" in page_of(one, rows, {("a", 0): ["confusion.svg"]})


def test_a_control_that_may_be_as_good_is_a_tie_and_the_page_says_why_the_model_stays():
    rows = [row("a", 0.9, choice="best"), row("forest", 0.9, "control", "control", 0.0)]
    near = "not surely better than the control forest, which needs no pretrained network (AUROC +0.000 [-0.010, +0.010] on validation)"
    found = section(
        decision(rows, doubts=[Doubt("cells, label, a", near, CONTROL), Doubt("cells, label, a", "another")])
    )
    assert found["model"] == "a" and found["ties"] == ["forest: a control, AUROC +0.000 [-0.010, +0.010]"]
    assert found["why"][-1] == f"N{near[1:]}. The difference may be 0, so the page recommends the model."
    assert [said for said, *_ in found["doubts"]] == ["Another."]


def test_one_model_alone_has_no_ties_and_no_comparison():
    rows = [row("a", 0.9, choice="best")]
    found = section(decision(rows))
    assert found["ties"] == [] and len(found["forest"]["rows"]) == 1
    assert "None: no other model" in page_of(decision(rows), rows)


def test_the_forest_is_to_scale_and_the_recommended_model_is_first():
    rows = [row("b", 0.95, choice="tie"), row("a", 0.6, choice="best"), row("c", 0.5, "control", "control", -0.4)]
    found = forest(pd.DataFrame(rows), {"a": "2 min"}, "a")
    assert [one["model"] for one in found["rows"]] == ["a", "b", "c"]
    a, b, c = (one["place"] for one in found["rows"])
    assert (b - a) / (a - c) == pytest.approx(3.5, rel=0.01)
    assert [one["cost"] for one in found["rows"]] == ["2 min", "", ""]
    assert all(0 <= one["low"] <= one["place"] <= one["high"] <= 100 for one in found["rows"])
    assert 3 <= len(found["ticks"]) <= 11


def test_the_page_says_what_the_energy_is_where_it_is_known():
    rows = [row("a", 0.9, choice="best")]
    for cost, known in (("2 min, 0.4 Wh", True), ("2 min", False)):
        page = page_of(decision(rows, costs={"a": cost}), rows)
        assert cost in page and ("other jobs beside them included" in page) == known


def test_models_without_a_test_metric_have_no_forest():
    assert forest(pd.DataFrame([row("a", 0.9)]).drop(columns="test_auroc").assign(test_auroc=np.nan), {}, "a") is None


def test_coverage_is_said_or_why_there_are_no_sets():
    said = {"levels": {"90": {"note": "class 'x': 2 labelled rows are left to calibrate with, and 90 % sets need 9"}}}
    assert section(decision([row("a", 0.9, choice="best")], sets=said))["sure"] == [
        "There are no 90 % sets: class 'x': 2 labelled rows are left to calibrate with, and 90 % sets need 9."
    ]
    rows = [row("a", 0.9, choice="best", test_coverage_90=0.91, test_coverage_90_low=0.88, test_coverage_90_high=0.94)]
    rows[0]["test_set_size_90"] = 1.2
    kept = {"sets": {"levels": {"90": {"note": ""}}}}
    (found,) = section(decision(rows, **kept))["sure"]
    assert found == "The 90 % sets hold the truth in 91.0% [88.0%, 94.0%] of test rows, with 1.20 classes on average."
    doubts = [Doubt("cells", "validation rows are much nearer to the train rows than test rows are", UNLIKE)]
    (found,) = section(decision(rows, doubts=doubts, **kept))["sure"]
    assert "nothing is promised" in found
    of_pool = [Doubt("cells", "validation rows are much nearer to the train rows than pool rows are")]
    (found,) = section(decision(rows, doubts=of_pool, **kept))["sure"]
    assert "nothing is promised" not in found  # of test rows nothing is said


def test_doubts_of_other_targets_are_not_shown_and_tiny_classes_are():
    doubts = [
        Doubt("cells, other, m", "no"),
        Doubt("cells, label, a", "yes"),
        Doubt("cells", "of all"),
        Doubt("more", "no"),
    ]
    counts = {"rare": {"train": 5, "test": 1}, "common": {"train": 500, "test": 100}}
    found = section(decision([row("a", 0.9, choice="best")], doubts=doubts, counts=counts))["doubts"]
    assert [said for said, *_ in found] == [
        "Yes.",
        "Of all.",
        "Classes with few rows, so their metrics say little: rare (5 train, 1 test rows).",
    ]


def test_files_that_the_run_does_not_make_are_not_linked(tmp_path):
    made = {"compare/cells/label.csv", "handoff/cells/other/to_label.csv"}
    assert files_of("cells", "label", made) == {"pairs": "compare/cells/label.csv"}


def test_the_curve_shows_every_draw_and_the_band():
    measured = pd.DataFrame({"fraction": [0.5, 0.5, 1.0], "labels": [50, 50, 100], "draw": [0, 1, 0]})
    measured["value"] = [0.6, 0.7, 0.8]
    ahead = pd.DataFrame({"labels": [100, 200, 1000], "value": 0.85, "low": [0.8, 0.78, 0.75], "high": 0.9})
    svg = curve_svg(Curve("linear on x", "auroc", measured, ahead, ""))
    assert svg.count('class="draw"') == 3 and svg.count('class="band"') == 1
    assert len(re.findall(r"[\d.]+,[\d.]+", re.search('class="band" points="([^"]*)"', svg)[1])) == 6
    assert 'class="band"' not in curve_svg(Curve("linear on x", "auroc", measured, ahead.head(0), "flat"))


def test_the_curve_of_the_recommended_network_is_shown_and_heads_say_what_is_not_foretold_of_it(tmp_path):
    rows = []
    for model, value in (("linear on x", 0.7), ("m", 0.8)):
        for split in ("validation", "test"):
            for labels in (50, 100):
                found = {"value": value + labels / 1000, "low": None, "high": None}
                rows.append(measured_row(model, split, labels / 100, labels, 0, "auroc", found))
            ahead = np.array([100, 1000])
            foretold = SimpleNamespace(labels=ahead, value=[0.8, 0.9], low=[0.8, 0.86], high=[0.8, 0.93])
            heads = forecast_rows(model, split, "auroc", foretold, 100)
            rows += [none_row(model, split, "auroc", "few points")] if model == "m" else heads
    write_csv(tmp_path / "label.csv", table_of(rows))
    shown = {"folder": tmp_path, "files": {"curves": "label.csv"}}
    found = section(decision([row("m", 0.9, choice="best")], **shown))
    assert 'aria-label="AUROC of m against' in found["curve"] and 'class="band"' not in found["curve"]
    assert found["labels"][:3] == [
        "AUROC of m is 0.900 on validation rows with 100 labels.",
        "No forecast: few points.",
        "AUROC of linear on x is 0.800 on validation rows with 100 labels.",
    ]
    assert found["labels"][3].startswith("To reach AUROC 0.85 about 900 more labels")
    other = section(decision([row("other", 0.9, choice="best")], **shown))
    assert "AUROC of linear on x against" in other["curve"] and other["labels"][:-1] == found["labels"][2:]
    assert other["labels"][-1].startswith("The curve is of another model than the recommended one.")
    head = section(decision([row("e.x.linear", 0.9, choice="best", method="linear", backbone="x")], **shown))
    assert head["labels"] == other["labels"][:-1]


def test_names_are_escaped():
    rows = [row("</svg><script>", 0.9, choice="best")]
    assert "<script>" not in page_of(decision(rows), rows)


@pytest.mark.parametrize(
    ("error", "low", "high", "rows", "said"),
    [
        (0.02, 0.01, 0.04, 500, "can be used"),
        (0.02, 0.0, 0.3, 500, "too few to say"),
        (0.09, 0.02, 0.12, 500, "Do not trust its probabilities"),
        (0.3, 0.2, 0.4, 500, "Do not trust its probabilities"),
        (0.146, 0.0, 0.75, 500, "too few to say"),
        (0.0, 0.0, 0.0, 10, "too few to say"),  # ten right answers of probability 1
        (0.0, None, None, 500, "too few to say"),
    ],
)
def test_what_is_said_of_probabilities_follows_from_the_calibration_error_and_its_interval(
    error, low, high, rows, said
):
    ends = {"test_ece": error, "test_ece_low": low, "test_ece_high": high}
    counts = {"x": {"train": 900, "validation": 90, "test": rows}}
    (found,) = section(decision([row("a", 0.9, choice="best", **ends)], counts=counts))["sure"]
    assert said in found


@pytest.mark.parametrize("written", [True, False])
def test_a_control_is_a_tie_where_the_rows_are_too_few_for_an_interval(written):
    rows = [row("a", 0.9, choice="best"), row("texture", 0.9, "control", "control", 0.0)]
    rows[1] |= {"validation_gap_low": None, "validation_gap_high": None}
    if not written:  # summary.csv has no column that no row fills
        rows = [
            {name: one[name] for name in one if name not in ("validation_gap_low", "validation_gap_high")}
            for one in rows
        ]
    found = section(decision(rows))
    assert found["ties"] == ["texture: a control, AUROC +0.000, without an interval: the rows are too few"]
    assert any("Not surely better than the control texture" in said for said in found["why"])


def test_every_control_that_may_be_as_good_is_named():
    rows = [row("a", 0.9, choice="best"), row("texture", 0.9, "control", "control", 0.001)]
    rows += [row("majority", 0.9, "control", "control", -0.005), row("untrained", 0.5, "control", "control", -0.4)]
    assert any("control texture" in said and "; nor than majority." in said for said in section(decision(rows))["why"])


@pytest.mark.parametrize(
    ("validation", "said"),
    [((40, 0), "No validation row is of class 'b'"), ((3, 2), "Only 5 validation rows have chosen it"), ((40, 40), "")],
)
def test_the_page_says_where_validation_rows_can_hardly_choose(validation, said):
    counts = {name: {"train": 99, "validation": n, "test": 99} for name, n in zip("ab", validation, strict=True)}
    why = " ".join(section(decision([row("a", 0.9, choice="best")], counts=counts))["why"])
    assert said in why if said else "alidation row" not in why


def test_what_is_code_in_a_sentence_is_shown_as_code_and_nothing_else_is_taken_as_html():
    rows = [row("a", 0.9, choice="best")]
    doubts = [Doubt("cells", "name it as `groups` <b>")]
    assert "as <code>groups</code> &lt;b&gt;" in page_of(decision(rows, doubts=doubts), rows)


def ranking_of(scores, method="logme", target="label"):
    table = pd.DataFrame({"backbone": list(scores), "score": list(scores.values())})
    return table.assign(target=target, method=method, rank=table["score"].rank(ascending=False).astype(int))


def trained_on(values, method="linear"):
    return [row(f"{name}.{method}", value, backbone=name, method=method) for name, value in values.items()]


def test_what_the_ranking_foretold_is_kendalls_tau_and_how_often_chance_does_as_well():
    values = {"a": 0.9, "b": 0.8, "c": 0.7, "d": 0.6, "e": 0.5}
    scores = {"a": 5, "c": 4, "b": 3, "d": 2, "e": 1, "never trained": 9}
    (found,) = foretold(ranking_of(scores), pd.DataFrame(trained_on(values)))
    assert found["backbones"] == [
        (name, f"{values[name]:.3f}", i + 1, [[1, 3, 2, 4, 5][i]]) for i, name in enumerate("abcde")
    ]
    pairs = list(combinations(range(5), 2))
    agree = [sum(np.sign(order[j] - order[i]) for i, j in pairs) for order in permutations(range(5))]
    tau, chance = (len(pairs) - 2) / len(pairs), np.mean([one >= len(pairs) - 2 for one in agree])
    assert f"LogME {tau:+.2f} (p = {chance:.2g})" in found["says"]


def test_of_few_backbones_the_places_are_shown_and_nothing_is_claimed():
    rows = (
        trained_on({"a": 0.9, "b": 0.8}) + trained_on({"b": 0.95, "a": 0.9}, "full") + trained_on({"a": 0.7}, "l2_sp")
    )
    found = foretold(ranking_of({"a": 1, "b": 2}), pd.DataFrame(rows))
    assert [one["method"] for one in found] == ["full", "linear"]
    assert [one["backbones"] for one in found] == [
        [("b", "0.950", 1, [1]), ("a", "0.900", 2, [2])],
        [("a", "0.900", 1, [2]), ("b", "0.800", 2, [1])],
    ]
    assert all("nothing is claimed" in one["says"] and "tau" not in one["says"] for one in found)


def test_the_page_shows_the_ranking_beside_the_truth_of_its_own_target(tmp_path):
    (tmp_path / "rank/cells").mkdir(parents=True)
    both = [ranking_of({"a": 1, "b": 2}), ranking_of({"a": 2, "b": 1}, target="other")]
    pd.concat(both).to_csv(tmp_path / "rank/cells/transferability.csv", index=False)
    rows = trained_on({"a": 0.9, "b": 0.8})
    files = files_of("cells", "label", {"rank/cells/transferability.csv"})
    (found,) = section(decision(rows, folder=tmp_path, files=files))["foretold"]
    assert [places for *_, places in found["backbones"]] == [[2], [1]]
    assert "Did the ranking" in page_of(decision(rows, folder=tmp_path, files=files), rows)
    assert "Did the ranking" not in page_of(decision(rows), rows)


@pytest.mark.parametrize(
    ("method", "backbone", "said"), [("linear", "net", True), ("full", "net", False), ("linear", "vectors", False)]
)
def test_where_a_control_beats_a_frozen_network_the_page_says_to_train_it(method, backbone, said):
    rows = [row("a", 0.8, choice="best", method=method, backbone=backbone)]
    rows += [row("forest", 0.9, "control", "control", 0.1, method="forest", backbone=None)]
    assert any("method:" in command for command, _ in section(decision(rows))["next"]) == said
