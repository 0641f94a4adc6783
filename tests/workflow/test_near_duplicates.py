"""Near copies: found by the embeddings and by what is in the samples, counted in the last words, and kept in one split by the groups that a run proposes."""

import shutil

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score

from graft.evaluation.near_pairs import copies_in
from running import graft
from tiny_data import TORCH, UNTRAINED, encoded, pixels

COPIES, PALE = 12, 6
CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}, "split": {"validation": 0.2, "test": 0.3}}},
    "backbones": {"tiny": UNTRAINED},
    "finetune": {"e": {"dataset": "cells", "backbone": "tiny"}},
    "controls": [],
    "device": TORCH,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """60 pictures, 12 of which were saved again, a little brighter, and 6 others with less contrast."""
    folder = tmp_path_factory.mktemp("near")
    for number in range(60):
        place = folder / "cells" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        picture = pixels(number, height=40, width=40) // 2 + 60 * (number % 2)
        (place / f"{number}.png").write_bytes(encoded(picture))
        if number < COPIES:
            (place / f"{number}-again.png").write_bytes(encoded((picture + 1).astype(np.uint8)))
        elif number < COPIES + PALE:
            (place / f"{number}-again.png").write_bytes(
                encoded((picture * (0.4 + number / 40) + number).astype(np.uint8))
            )
    return folder


def run(folder, **more):
    entry = {**CONFIG["datasets"]["cells"], **more}
    (folder / "config.yaml").write_text(yaml.safe_dump({**CONFIG, "datasets": {"cells": entry}}))
    return graft(folder, folder / "config.yaml", "results/summary.csv", "results/data/cells/groups.csv")


def crossing(folder):
    pairs = pd.read_csv(folder / "results/data/cells/near_duplicates.csv")
    return pairs, len(copies_in(pairs, "test", "train"))


def test_what_was_saved_again_is_found_and_the_proposed_groups_keep_it_together(lab):
    first = run(lab)
    pairs, across = crossing(lab)
    found = {frozenset(pair) for pair in zip(pairs["sample_id"], pairs["other"], strict=True)}
    assert found == {
        frozenset([f"{'ab'[i % 2]}/{i}.png", f"{'ab'[i % 2]}/{i}-again.png"]) for i in range(COPIES + PALE)
    }
    pale = pairs["other"].isin([f"{'ab'[i % 2]}/{i}.png" for i in range(COPIES, COPIES + PALE)]) | pairs[
        "sample_id"
    ].isin([f"{'ab'[i % 2]}/{i}.png" for i in range(COPIES, COPIES + PALE)])
    assert set(pairs["by"][pale]) == {"content", "both"} and set(pairs["by"][~pale]) == {"both"}
    effect = pd.read_csv(lab / "results/compare/cells/label.near_duplicates.csv").set_index("split").loc["test"]
    predicted = pd.read_parquet(lab / "results/finetune/e.tiny.linear/seed0/label/predictions.parquet")
    test = predicted[(predicted["split"] == "test") & ~predicted["sample_id"].isin(copies_in(pairs, "test", "train"))]
    scored = roc_auc_score(test["label"] == "b", test["prob_b"])
    assert effect["metric"] == "auroc" and effect["value_without"] == pytest.approx(scored, abs=1e-5)
    assert (effect["rows"], effect["copied"]) == (len(test) + across, across)
    assert across > 1 and f"{across} of 23 test rows are nearly the same as a train row (label: " in first.output
    shutil.copy(lab / "results/data/cells/groups.csv", lab / "mine.csv")
    assert len(pd.read_csv(lab / "mine.csv")) == 2 * (COPIES + PALE)
    second = run(lab, groups="mine.csv")
    assert crossing(lab)[1] == 0 and "nearly the same" not in second.output
    again = run(lab, groups="mine.csv")
    assert again.jobs == {} and (lab / "results/data/cells/groups.csv").read_bytes() == (lab / "mine.csv").read_bytes()
