"""Zero-shot entries that cannot work are refused before any job, with what to write instead."""

import pytest

from bad_config import problems

ENTRY = {"dataset": "news", "backbone": "words"}
IMAGES = {"dataset": "cells", "backbone": "net"}
ALL = {"a": "x", "b": "y", "c": "z"}


def found(**entry):
    """The errors of a config with this zero-shot entry, {where: text}."""
    return {where: str(error) for where, error in problems({"zero_shot": {"z": entry}}).items()}


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        {**ENTRY, "descriptions": ALL, "templates": ["about {}"], "unseen": ["c"], "calibration": "labelled"},
        {**ENTRY, "method": ["nli", "reranker", "similarity"]},
        {**IMAGES, "method": "conse", "text_backbone": "words"},
        {**IMAGES, "method": "conse", "text_backbone": "minilm"},  # a known one
    ],
)
def test_entries_that_work_are_let_through(entry):
    assert found(**entry) == {}


@pytest.mark.parametrize(
    ("entry", "where", "said"),
    [
        ({**ENTRY, "descriptions": {"a": "x", "b": "y"}}, "descriptions", "class 'c' has no description"),
        ({**ENTRY, "descriptions": {**ALL, "aa": "w"}}, "descriptions.aa", "did you mean 'a'?"),
        ({**ENTRY, "descriptions": {**ALL, "a": ""}}, "descriptions.a", "a text, or a list of texts"),
        ({**ENTRY, "descriptions": {**ALL, "a": "  "}}, "descriptions.a", "a text, or a list of texts"),
        ({**ENTRY, "descriptions": {**ALL, "a": ["x", ""]}}, "descriptions.a[1]", "a text"),
        ({**ENTRY, "templates": ["about"]}, "templates[0]", "a text with {} in the place of the description"),
        ({**ENTRY, "templates": ["{} and {}"]}, "templates[0]", "a text with {} in the place of the description"),
        ({**ENTRY, "unseen": ["d"]}, "unseen", "there is no class 'd'"),
        ({**ENTRY, "unseen": ["a", "b", "c"]}, "unseen", "every class is unseen"),
        ({**ENTRY, "target": "mark"}, "", "zero-shot learning needs"),
        ({**ENTRY, "backbone": "net"}, "backbone", "takes images"),
        ({**ENTRY, "backbone": "wrods"}, "backbone", "did you mean 'words'?"),
        ({**ENTRY, "method": "similarty"}, "method", "did you mean 'similarity'?"),
        ({**ENTRY, "method": "conse"}, "method", "'conse' is for images"),
        ({**ENTRY, "text_backbone": "words"}, "text_backbone", "reads no second backbone"),
        (IMAGES, "backbone", "reads no text"),
        ({**IMAGES, "method": "nli"}, "method", "'nli' is for texts"),
        ({**IMAGES, "method": "conse"}, "text_backbone", "needs a second backbone"),
        ({**IMAGES, "method": "conse", "text_backbone": "small"}, "text_backbone", "'small' takes images"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(entry, where, said):
    errors = found(**entry)
    place = f"zero_shot.z.{where}".rstrip(".")
    assert place in errors and said in errors[place], errors


def test_one_class_is_nothing_to_tell_apart():
    change = {"datasets/news/targets/topic/classes": ["a"], "zero_shot": {"z": ENTRY}}
    assert any("has one class" in str(error) or "classes" in where for where, error in problems(change).items())


def test_an_entry_of_one_name_in_two_stages_would_be_one_task():
    change = {"few_shot/few/method": "prototypes", "zero_shot": {"few": ENTRY, "Few": ENTRY}}
    assert any("the task 'Few.words.similarity'" in str(error) for error in problems(change).values())
