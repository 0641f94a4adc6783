"""Mistakes in the config, numbered as in the list of bad input. Each ends in one message, all of them at once."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from graft.common.errors import UserErrors
from graft.config import load

GOOD = """
datasets:
  cells: {source: {path: cells}, reader: folder}
  news:
    source: {path: news}
    columns: {text: text}
    targets: {topic: {classes: [a, b, c]}, mark: {kind: regression}}
    limit: 60
backbones:
  net: {library: timm, architecture: resnet18, source: {timm: a1_in1k}}
  small: {library: torchvision, architecture: resnet18, source: {torchvision: DEFAULT}}
  words: {library: transformers, source: {huggingface: some/bert}}
finetune:
  solar: {dataset: cells, backbone: net, method: [linear, full], seeds: [0, 1]}
  topics: {dataset: news, backbone: words}
  marks: {dataset: news, target: mark, backbone: words}
few_shot:
  few: {dataset: news, backbone: words, ways: 3, shots: [1, 2]}
  deep: {dataset: cells, model: solar.net.full, ways: 2}
distill:
  tiny: {teacher: solar.net.full, backbone: small}
predict:
  plate: {model: solar.net.full, seed: 1, data: incoming/plate}
hand_off: {models: [solar.net.full]}
"""


def problems(change=None, text=GOOD):
    """The errors of GOOD after `change`, a dict of dotted paths and values, as {where: error}."""
    config = yaml.safe_load(text)
    for path, value in (change or {}).items():
        *parents, last = path.split("/")
        at = config
        for key in parents:
            at = at[key]
        at[last] = value
    try:
        load(config)
    except UserErrors as error:
        return {one.where: one for one in error.errors}
    return {}


def only(change, where):
    """The one error of a change, which must stand at `where`."""
    found = problems(change)
    assert list(found) == [where], [str(error) for error in found.values()]
    return found[where]


def test_the_config_that_the_mistakes_start_from_has_none():
    assert problems() == {}


@pytest.mark.parametrize(
    ("path", "where", "meant"),
    [
        ("finetun", "finetun", "finetune"),
        ("store", "store.pth", "path"),
        ("datasets/cells/splitt", "datasets.cells.splitt", "split"),
        ("datasets/cells/source/revison", "datasets.cells.source.revison", "revision"),
        ("datasets/news/columns/txt", "datasets.news.columns.txt", "text"),
        ("datasets/news/targets/topic/clases", "datasets.news.targets.topic.clases", "classes"),
        ("backbones/net/librari", "backbones.net.librari", "library"),
        ("finetune/solar/epoch", "finetune.solar.epoch", "epochs"),
        ("few_shot/few/way", "few_shot.few.way", "ways"),
        ("distill/tiny/temprature", "distill.tiny.temprature", "temperature"),
        ("hand_off/model", "hand_off.model", "models"),
    ],
)
def test_01_unknown_keys_are_refused_at_every_level_with_a_suggestion(path, where, meant):
    value = {"pth": "x"} if path == "store" else {}
    assert meant in only({path: value}, where).hint


def test_01_a_key_at_the_wrong_indentation_is_told_where_it_belongs():
    assert "finetune.NAME" in only({"epochs": 3}, "epochs").hint


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("finetune/solar/epochs", "3"),
        ("finetune/solar/lr", "0.001"),
        ("finetune/solar/batch_size", 2.5),
        ("finetune/solar/epochs", True),
        ("finetune/solar/lr", float("nan")),
        ("finetune/solar/clip_norm", float("inf")),
        ("finetune/solar/seeds", 3),
        ("finetune/solar/freeze_batchnorm", "true"),
        ("finetune/solar/epochs", None),
        ("finetune/solar/l2", {"a": 1}),
        ("few_shot/few/shots", 5),
        ("datasets/news/skip_rows", [1]),
    ],
)
def test_02_a_wrong_type_is_refused_with_what_was_got_and_what_is_allowed(path, value):
    error = only({path: value}, path.replace("/", "."))
    assert "got" in error.what and error.allowed


def test_02_text_that_is_a_number_says_to_drop_the_quotes_and_names_it():
    error = only({"finetune/solar/epochs": "3"}, "finetune.solar.epochs")
    assert "the text '3'" in error.what and "without quotes" in error.hint


def test_02_names_that_yaml_reads_as_numbers_say_to_use_quotes():
    error = only({"datasets/news/targets/topic/classes": ["a", 1, "c"]}, "datasets.news.targets.topic.classes[1]")
    assert "quotes" in error.hint
    config = yaml.safe_load(GOOD) | {
        "few_shot": {2020: {"dataset": "news", "backbone": "words", "ways": 3, "shots": [1]}}
    }
    with pytest.raises(UserErrors, match="quotes"):
        load(config)


def test_03_a_learning_rate_with_an_exponent_is_a_number_but_other_text_is_not():
    assert problems({"finetune/solar/lr": "1e-3"}) == {}
    assert only({"finetune/solar/lr": "1e-"}, "finetune.solar.lr")
    assert only({"finetune/solar/lr": "1e999"}, "finetune.solar.lr")


@given(
    st.sampled_from(["epochs", "lr", "head_lr", "batch_size", "accumulate", "patience", "clip_norm"]),
    st.integers(-1000, 0),
)
def test_04_zero_and_negative_training_settings_are_refused(key, value):
    error = only({f"finetune/solar/{key}": value}, f"finetune.solar.{key}")
    assert ">" in error.allowed


@pytest.mark.parametrize("path", ["finetune/solar/method", "finetune/solar/backbone", "distill/tiny/teacher", "lock"])
def test_05_no_where_text_is_wanted_is_explained(path):
    found = problems({path: False})
    assert "quotes" in found[path.replace("/", ".")].hint
    assert len(found) == 1, "a reference to a broken entry is not a second mistake"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "just words\n", "null\n"])
def test_06_an_empty_file_and_a_list_at_the_top_are_refused_with_the_file(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserErrors) as caught:
        load(yaml.safe_load(text), [file])
    assert any(str(file) in one.where for one in caught.value.errors) or text == "null\n"


@pytest.mark.parametrize("config", [None, [], "text", {}, {"datasets": {}}, {"datasets": None}, {"datasets": []}])
def test_06_a_config_without_data_sets_is_refused(config):
    with pytest.raises(UserErrors):
        load(config)


def strict(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserErrors) as caught:
        load(yaml.safe_load(GOOD), [file])
    return {one.where: one for one in caught.value.errors}


def test_07_every_duplicate_key_is_shown_with_both_lines(tmp_path):
    text = GOOD + "datasets:\n  x: {source: {path: a, path: b}}\n"
    lines = text.splitlines()
    found = strict(tmp_path, text)
    file = tmp_path / "mine.yaml"
    assert set(found) == {f"{file} line {len(lines) - 1}", f"{file} line {len(lines)}"}
    assert "first in line 2" in found[f"{file} line {len(lines) - 1}"].what


def test_07_tabs_bad_syntax_and_other_encodings_are_named_with_their_line(tmp_path):
    file = tmp_path / "mine.yaml"
    assert "tab" in strict(tmp_path, "datasets:\n\tcells: 1\n")[f"{file} line 2"].what
    assert f"{file} line 2" in strict(tmp_path, "a: 1\nb: [1, 2}\n")
    assert "UTF-8" in strict(tmp_path, "a: 1\nb: 'Übung'\n".encode("latin-1"))[f"{file} line 2"].what


def test_07_merge_keys_and_anchors_are_no_duplicates(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("a: &x {k: 1}\nb: {<<: *x, k: 2}\n")
    load(yaml.safe_load(GOOD), [file])


def test_errors_name_the_line_of_the_users_file(tmp_path):
    file = tmp_path / "mine.yaml"
    text = GOOD.replace("method: [linear, full], seeds", "epochs: 0, method: [linear, full], seeds")
    file.write_text(text)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "epochs: 0" in line)
    with pytest.raises(UserErrors) as caught:
        load(yaml.safe_load(text), [file])
    assert [one.where for one in caught.value.errors] == [f"finetune.solar.epochs ({file} line {line})"]


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
def test_08_unknown_names_come_with_the_name_that_was_probably_meant(path, value, meant):
    assert f"'{meant}'" in only({path: value}, path.replace("/", ".")).hint


def test_08_an_unknown_name_in_a_list_is_told_with_its_place_and_once():
    error = only({"finetune/topics/method": ["linear", "linaer"]}, "finetune.topics.method[1]")
    assert error.hint == "did you mean 'linear'?" and "list" not in error.allowed
    assert "the list" in only({"datasets/cells/reader": ["foldr"]}, "datasets.cells.reader").what


def test_08_unknown_models_to_hand_off_come_with_a_suggestion():
    error = only({"hand_off/models": ["solar.net.ful"]}, "hand_off.models[0]")
    assert "'solar.net.full'" in error.hint


def test_09_more_shots_than_the_limited_rows_can_give_are_refused():
    assert problems({"few_shot/few/shots": [5]}) == {}
    assert "60 rows" in only({"few_shot/few/shots": [1, 6]}, "few_shot.few.shots").what


def test_10_more_ways_than_known_classes_are_refused():
    assert "has 3" in only({"few_shot/few/ways": 4, "few_shot/few/queries": 2}, "few_shot.few.ways").what
    target = {"threshold": 0.5}
    found = problems({"datasets/news/targets/topic": target})
    assert list(found) == ["few_shot.few.ways"]


@given(st.floats(0.01, 0.99), st.floats(0.01, 0.99))
def test_11_validation_and_test_must_leave_something_to_train_on(validation, test):
    found = problems({"datasets/cells/split": {"validation": validation, "test": test}})
    assert list(found) == (["datasets.cells.split"] if validation + test >= 1 else [])


@pytest.mark.parametrize(
    "name",
    ["/abs", "..", "../x", "a b", "a'b", 'a"b', "a;b", "zellen-ä", "a\nb", "a\n", "", ".a", "-a", "a.b", "x" * 65],
)
@pytest.mark.parametrize("section", ["datasets", "backbones", "finetune", "few_shot", "distill"])
def test_12_names_that_are_unsafe_in_file_names_are_refused(section, name):
    entry = yaml.safe_load(GOOD)[section]
    found = problems({section: entry | {name: next(iter(entry.values()))}})
    assert any(where.startswith(section) and "cannot be used" in error.what for where, error in found.items())


def test_12_target_names_are_checked_too():
    found = problems({"datasets/cells/targets": {"a/b": {}}})
    assert [error.what for error in found.values()] == ["the name 'a/b' cannot be used"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "~/x", "C:\\x", "a\n"])
def test_12_files_inside_a_source_stay_inside(path):
    assert only({"datasets/news/table": path}, "datasets.news.table")
    assert only({"datasets/news/table": {"train": path}}, "datasets.news.table.train")


def test_13_two_models_tasks_or_data_sets_of_one_name_are_refused():
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
    assert "apart from capitals" in only({"predict/Plate": twin}, "predict.Plate").what
    assert set(problems({"predict/plate": {"model": "solar.net.full"}})) == {"predict.plate"}


def test_folds_are_for_networks_that_are_trained_and_no_more_than_the_data_set_has():
    assert problems({"finetune/solar/folds": 3}) == {}  # linear stands beside full, and has its own way
    assert "linear" in only({"finetune/topics/folds": 3}, "finetune.topics.folds").what
    assert only({"finetune/solar/folds": 6}, "finetune.solar.folds").allowed == "2 to 5"
    assert only({"finetune/solar/folds": 3, "datasets/cells/folds": 2}, "finetune.solar.folds").allowed == "2"
    assert only({"finetune/solar/folds": 1}, "finetune.solar.folds").allowed
    assert only({"distill/tiny/folds": 3}, "distill.tiny.folds")
    assert problems({"finetune/solar/folds": 6, "datasets/cells/columns": {"fold": "part"}}) == {}  # not known yet


def test_14_teachers_must_be_trained_models_other_than_the_student():
    assert "no trained model" in only({"distill/tiny/teacher": "moon.net.full"}, "distill.tiny.teacher").what
    assert "own teacher" in only({"distill/tiny/teacher": "tiny.small.kd"}, "distill.tiny.teacher").what
    assert "same backbone" in only({"distill/tiny/backbone": "net"}, "distill.tiny.backbone").what
    circle = {
        "one": {"teacher": "two.net.kd", "backbone": "small"},
        "two": {"teacher": "one.small.kd", "backbone": "net"},
    }
    assert set(problems({"distill": circle})) == {"distill.one.teacher", "distill.two.teacher"}


def test_14_teacher_and_student_learn_the_same_with_a_seed_that_is_trained():
    assert "distill.tiny.dataset" in problems({"distill/tiny/dataset": "news"})
    assert problems({"distill/tiny/dataset": "cells", "distill/tiny/target": "label"}) == {}
    found = problems({"distill/tiny/target": "topic"})
    assert "its teacher learned 'label'" in found["distill.tiny.target"].what
    assert "0, 1" in only({"distill/tiny/teacher_seed": 2}, "distill.tiny.teacher_seed").allowed
    assert only({"few_shot/deep/model_seed": 2}, "few_shot.deep.model_seed")


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [("temperature", 0, False), ("temperature", -1, False), ("temperature", 0.5, True), ("alpha", -0.01, False),
     ("alpha", 1.01, False), ("alpha", 0, True), ("alpha", 1, True)],
)  # fmt: skip
def test_15_temperature_is_positive_and_alpha_is_a_share(key, value, fits):
    assert list(problems({f"distill/tiny/{key}": value})) == ([] if fits else [f"distill.tiny.{key}"])


@pytest.mark.parametrize(("seed", "fits"), [(0, True), (2**32 - 1, True), (2**32, False), (-1, False), (10**30, False)])
def test_16_seeds_are_whole_numbers_of_32_bits(seed, fits):
    assert (problems({"finetune/topics/seeds": [seed]}) == {}) is fits
    assert (problems({"datasets/cells/split_seed": seed}) == {}) is fits
    assert (problems({"few_shot/few/seed": seed}) == {}) is fits


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


JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(["cells", "net", "1e-3"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    "datasets", "datasets/news", "datasets/news/source", "datasets/news/targets", "datasets/news/targets/topic", "datasets/news/table",
    "datasets/news/targets/topic/classes", "datasets/news/split", "datasets/news/range", "datasets/news/columns", "backbones",
    "backbones/net", "backbones/net/source", "backbones/net/mean", "finetune", "finetune/solar", "finetune/solar/backbone",
    "finetune/solar/dataset", "finetune/solar/method", "finetune/solar/seeds", "few_shot/few/shots", "few_shot/deep/model",
    "distill", "distill/tiny/teacher", "predict", "predict/plate", "predict/plate/model", "hand_off", "hand_off/models", "store", "lock",
]  # fmt: skip


@given(st.sampled_from(PLACES), JUNK)
def test_no_value_anywhere_ends_in_a_traceback(path, value):
    problems({path: value})


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
    assert f"'{method}' trains a network" in str(error) and "coral, linear" in str(error)
    assert not problems({**change, "finetune/waves": {**entry, "method": "linear"}})
    pupil = {"teacher": "waves.vectors.linear", "backbone": "mine"}
    waves = {"dataset": "spectra", "backbone": "vectors", "method": "linear"}
    assert "distill.pupil.backbone" in problems({**change, "finetune/waves": waves, "distill/pupil": pupil})


@pytest.mark.parametrize("path", ["$NOWHERE_AT_ALL/store", "${NOWHERE_AT_ALL}/store", "/a/${NOWHERE_AT_ALL}"])
def test_a_variable_without_a_value_is_refused_by_name_and_setting_it_mends_it(monkeypatch, tmp_path, path):
    monkeypatch.delenv("NOWHERE_AT_ALL", raising=False)
    error = only({"store": {"path": path}}, "store.path")
    assert "$NOWHERE_AT_ALL" in error.what and "export NOWHERE_AT_ALL=" in error.hint
    monkeypatch.setenv("NOWHERE_AT_ALL", str(tmp_path))
    assert problems({"store": {"path": path}}) == {}


def test_variables_without_a_value_are_all_named_at_once(monkeypatch):
    monkeypatch.setenv("EMPTY", "")
    paths = {
        "datasets/cells/source/path": "$EMPTY/cells",
        "store": {"path": "$NOWHERE_AT_ALL"},
        "lock": "~nobody-here/l",
    }
    assert set(problems(paths)) == {"datasets.cells.source.path", "store.path", "lock"}
