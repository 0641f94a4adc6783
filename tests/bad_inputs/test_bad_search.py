"""Entries with a search: what they leave open is filled in, and what cannot be searched is refused."""

import pytest
import yaml

from bad_config import GOOD, problems
from graft.config import load, make_plan


def searched(config, entry="solar"):
    """What a loaded config tries in the search of an entry."""
    entry = load(config)["finetune"][entry]
    return entry["backbone"], *(entry["search"][key] for key in ("method", "lr", "augment"))


@pytest.fixture
def good():
    config = yaml.safe_load(GOOD)
    return {key: config[key] for key in ("datasets", "backbones")}


def test_a_search_tries_all_that_takes_the_data_but_what_the_entry_itself_says(good):
    open_to_all = good | {"finetune": {"solar": {"dataset": "cells", "search": {"minutes": 30}}}}
    every = (["net", "small"], ["full", "linear", "lp_ft"], [1e-4, 3e-5, 3e-4])
    assert searched(open_to_all) == (*every, ["none", "flip", "dihedral", "standard", "zoom"])
    assert load(load(open_to_all)) == load(open_to_all)
    entry = {"dataset": "cells", "backbone": "net", "method": ["full", "lp_ft"], "lr": 1e-3, "augment": "flip"}
    fixed = good | {"finetune": {"solar": entry | {"search": {"minutes": 30}}}}
    assert searched(fixed) == ("net", ["full", "lp_ft"], [1e-3], ["flip"])
    texts = good | {"finetune": {"topics": {"dataset": "news", "search": {"minutes": 30}}}}
    assert searched(texts, "topics") == (["words"], *every[1:], ["none"])
    assert list(make_plan(load(texts)).models) == ["topics.best.search"]


def test_a_quick_look_searches_nothing(good):
    quick = good | {"quick": True, "finetune": {"solar": {"dataset": "cells", "search": {"minutes": 30}}}}
    assert list(make_plan(load(quick)).models) == ["solar.net.linear", "solar.small.linear"]


@pytest.mark.parametrize(
    ("more", "where", "what"),
    [
        ({"method": "linear"}, "search.method", "trains no network"),
        ({"backbone": ["net", "vectors"]}, "backbone", "'vectors' has none"),
        ({"backbone": ["net", "words"]}, "backbone", "'words' takes texts, and data set 'cells' holds images"),
        ({"backbone": "nett"}, "backbone", "there is no backbone 'nett'"),
        ({"targets": ["mark", "topic"], "dataset": "news", "backbone": "words"}, "targets", "one target"),
        ({"folds": 2}, "folds", "may end with linear"),
        ({"curve": [0.5]}, "curve", "may end with linear"),
        ({"dataset": "news", "backbone": "words", "augment": "flip"}, "search.augment", "changes images"),
        ({"search": {"minutes": 0}}, "search.minutes", "the number 0"),
        ({"search": {}}, "search", "'minutes' is missing"),
        ({"search": {"minutes": 3, "method": ["ful"]}}, "search.method[0]", "'ful'"),
    ],
)
def test_a_search_that_cannot_be_is_refused(good, more, where, what):
    entry = {"dataset": "cells", "search": {"minutes": 30}, **more}
    text = yaml.safe_dump(good | {"finetune": {"solar": entry}})
    found = problems(text=text)
    assert what in found[f"finetune.solar.{where}"].what, [str(one) for one in found.values()]


def test_a_search_without_a_backbone_that_takes_the_data_says_so(good):
    only_texts = good | {"backbones": {"words": good["backbones"]["words"]}}
    entry = {"finetune": {"solar": {"dataset": "cells", "search": {"minutes": 30}}}}
    found = problems(text=yaml.safe_dump(only_texts | entry))
    assert list(found) == ["finetune.solar.backbone"] and "effnet-lite0" in found["finetune.solar.backbone"].hint


def test_a_search_on_data_of_unknown_kind_is_told_to_say_which(good):
    config = good | {"datasets": {"cells": {"source": {"path": "cells"}}}}
    entry = {"finetune": {"solar": {"dataset": "cells", "search": {"minutes": 30}}}}
    found = problems(text=yaml.safe_dump(config | entry))
    assert list(found) == ["finetune.solar.backbone"] and "images and texts" in found["finetune.solar.backbone"].what
