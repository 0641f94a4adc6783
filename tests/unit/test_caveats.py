"""What is said of metrics that mislead: validation unlike test, validation near to train, texts that are cut."""

import numpy as np
import pytest

from graft.evaluation.caveats import copied_from_train, cut, gap, nearer, worse_on_test, worse_than_before
from graft.evaluation.metrics import wilson
from graft.serving.model_card import body


def share(hits, count):
    low, high = wilson([hits], [count])
    return {"value": hits / count, "low": float(low[0]), "high": float(high[0])}


def test_the_interval_of_a_gap_of_shares_is_newcombes():
    """Newcombe 1998, table II, method 10: 56/70 against 48/80, and 10/10 against 0/10."""
    assert gap(share(56, 70), share(48, 80)) == pytest.approx({"value": 0.2, "low": 0.0524, "high": 0.3339}, abs=5e-5)
    assert gap(share(10, 10), share(0, 10))["low"] == pytest.approx(0.6075, abs=5e-5)
    assert gap(share(1, 2), {"value": 0.5, "low": None, "high": None})["low"] is None


def test_an_instrument_that_shifts_is_said_with_its_size():
    said = worse_on_test({"validation": {"accuracy": share(60, 60)}, "test": {"accuracy": share(57, 100)}})
    assert said.startswith("accuracy is 1.000 on validation and 0.570 on test (0.430 lower [0.3")


@pytest.mark.parametrize("validation", [(12, 12), (57, 60)])
def test_noise_is_not_said(validation):
    metrics = {"validation": {"accuracy": share(*validation)}, "test": {"accuracy": share(90, 100)}}
    assert worse_on_test(metrics) == ""


def test_equal_splits_are_hardly_ever_said_to_differ():
    random = np.random.default_rng(0)
    said = [
        worse_on_test(
            {split: {"accuracy": share(random.binomial(n, 0.9), n)} for split, n in (("validation", 60), ("test", 120))}
        )
        for _ in range(1000)
    ]
    assert np.mean([bool(one) for one in said]) < 0.025


def test_the_error_of_a_regression_is_held_against_as_a_ratio():
    errors = {
        "validation": {"rmse": {"value": 0.5, "low": 0.4, "high": 0.6}},
        "test": {"rmse": {"value": 1.5, "low": 1.2, "high": 1.8}},
    }
    assert "RMSE is 0.5 on validation and 1.5 on test (3.00 times as large [2.2" in worse_on_test(errors)
    errors["test"]["rmse"] = {"value": 0.6, "low": 0.45, "high": 0.75}
    assert worse_on_test(errors) == "" and worse_on_test({"validation": {}}) == ""


NEAR = {"value": 0.8, "low": 0.7, "high": 0.9}


def nearness(measure="cosine", **farther):
    return {"measure": measure, "median": {"validation": 0.825, "test": 0.58, "pool": 0.5}, "farther": farther}


def test_validation_near_to_train_is_said_with_the_medians_and_what_to_do():
    ((_, said),) = nearer(nearness(test=NEAR), {})
    assert "median cosine to the nearest train row: validation 0.825, test 0.580" in said
    assert "near_duplicates: together" in said and "group" in said
    said = dict(nearer(nearness(test=NEAR, pool=NEAR), {}))
    assert len(said) == 2 and "label some pool rows" in said["pool"] and "label some" not in said["test"]


def test_what_is_said_to_do_is_not_what_is_done_already_nor_what_vectors_cannot():
    ((_, said),) = nearer(nearness(test=NEAR), {"near_duplicates": "together"})
    assert "near_duplicates" not in said and "group" in said
    ((_, said),) = nearer(nearness(test=NEAR), {"near_duplicates": "allow", "growth_stable": True})
    assert "near_duplicates" not in said
    ((_, said),) = nearer(nearness(test=NEAR), {"near_duplicates": "allow", "growth_stable": False})
    assert "near_duplicates: together" in said
    ((_, said),) = nearer(nearness("distance", test=NEAR), {})
    assert "near_duplicates" not in said and "median distance" in said


@pytest.mark.parametrize("farther", [(0.55, 0.5), (0.9, 0.3), (0.9, None), (0.2, 0.1)])
def test_alike_splits_and_few_groups_are_not_said(farther):
    value, low = farther
    assert list(nearer(nearness(test={"value": value, "low": low, "high": 1.0}), {})) == []


def lengths(**more):
    facts = {
        "backbone": "minilm",
        "max_length": 128,
        "limit": 512,
        "texts": 1000,
        "cut": 700,
        "longest": 900,
        "seen": 0.4,
    }
    return facts | {"proposed": 512, "still_cut": 30, **more}


def test_cut_texts_are_counted_and_the_entry_that_reads_more_is_written_out():
    said = cut(lengths())
    assert said.startswith("700 of 1,000 texts are longer than the 128 tokens that minilm is set to read")
    assert "`backbones: {minilm-512: {like: minilm, max_length: 512}}`" in said and "all but 30 of the texts" in said
    assert "cannot read more" in cut(lengths(max_length=512, proposed=None))
    assert cut(lengths(cut=0)) == "" and cut(lengths(cut=5), brief=True) == "" and cut(lengths(cut=5))


def test_the_card_of_a_model_that_is_worse_on_test_begins_its_warning_where_its_figures_stand():
    metrics = {"validation": {"accuracy": share(60, 60)}, "test": {"accuracy": share(57, 100)}}
    backbone = {
        "modality": "vector",
        "name": "vectors",
        "library": "vectors",
        "architecture": None,
        "preprocessing": {},
        "width": 3,
    }
    facts = {"kind": "classification", "classes": ["a", "b"], "temperature": 1.0}
    config = {"name": "m.vectors.linear", "seed": 0, "method": "linear", "dataset": "d", "parameters": 9}
    config |= {"backbone": backbone, "targets": {"label": facts}, "digests": {"model": "0"}}
    said = body(config, {"label": metrics}, {"counts": {"train": 9}}, {})
    assert "**Beware**: accuracy is 1.000 on validation and 0.570 on test" in said.split("## Quality")[1]
    assert "Beware" not in body(config, {"label": {split: metrics["test"] for split in metrics}}, {}, {})


@pytest.mark.parametrize(
    ("value", "low", "high", "said"), [(-0.4, -0.5, -0.3, True), (-0.1, -0.3, 0.1, False), (-0.1, None, None, False)]
)
def test_a_model_that_surely_lost_by_adapting_is_pointed_out_with_the_one_to_take(value, low, high, said):
    found = worse_than_before(
        "e.net.mcc", {"metric": "accuracy", "value": value, "low": low, "high": high, "over": "e.net.source_only"}
    )
    assert ("accuracy -0.400 [-0.500, -0.300]); take e.net.source_only" in found) == said and bool(found) == said


def test_copies_of_train_rows_in_test_are_told_with_the_metric_without_them():
    said = copied_from_train(
        12, 100, {("kind", "auroc"): (0.95, 0.9), ("size", "r2"): (None, None)}, "results/data/d", "image"
    )
    assert said.startswith(
        "12 of 100 test rows are nearly the same as a train row (kind: AUROC 0.950, 0.900 without them)"
    )
    assert "results/data/d/groups.csv" in said and "size" not in said
    assert "train row, or one quotes the other." in copied_from_train(12, 100, {}, "x", "text")


@pytest.mark.parametrize(("copied", "rows"), [(0, 100), (1, 50), (9, 1000), (0, 0)])
def test_few_copies_are_not_told(copied, rows):
    assert copied_from_train(copied, rows, {}, "x", "image") == ""
