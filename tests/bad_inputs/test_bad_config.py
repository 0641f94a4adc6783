"""Mistakes in one place of the config: keys, types, ranges, names, the file itself. Each ends in one message."""

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bad_config import GOOD, only, problems
from graft.common.errors import UserErrors
from graft.config import load


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
def test_unknown_keys_are_refused_at_every_level_with_a_suggestion(path, where, meant):
    value = {"pth": "x"} if path == "store" else {}
    assert meant in only({path: value}, where).hint


def test_a_key_at_the_wrong_indentation_is_told_where_it_belongs():
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
def test_a_wrong_type_is_refused_with_what_was_got_and_what_is_allowed(path, value):
    error = only({path: value}, path.replace("/", "."))
    assert "got" in error.what and error.allowed


def test_text_that_is_a_number_says_to_drop_the_quotes_and_names_it():
    error = only({"finetune/solar/epochs": "3"}, "finetune.solar.epochs")
    assert "the text '3'" in error.what and "without quotes" in error.hint


def test_names_that_yaml_reads_as_numbers_say_to_use_quotes():
    error = only({"datasets/news/targets/topic/classes": ["a", 1, "c"]}, "datasets.news.targets.topic.classes[1]")
    assert "quotes" in error.hint
    config = yaml.safe_load(GOOD) | {
        "few_shot": {2020: {"dataset": "news", "backbone": "words", "ways": 3, "shots": [1]}}
    }
    with pytest.raises(UserErrors, match="quotes"):
        load(config)


def test_a_learning_rate_with_an_exponent_is_a_number_but_other_text_is_not():
    assert problems({"finetune/solar/lr": "1e-3"}) == {}
    assert only({"finetune/solar/lr": "1e-"}, "finetune.solar.lr")
    assert only({"finetune/solar/lr": "1e999"}, "finetune.solar.lr")


@given(
    st.sampled_from(["epochs", "lr", "head_lr", "batch_size", "accumulate", "patience", "clip_norm"]),
    st.integers(-1000, 0),
)
def test_zero_and_negative_training_settings_are_refused(key, value):
    error = only({f"finetune/solar/{key}": value}, f"finetune.solar.{key}")
    assert ">" in error.allowed


@pytest.mark.parametrize("path", ["finetune/solar/method", "finetune/solar/backbone", "distill/tiny/teacher", "lock"])
def test_a_no_that_yaml_reads_as_false_is_explained_where_text_is_wanted(path):
    found = problems({path: False})
    assert "quotes" in found[path.replace("/", ".")].hint
    assert len(found) == 1, "a reference to a broken entry is not a second mistake"


@pytest.mark.parametrize("text", ["", "# only a comment\n", "- a\n- b\n", "just words\n", "null\n"])
def test_an_empty_file_and_a_list_at_the_top_are_refused_with_the_file(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(UserErrors) as caught:
        load(yaml.safe_load(text), [file])
    assert any(str(file) in one.where for one in caught.value.errors) or text == "null\n"


@pytest.mark.parametrize("config", [None, [], "text", {}, {"datasets": {}}, {"datasets": None}, {"datasets": []}])
def test_a_config_without_data_sets_is_refused(config):
    with pytest.raises(UserErrors):
        load(config)


def strict(tmp_path, text):
    file = tmp_path / "mine.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserErrors) as caught:
        load(yaml.safe_load(GOOD), [file])
    return {one.where: one for one in caught.value.errors}


def test_every_duplicate_key_is_shown_with_both_lines(tmp_path):
    text = GOOD + "datasets:\n  x: {source: {path: a, path: b}}\n"
    lines = text.splitlines()
    found = strict(tmp_path, text)
    file = tmp_path / "mine.yaml"
    assert set(found) == {f"{file} line {len(lines) - 1}", f"{file} line {len(lines)}"}
    assert "first in line 2" in found[f"{file} line {len(lines) - 1}"].what


def test_tabs_bad_syntax_and_other_encodings_are_named_with_their_line(tmp_path):
    file = tmp_path / "mine.yaml"
    assert "tab" in strict(tmp_path, "datasets:\n\tcells: 1\n")[f"{file} line 2"].what
    assert f"{file} line 2" in strict(tmp_path, "a: 1\nb: [1, 2}\n")
    assert "UTF-8" in strict(tmp_path, "a: 1\nb: 'Übung'\n".encode("latin-1"))[f"{file} line 2"].what


def test_merge_keys_and_anchors_are_no_duplicates(tmp_path):
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
    "name",
    ["/abs", "..", "../x", "a b", "a'b", 'a"b', "a;b", "zellen-ä", "a\nb", "a\n", "", ".a", "-a", "a.b", "x" * 65],
)
@pytest.mark.parametrize("section", ["datasets", "backbones", "finetune", "few_shot", "distill"])
def test_names_that_are_unsafe_in_file_names_are_refused(section, name):
    entry = yaml.safe_load(GOOD)[section]
    found = problems({section: entry | {name: next(iter(entry.values()))}})
    assert any(where.startswith(section) and "cannot be used" in error.what for where, error in found.items())


def test_target_names_are_checked_too():
    found = problems({"datasets/cells/targets": {"a/b": {}}})
    assert [error.what for error in found.values()] == ["the name 'a/b' cannot be used"]


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "~/x", "C:\\x", "a\n"])
def test_files_inside_a_source_stay_inside(path):
    assert only({"datasets/news/table": path}, "datasets.news.table")
    assert only({"datasets/news/table": {"train": path}}, "datasets.news.table.train")


@pytest.mark.parametrize(
    ("key", "value", "fits"),
    [("temperature", 0, False), ("temperature", -1, False), ("temperature", 0.5, True), ("alpha", -0.01, False),
     ("alpha", 1.01, False), ("alpha", 0, True), ("alpha", 1, True)],
)  # fmt: skip
def test_temperature_is_positive_and_alpha_is_a_share(key, value, fits):
    assert list(problems({f"distill/tiny/{key}": value})) == ([] if fits else [f"distill.tiny.{key}"])


@pytest.mark.parametrize(("seed", "fits"), [(0, True), (2**32 - 1, True), (2**32, False), (-1, False), (10**30, False)])
def test_seeds_are_whole_numbers_of_32_bits(seed, fits):
    assert (problems({"finetune/topics/seeds": [seed]}) == {}) is fits
    assert (problems({"datasets/cells/split_seed": seed}) == {}) is fits
    assert (problems({"few_shot/few/seed": seed}) == {}) is fits


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
    "distill", "distill/tiny/teacher", "predict", "predict/plate", "predict/plate/model", "hand_off", "hand_off/models", "store", "lock", "tracking",
]  # fmt: skip


@given(st.sampled_from(PLACES), JUNK)
def test_no_value_anywhere_ends_in_a_traceback(path, value):
    problems({path: value})


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
