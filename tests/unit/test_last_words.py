"""The end of a run: what failed is said last, with its reason and the path of its log."""

import math

import pandas as pd
import pytest

from graft.common.failed_jobs import reasons
from graft.evaluation.caveats import Doubt
from graft.report.last_words import block, how_chosen, results

SNAKEMAKE = """
[Tue Nov 24 00:18:33 2026]
Error in rule prepare_data:
    message: None
    jobid: 1
    output: results/data/cells/samples.parquet
    log: {log} (check log file(s) for error details)
Error in rule embed:
    message: Embedding
    jobid: 2
    log: {other}, logs/embed/a.json (check log file(s) for error details)
Exiting because a job execution failed. Look above for error messages
"""


def test_every_failed_job_is_named_with_its_reason_alone_and_its_log(tmp_path):
    user, bug, snakemake = (tmp_path / name for name in ("user.log", "bug.log", "snakemake.log"))
    user.write_text(
        "00:18:30 cells: 800 rows\n00:18:33 graft cannot continue:\ntable.csv: no header\n    hint:    add one\nThe whole log: x\n"
    )
    bug.write_text(
        'Traceback (most recent call last):\n  File "x.py", line 1\nKeyError: 7\n\nThis is a fault in graft, not in your data or config. The whole log: y\n'
    )
    snakemake.write_text(SNAKEMAKE.format(log=user, other=bug))
    said = reasons([snakemake])
    assert "prepare_data failed: table.csv: no header\n    hint:    add one\n" in said and "800 rows" not in said
    assert "embed failed: KeyError: 7" in said and "Traceback" not in said
    assert f"log: {user}" in said and f"log: {bug}" in said


def test_a_job_that_was_killed_before_it_could_say_why(tmp_path):
    snakemake = tmp_path / "snakemake.log"
    snakemake.write_text(SNAKEMAKE.format(log=tmp_path / "none.log", other=tmp_path / "none2.log"))
    assert "may have been killed" in reasons([snakemake])


def test_a_run_without_failures_has_no_reasons(tmp_path):
    (tmp_path / "log").write_text("4 of 4 steps (100%) done\n")
    assert reasons([tmp_path / "log"]) == ""


def summary(stage="finetune", **figures):
    """Rows of summary.csv of models on one data set: name -> its columns of test figures."""
    shared = {"stage": stage, "dataset": "elpv", "target": "defect", "backbone": "b", "method": "lp_ft", "seed": 0}
    return pd.DataFrame([shared | {"model": name, **one} for name, one in figures.items()])


def choice(model, by, **rows):
    """What choosing.choose gives: name -> (value, loss, gap, low, high, tied)."""
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["value", "loss", "gap", "gap_low", "gap_high", "tied"]
    )
    facts = {"metric": "auroc", "loss": "log_loss", "split": "validation", "rows": 100, "groups": 100}
    return {"model": model, "by": by, **facts, "table": table}


def best(table, choice, counts=None, folder="."):
    (one,) = results(table, {("elpv", "defect"): choice}, {("elpv", "defect"): counts}, [], folder, [])["best"]
    return one


def test_the_model_taken_is_shown_with_its_test_figure_and_its_lead_on_validation(tmp_path):
    table = summary(
        sound={"test_auroc": 0.85, "test_auroc_low": 0.75, "test_auroc_high": 0.95, "test_accuracy": 0.8},
        lucky={"test_auroc": 0.9, "test_auroc_low": 0.8, "test_auroc_high": 1.0, "test_accuracy": 0.9},
    )
    lead = choice("sound", "lead", sound=(0.8, 0.3, 0, 0, 0, True), lucky=(0.7, 0.2, -0.1, -0.15, -0.05, False))
    one = best(table, lead, folder=tmp_path)
    assert (one["model"], one["figures"]) == ("sound", "AUROC 0.850 [0.750, 0.950], accuracy 0.800 on test")
    assert (
        one["chosen"]
        == "the best on validation: AUROC 0.800 against 0.700 of lucky (difference +0.100 [+0.050, +0.150])"
    )


