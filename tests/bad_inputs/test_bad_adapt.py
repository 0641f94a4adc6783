"""Entries of adapt that cannot work are refused before any job where that can be known, else by the first job that knows."""

import pytest

from bad_config import problems

NEWS = {
    "targets": {
        "topic": {"classes": ["a", "b", "c"]},
        "mark": {"kind": "regression"},
        "source": {"classes": ["x", "y"]},
    }
}
DOMAIN = {"column": "source", "source": "x", "target": "y"}
WITHIN = {"dataset": "texts", "domain": DOMAIN, "backbone": "words"}
BETWEEN = {"source": "texts", "target": "more", "backbone": "words"}


def found(more=None, finetune=None, **entry):
    """The errors of a config with this entry of adapt, {where: text}; `more` changes the targets of the second data set."""
    texts = {"source": {"path": "."}, "reader": "table", "table": "t.csv", "columns": {"text": "t"}, **NEWS}
    change = {"datasets/texts": texts, "datasets/more": {**texts, "targets": {**NEWS["targets"], **(more or {})}}}
    change["backbones/numbers"] = {"library": "vectors", "preprocess": ["standardise"]}
    change["datasets/table"] = {"source": {"path": "."}, "table": "n.csv", "columns": {"features": "n*"}, **NEWS}
    change["datasets/table2"] = change["datasets/table"]
    if finetune:
        change["finetune/e"] = finetune
    return {where: str(error) for where, error in problems({**change, "adapt": {"z": entry} if entry else {}}).items()}


@pytest.mark.parametrize(
    "entry",
    [
        WITHIN,
        BETWEEN,
        {**WITHIN, "method": ["coral", "bbse", "mcc", "shot"], "validator": "snd"},
        {**WITHIN, "label": "mark", "method": ["coral", "dann"]},
        {**WITHIN, "domain": {**DOMAIN, "target": ["y"]}},
        {"dataset": "table", "domain": DOMAIN, "backbone": "numbers", "validator": "circular"},
        {"source": "table", "target": "table2", "backbone": "vectors"},
    ],
)
def test_entries_that_work_are_let_through(entry):
    assert found(**entry) == {}


@pytest.mark.parametrize(
    ("entry", "where", "said"),
    [
        ({"backbone": "words"}, "", "one of source, domain is missing"),
        ({**WITHIN, "source": "texts", "target": "more"}, "", "source and domain are given"),
        ({"source": "texts", "backbone": "words"}, "source", "'target', which is missing"),
        ({"dataset": "texts", "backbone": "words"}, "", "one of source, domain is missing"),
        ({**BETWEEN, "target": "texts"}, "target", "source and target are the same data set"),
        ({**BETWEEN, "target": "mroe"}, "target", "did you mean 'more'?"),
        ({**BETWEEN, "label": "topik"}, "label", "did you mean 'topic'?"),
        ({**BETWEEN, "more": {"topic": {"classes": ["d", "e"]}}}, "target", "no class of target 'topic' in common"),
        ({**BETWEEN, "more": {"topic": {"classes": ["b", "a", "c"]}}}, "target", "in another order"),
        ({**BETWEEN, "more": {"topic": {"kind": "regression"}}}, "target", "of kind regression in 'more'"),
        ({**WITHIN, "domain": {**DOMAIN, "column": "sauce"}}, "domain.column", "did you mean 'source'?"),
        ({**WITHIN, "domain": {**DOMAIN, "column": "mark"}}, "domain.column", "has no classes"),
        ({**WITHIN, "domain": {**DOMAIN, "column": "topic"}}, "domain.column", "is the target that is learned"),
        ({**WITHIN, "domain": {**DOMAIN, "target": ["x", "y"]}}, "domain.target", "'x' is of the source, too"),
        ({**WITHIN, "domain": {**DOMAIN, "target": "z"}}, "domain.target", "has no class 'z'"),
        ({**WITHIN, "domain": {**DOMAIN, "target": 2}}, "domain.target", "in quotes"),
        ({**WITHIN, "method": "corral"}, "method", "did you mean 'coral'?"),
        ({**WITHIN, "label": "mark", "method": "mcc"}, "method", "'mcc' is about classes"),
        ({**WITHIN, "label": "mark", "validator": "bnm"}, "validator", "'bnm' is about classes"),
        ({**WITHIN, "method": "mcc", "validator": "circular"}, "validator", "and 'mcc' trains a network"),
        ({**WITHIN, "validator": "entropie"}, "validator", "did you mean 'entropy'?"),
        (
            {"source": "table", "target": "table2", "backbone": "numbers"},
            "backbone",
            "put both domains into one data set",
        ),
        ({"source": "table", "target": "table2", "backbone": "vectors", "method": "mcc"}, "method", "trains a network"),
        ({**WITHIN, "backbone": "net"}, "backbone", "takes images"),
        ({**BETWEEN, "source": "cells"}, "backbone", "data set 'cells' holds images"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(entry, where, said):
    errors = found(**entry)
    place = f"adapt.z.{where}".rstrip(".")
    assert place in errors and said in errors[place], errors


def test_coral_as_a_method_of_finetune_is_answered_with_the_entry_to_write():
    errors = found(finetune={"dataset": "texts", "backbone": "words", "method": ["linear", "coral"]})
    said = errors["finetune.e.method"]
    assert "adapt: {e: {source: texts, target: DATASET, backbone: words, method: coral}}" in said and len(errors) == 1
