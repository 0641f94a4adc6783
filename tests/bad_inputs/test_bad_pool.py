"""Pools that cannot be: a share that empties a class, a student of a pool that is not there, words in place of true and false."""

import numpy as np
import pandas as pd
import pytest
import yaml

from bad_config import only
from graft.common.errors import UserError
from running import graft
from tiny_data import prepared, small_lab

WORDS = {"kind": ["a", "b", "c"], "grade": ["low", "mid", "high"], "tags": ["p", "q", "r"]}
TARGETS = {
    "kind": {"classes": WORDS["kind"]},
    "grade": {"kind": "ordinal", "classes": WORDS["grade"]},
    "tags": {"kind": "multilabel", "separator": ";"},
}


def tries(folder, target, share):
    """For 12 draws of the pool: the labels of the train rows, or the error. Five of 60 rows have the last class of the target; of
    several labels, three of these have all labels."""
    words, draw = WORDS[target], np.random.default_rng(0)
    labels = [words[i % 2] for i in range(60)]
    for i in range(5):
        labels[i] = ";".join(words) if target == "tags" and i < 3 else words[2]
    frame = pd.DataFrame(draw.normal(size=(60, 2)).round(3), columns=["x1", "x2"])
    frame.assign(id=[f"s{i:02d}" for i in range(60)], **{target: labels}).to_csv(folder / "t.csv", index=False)
    split = {"validation": 0.2, "test": 0.2, "pool": share, "stratify": False}
    entry = {"table": "t.csv", "columns": {"id": "id", "features": "x*"}, "targets": {target: TARGETS[target]}}
    for seed in range(12):
        try:
            found = prepared(folder, **entry, split=split, split_seed=seed).frame
            yield list(found.loc[found["split"] == "train", target])
        except UserError as error:
            yield error


@pytest.mark.parametrize("target", TARGETS)
def test_a_share_that_empties_a_class_is_refused_and_names_it_and_no_other_is(tmp_path, target):
    found = list(tries(tmp_path, target, 0.7))
    refused = [one for one in found if isinstance(one, UserError)]
    assert 0 < len(refused) < len(found)
    for error in refused:
        assert f"hides all train rows of class '{WORDS[target][2]}' of target {target}" in error.what
        assert error.where == "split.pool" and error.hint == "a smaller share"
    kept = [labels for labels in found if not isinstance(labels, UserError)]
    assert all(any(WORDS[target][2] in label for label in labels) for labels in kept)
    if target == "tags":  # labels that are there in other combinations are not emptied
        assert any(not any(all(word in label for word in WORDS["tags"]) for label in labels) for labels in kept)


@pytest.mark.parametrize("value", ["maybe", 0.5, "true", []])
def test_a_pool_is_true_or_false(value):
    assert "true, false or null" in only({"distill/tiny/pool": value}, "distill.tiny.pool").allowed


def test_a_student_of_a_pool_that_is_not_there_ends_the_run_with_what_to_do(tmp_path):
    path = small_lab(tmp_path)
    config = yaml.safe_load(path.read_text())
    config["distill"]["small"]["pool"] = True
    path.write_text(yaml.safe_dump(config))
    model = "results/distill/small.smaller.kd/seed0/ft_model.pt"
    done = graft(tmp_path, path, model, check=False)
    assert done.returncode and not (tmp_path / model).exists()
    assert "`pool: true`, but every train row of the data set has its labels" in done.output
    assert "split: {pool: SHARE}" in done.output
