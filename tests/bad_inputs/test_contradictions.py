"""Entries of the config that do not go together: each mistake ends in one message, and all are shown at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bad_config import only, problems


@pytest.mark.parametrize(
    ("path", "value", "meant"),
    [
        ("finetune/topics/dataset", "nwes", "news"),
        ("finetune/topics/backbone", "wrods", "words"),
        ("finetune/marks/target", "marc", "mark"),
        ("finetune/topics/method", "linaer", "linear"),
        ("few_shot/few/dataset", "nwes", "news"),
        ("few_shot/few/target", "topics", "topic"),
        ("few_shot/few/backbone", ["wrods"], "words"),
        ("few_shot/few/method", "prototype", "prototypes"),
        ("few_shot/deep/model", "solar.net.ful", "solar.net.full"),
        ("distill/tiny/teacher", "solr.net.full", "solar.net.full"),
        ("distill/tiny/backbone", "smal", "small"),
        ("distill/tiny/method", "k-d", "kd"),
        ("backbones/net/library", "timn", "timm"),
        ("datasets/cells/on_bad", "skipp", "skip"),
        ("datasets/cells/range", "measurd", "measured"),
    ],
)
def test_unknown_names_come_with_the_name_that_was_probably_meant(path, value, meant):
    assert f"'{meant}'" in only({path: value}, path.replace("/", ".")).hint


def test_an_unknown_name_in_a_list_is_told_with_its_place_and_once():
    error = only({"finetune/topics/method": ["linear", "linaer"]}, "finetune.topics.method[1]")
    assert error.hint == "did you mean 'linear'?" and "list" not in error.allowed
    assert "the list" in only({"datasets/cells/reader": ["foldr"]}, "datasets.cells.reader").what


def test_unknown_models_to_hand_off_come_with_a_suggestion():
    error = only({"hand_off/models": ["solar.net.ful"]}, "hand_off.models[0]")
    assert "'solar.net.full'" in error.hint


def test_more_shots_than_the_limited_rows_can_give_are_refused():
    assert problems({"few_shot/few/shots": [5]}) == {}
    assert "60 rows" in only({"few_shot/few/shots": [1, 6]}, "few_shot.few.shots").what


def test_more_ways_than_known_classes_are_refused():
    assert "has 3" in only({"few_shot/few/ways": 4, "few_shot/few/queries": 2}, "few_shot.few.ways").what
    target = {"threshold": 0.5}
    found = problems({"datasets/news/targets/topic": target})
    assert list(found) == ["few_shot.few.ways"]


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_validation_and_test_must_leave_something_to_train_on(validation, test):
    found = problems({"datasets/cells/split": {"validation": validation, "test": test}})
    assert list(found) == (["datasets.cells.split"] if validation + test >= 1 else [])


def test_two_models_tasks_or_data_sets_of_one_name_are_refused():
    entry = {"dataset": ["cells"], "backbone": "net", "method": "linear"}
    found = problems({"finetune/twin": entry, "finetune/twin-cells": {**entry, "dataset": "cells"}})
    assert list(found) == ["finetune.twin-cells"]
    found = problems({"distill/solar": {"teacher": "solar.net.full", "backbone": "small"}})
    assert found == {}, "another method, another name"
    upper = {"dataset": "cells", "backbone": "net", "method": "linear"}
    assert "capitals" in only({"finetune/Solar": upper}, "finetune.Solar").what
    assert only({"datasets/News": {"source": {"path": "x"}}}, "datasets.News")
    task = {"dataset": "news", "backbone": "words", "ways": 2, "shots": [1]}
    assert only({"few_shot/Few": task}, "few_shot.Few")


def test_new_data_need_a_model_and_a_seed_that_are_trained_and_a_name_of_their_own():
    error = only({"predict/plate/model": "solar.net.ful"}, "predict.plate.model")
    assert "no trained model" in error.what and error.hint == "did you mean 'solar.net.full'?"
    assert "0, 1" in only({"predict/plate/seed": 7}, "predict.plate.seed").allowed
    twin = {"model": "solar.net.full", "data": "other"}
    assert "except for capitals" in only({"predict/Plate": twin}, "predict.Plate").what
    assert set(problems({"predict/plate": {"model": "solar.net.full"}})) == {"predict.plate"}


def test_folds_are_for_networks_that_are_trained_and_no_more_than_the_data_set_has():
    assert problems({"finetune/solar/folds": 3}) == {}  # linear is beside full, and has its own way
    assert "linear" in only({"finetune/topics/folds": 3}, "finetune.topics.folds").what
    assert only({"finetune/solar/folds": 6}, "finetune.solar.folds").allowed == "2 to 5"
    assert only({"finetune/solar/folds": 3, "datasets/cells/folds": 2}, "finetune.solar.folds").allowed == "2"
    assert only({"finetune/solar/folds": 1}, "finetune.solar.folds").allowed
    assert only({"distill/tiny/folds": 3}, "distill.tiny.folds")
    assert problems({"finetune/solar/folds": 6, "datasets/cells/columns": {"fold": "part"}}) == {}  # not known yet


def test_curves_are_of_networks_that_are_trained_on_enough_rows_at_fractions_that_heads_are_measured_at():
    assert problems({"finetune/solar/curve": [0.25, 0.5]}) == {}  # linear is beside full, and has its own curve
    assert "is measured anyway" in only({"finetune/topics/curve": [0.5]}, "finetune.topics.curve").what
    assert only({"finetune/solar/curve": [0.3]}, "finetune.solar.curve[0]").allowed == "0.05, 0.1, 0.25, 0.5, 0.75"
    assert only({"finetune/solar/curve": [0]}, "finetune.solar.curve[0]")
    assert only({"finetune/solar/curve": 0.5}, "finetune.solar.curve")
    assert only({"finetune/solar/curve_draws": 9}, "finetune.solar.curve_draws")
    assert only({"distill/tiny/curve": [0.5]}, "distill.tiny.curve")
    found = only({"finetune/solar/curve": [0.05, 0.5], "datasets/cells/limit": 100}, "finetune.solar.curve")
    assert found.what == "0.05 of the 100 rows of `limit` are fewer than 8 labels"
    assert found.allowed == "0.1, 0.25, 0.5, 0.75" and "'cells'" in found.hint


def test_teachers_must_be_trained_models_other_than_the_student():
    assert "no trained model" in only({"distill/tiny/teacher": "moon.net.full"}, "distill.tiny.teacher").what
    assert "own teacher" in only({"distill/tiny/teacher": "tiny.small.kd"}, "distill.tiny.teacher").what
    assert "same backbone" in only({"distill/tiny/backbone": "net"}, "distill.tiny.backbone").what
    circle = {
        "one": {"teacher": "two.net.kd", "backbone": "small"},
        "two": {"teacher": "one.small.kd", "backbone": "net"},
    }
    assert set(problems({"distill": circle})) == {"distill.one.teacher", "distill.two.teacher"}


def test_teacher_and_student_learn_the_same_with_a_seed_that_is_trained():
    assert "distill.tiny.dataset" in problems({"distill/tiny/dataset": "news"})
    assert problems({"distill/tiny/dataset": "cells", "distill/tiny/target": "label"}) == {}
    found = problems({"distill/tiny/target": "topic"})
    assert "its teacher learned 'label'" in found["distill.tiny.target"].what
    assert "0, 1" in only({"distill/tiny/teacher_seed": 2}, "distill.tiny.teacher_seed").allowed
    assert only({"few_shot/deep/model_seed": 2}, "few_shot.deep.model_seed")


BOTH = {"dataset": "news", "targets": ["topic", "mark"], "backbone": "words"}


def test_several_targets_are_at_least_two_different_ones_that_the_data_set_has_and_no_target_is_beside_them():
    assert problems({"finetune/both": BOTH}) == {}
    assert "`target` is given, too" in only({"finetune/both": {**BOTH, "target": "mark"}}, "finetune.both.targets").what
    error = only({"finetune/both": {**BOTH, "targets": ["topic", "marc"]}}, "finetune.both.targets")
    assert "no target 'marc' in data set 'news'" in error.what and error.hint == "did you mean 'mark'?"
    for few in (["topic"], [], ["topic", "topic"], "topic"):
        error = only({"finetune/both": {**BOTH, "targets": few}}, "finetune.both.targets")
        assert "at least two different targets" in error.allowed
    error = only({"finetune/both": {**BOTH, "task_weights": "pcgard"}}, "finetune.both.task_weights")
    assert error.hint == "did you mean 'pcgrad'?"


def test_settings_for_classes_may_be_there_where_one_of_the_targets_has_classes():
    """Also where a model of the number alone, which they say nothing about, is made to compare with."""
    for alone in (True, False):
        model = {**BOTH, "class_weights": "balanced", "label_smoothing": 0.1, "alone": alone}
        assert problems({"finetune/both": model}) == {}
    numbers = {
        "datasets/news/targets": {
            "topic": {"classes": ["a", "b", "c"]},
            "mark": {"kind": "regression"},
            "age": {"kind": "regression"},
        }
    }
    model = {**BOTH, "targets": ["mark", "age"], "class_weights": "balanced"}
    assert "no classes to weigh" in only({**numbers, "finetune/both": model}, "finetune.both.class_weights").what


def test_the_models_alone_have_no_name_of_another_entry():
    twin = {"dataset": "news", "target": "mark", "backbone": "words"}
    assert "as well" in only({"finetune/both": BOTH, "finetune/both-mark": twin}, "finetune.both-mark").what
    assert problems({"finetune/both": {**BOTH, "alone": False}, "finetune/both-mark": twin}) == {}


def test_a_student_of_several_targets_names_one_that_has_classes():
    change = {"finetune/both": {**BOTH, "method": "full"}, "backbones/short": {"like": "words"}}
    pupil = {"teacher": "both.words.full", "backbone": "short"}
    error = only({**change, "distill/pupil": pupil}, "distill.pupil.teacher")
    assert "'mark' is a number" in error.what and "`target: topic`" in error.hint
    assert problems({**change, "distill/pupil": {**pupil, "target": "topic"}}) == {}
    assert (
        "learned 'topic', 'mark'"
        in only({**change, "distill/pupil": {**pupil, "target": "topik"}}, "distill.pupil.target").what
    )


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"datasets/cells/source": {}}, "datasets.cells.source"),
        ({"datasets/cells/source": {"path": "a", "url": "https://b.c/d"}}, "datasets.cells.source"),
        ({"datasets/cells/source": {"package": "a"}}, "datasets.cells.source.package"),
        ({"datasets/cells/source": {"path": "a", "strip": "b"}}, "datasets.cells.source.strip"),
        ({"datasets/cells/source": {"url": "ftp://a"}}, "datasets.cells.source.url"),
        ({"datasets/cells/source": {"path": "a", "sha256": {"f": "xyz"}}}, "datasets.cells.source.sha256.f"),
        ({"datasets/cells/range": [2, 1]}, "datasets.cells.range"),
        ({"datasets/cells/encoding": "utf-9"}, "datasets.cells.encoding"),
        ({"datasets/cells/table": "a.csv"}, "datasets.cells.table"),
        ({"datasets/news/columns/features": "x*"}, "datasets.news.columns"),
        ({"datasets/news/targets/topic/classes": ["a", "a", "b"]}, "datasets.news.targets.topic.classes"),
        ({"datasets/news/targets/mark/threshold": 1}, "datasets.news.targets.mark.threshold"),
        ({"datasets/news/targets/mark/classes": ["a", "b"]}, "datasets.news.targets.mark.classes"),
        ({"datasets/news/targets/topic/threshold": 1}, "datasets.news.targets.topic.classes"),
        ({"backbones/net/architecture": None}, "backbones.net"),
        ({"backbones/net/max_length": 9}, "backbones.net.max_length"),
        ({"backbones/words/input_size": 64}, "backbones.words.input_size"),
        ({"backbones/net/source": {"torchvision": "X"}}, "backbones.net.source.torchvision"),
        ({"backbones/extra": {"library": "transformers"}}, "backbones.extra"),
        ({"backbones/vectors": {"library": "transformers", "source": {"path": "x"}}}, "backbones.vectors"),
        ({"finetune/topics/backbone": "net"}, "finetune.topics.backbone"),
        ({"finetune/topics/backbone": "vectors"}, "finetune.topics.backbone"),
        ({"finetune/solar/backbone": ["net", "net"]}, "finetune.solar.backbone"),
        ({"finetune/topics/augment": "flip"}, "finetune.topics.augment"),
        ({"finetune/marks/class_weights": "balanced"}, "finetune.marks.class_weights"),
        ({"finetune/marks/label_smoothing": 0.1}, "finetune.marks.label_smoothing"),
        ({"few_shot/few/target": "mark"}, "few_shot.few"),
        ({"few_shot/few/model": "solar.net.full"}, "few_shot.few"),
        ({"few_shot/few/model_seed": 0}, "few_shot.few.model_seed"),
        ({"few_shot/deep/dataset": "news"}, "few_shot.deep.model"),
        ({"few_shot/few/backbone": "small"}, "few_shot.few.backbone"),
        ({"distill/tiny/teacher": "marks.words.linear"}, "distill.tiny.teacher"),
        ({"distill/tiny/views": 4}, "distill.tiny.views"),
    ],
)  # fmt: skip
def test_settings_that_contradict_each_other_are_refused(change, where):
    assert where in problems(change), problems(change)


def test_all_mistakes_are_shown_at_once_with_those_that_the_schema_cannot_see():
    found = problems(
        {
            "finetune/solar/epochs": 0,
            "finetune/solar/epoch": 3,
            "finetune/topics/dataset": "nwes",
            "distill/tiny/alpha": 2,
            "few_shot/few/ways": 4,
            "few_shot/few/queries": 1,
        }
    )
    assert set(found) == {
        "finetune.solar.epochs",
        "finetune.solar.epoch",
        "finetune.topics.dataset",
        "distill.tiny.alpha",
        "few_shot.few.ways",
    }


@pytest.mark.parametrize("levels", [["group"], ["label", "label"], ["group", "label", "group"]])
def test_folders_that_name_no_label_or_one_thing_twice(levels):
    error = only({"datasets/cells/folders": levels}, "datasets.cells.folders")
    assert "label once" in error.allowed


def test_folders_of_a_table():
    assert only({"datasets/news/reader": "table", "datasets/news/folders": ["label"]}, "datasets.news.folders")


@pytest.mark.parametrize(
    ("entry", "said"),
    [({"like": "minilmm"}, "there is no backbone 'minilmm'"), ({"like": "net2"}, "there is no backbone")],
)
def test_a_backbone_like_one_that_does_not_exist_or_like_itself(entry, said):
    assert said in only({"backbones/net2": entry}, "backbones.net2.like").what


def test_backbones_that_are_like_each_other():
    found = problems({"backbones/a": {"like": "b"}, "backbones/b": {"like": "a"}})
    assert found and all("like itself" in error.what for error in found.values())


def test_a_backbone_without_library():
    assert only({"backbones/net2": {"source": {"path": "x"}}}, "backbones.net2").what == "the key 'library' is missing"


SPECTRA = {"source": {"path": "s"}, "columns": {"features": "wave_*"}}


@pytest.mark.parametrize("backbone", ["vectors", "mine"])
@pytest.mark.parametrize("method", ["full", "lp_ft"])
def test_training_a_network_on_vectors_is_refused_and_the_hint_works(backbone, method):
    change = {"datasets/spectra": SPECTRA, "backbones/mine": {"library": "vectors"}}
    entry = {"dataset": "spectra", "backbone": backbone, "method": [method, "linear"]}
    error = only({**change, "finetune/waves": entry}, "finetune.waves.method")
    assert f"'{method}' trains a network" in str(error) and "linear" in str(error)
    assert not problems({**change, "finetune/waves": {**entry, "method": "linear"}})
    pupil = {"teacher": "waves.vectors.linear", "backbone": "mine"}
    waves = {"dataset": "spectra", "backbone": "vectors", "method": "linear"}
    assert "distill.pupil.backbone" in problems({**change, "finetune/waves": waves, "distill/pupil": pupil})


@pytest.mark.parametrize(("key", "value"), [("class_weights", "balanced"), ("label_smoothing", 0.1)])
def test_settings_of_classes_without_an_order_are_refused_for_those_with_one(key, value):
    settings = {"datasets/news/targets/topic/kind": "ordinal", f"finetune/topics/{key}": value}
    assert "have an order" in only(settings, f"finetune.topics.{key}").what


def test_classes_with_an_order_have_no_threshold():
    change = {"datasets/news/targets/topic": {"kind": "ordinal", "threshold": 0.5}, "few_shot": {}}
    assert "has no threshold" in only(change, "datasets.news.targets.topic.threshold").what


def test_pcgrad_is_refused_where_several_gpus_train_one_network():
    entry = {"dataset": "news", "backbone": "words", "method": "full", "targets": ["topic", "mark"]}
    change = {"finetune/both": {**entry, "task_weights": "pcgrad"}, "device": {"gpus_per_job": 2}}
    assert "gradients of one process" in only(change, "finetune.both.task_weights").what
    assert not problems({**change, "device": {"gpus_per_job": 1}})