def test_a_tie_is_called_one_with_the_numbers_and_what_decided():
    rows = {"x": (0.79, 0.2, -0.01, -0.03, 0.01, True), "y": (0.8, 0.3, 0, 0, 0, True)}
    said = how_chosen(choice("x", "loss", **rows))
    assert said == (
        "a tie on validation with y: AUROC 0.790 against 0.800 of y (difference -0.010 [-0.030, +0.010]); "
        "it has the lower log loss, 0.2 against 0.3"
    )
    equal = {name: (0.8, 0.3, 0, 0, 0, True) for name in "xyzvw"}
    said = how_chosen(choice("x", "cost", **equal))
    assert "with y, z, v and 1 more" in said and said.endswith(
        "with equal log loss, 0.3 against 0.3, it is the cheapest"
    )


def test_what_cannot_be_compared_is_said_and_one_model_needs_no_words():
    nothing = (math.nan,) * 5
    rows = choice("x", "rows", x=(*nothing, True), y=(*nothing, True))
    assert how_chosen(rows) == "not chosen: there is no validation row to compare 2 models by; this is the cheapest"
    assert how_chosen(choice("x", "alone", x=(0.8, 0.3, 0, 0, 0, True))) == ""
    one_group = choice(
        "x", "loss", x=(0.8, 0.2, 0, math.nan, math.nan, True), y=(0.7, 0.3, -0.1, math.nan, math.nan, True)
    )
    assert "too few for an interval" in how_chosen(one_group)


def test_a_headline_that_hides_a_hole_names_it():
    table = summary(only={"test_accuracy": 1.0, "test_accuracy_low": 0.8, "test_accuracy_high": 1.0})
    alone = choice("only", "alone", only=(1.0, 0.1, 0, 0, 0, True))
    assert best(table, alone, {"common": 20, "rare": 0})["figures"] == (
        "accuracy 1.000 [0.800, 1.000] on test; no row of 'rare', so these metrics say nothing of it"
    )


def test_seeds_are_averaged_and_a_missing_interval_is_no_hindrance():
    table = pd.concat([summary(x={"test_r2": value}).assign(seed=i) for i, value in enumerate((0.5, 0.7))])
    alone = choice("x", "alone", x=(0.6, 0.1, 0, 0, 0, True))
    assert best(table, alone)["figures"] == "R² 0.600, 2 seeds from 0.500 to 0.700 on test"
    assert best(table.head(1), alone)["figures"] == "R² 0.500 on test"
    assert best(summary(x={"seed": 0}), alone)["figures"] == "no test metric"


def test_of_several_targets_each_has_its_own_figures_and_no_more_seeds_than_there_are():
    table = pd.concat(
        [summary(x={"test_auroc": value}).assign(target=target) for target, value in (("defect", 0.9), ("type", 0.5))]
    )
    alone = choice("x", "alone", x=(0.9, 0.1, 0, 0, 0, True))
    said = results(table, {("elpv", name): alone for name in ("defect", "type")}, {}, [], ".", [])["best"]
    assert [one["figures"] for one in said] == ["AUROC 0.900 on test", "AUROC 0.500 on test"]


def test_the_last_words_hold_doubts_and_few_shot_figures(tmp_path):
    table = pd.concat([summary("few_shot", few={"test_accuracy": 0.5 + n / 10}).assign(shots=n) for n in (1, 2)])
    choices = {("elpv", "few-shot, 5 ways"): choice("few", "alone", few=(0.6, 0.1, 0, 0, 0, True))}
    said = block(results(table, choices, {}, [Doubt("elpv", "texts are cut")], tmp_path, []), "results")
    assert "elpv, few-shot, 5 ways  few: accuracy 0.600 / 0.700 on test at 1 / 2 shots" in said
    assert "Worth knowing:\n  elpv: texts are cut\n" in said


@pytest.mark.parametrize(("library", "advised"), [("timm", True), ("vectors", False)])
def test_training_the_whole_network_is_advised_where_there_is_one(library, advised, tmp_path):
    table = summary(x={"method": "linear", "backbone": "snv"})
    done = results(table, {}, {}, [], tmp_path, [{"library": library, "jobs": {}}])
    assert ("method: [linear, lp_ft]" in dict(done["next"])) == advised


@pytest.mark.parametrize("pool", [True, False])
def test_the_page_to_label_on_is_named_where_there_is_a_pool(pool, tmp_path):
    done = results(summary(x={"method": "linear", "backbone": "snv"}), {}, {}, [], tmp_path, [], pool=pool)
    assert ("make label CONFIG=..." in dict(done["next"])) == pool
