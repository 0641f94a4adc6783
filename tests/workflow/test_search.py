"""A search with a budget, from its plan to the model that it finds, and what makes it run again."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image
from sklearn.metrics import roc_auc_score

from described import faults, seen
from graft.targets.predictions import KEPT_ASIDE
from running import ROOT, graft
from tiny_data import TORCH, UNTRAINED

MODEL = "results/finetune/find.best.search/seed0"
TARGETS = (f"{MODEL}/label/metrics.json", "results/search/find/trials.csv")
SEARCH = {"minutes": 1.3, "augment": ["none", "flip"]}  # two trials, of which the better is trained longer
CONFIG = {
    "datasets": {
        "cells": {"source": {"path": "cells"}, "reader": "folder", "split": {"validation": 0.25, "test": 0.25}}
    },
    "backbones": {"tiny": UNTRAINED, "smaller": {**UNTRAINED, "input_size": 24}},
    "finetune": {"find": {"dataset": "cells", "search": SEARCH, "epochs": 2, "batch_size": 8}},
    "device": TORCH,
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A finished search on a small folder of pictures, bright ones in class b."""
    folder = tmp_path_factory.mktemp("search")
    for i in range(200):
        path = folder / "cells" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(i).integers(0, 128, (40, 40)) + 6 * (i % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    run(folder, CONFIG)
    return folder


def run(folder, config, *arguments, **options):
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return graft(folder, folder / "config.yaml", *TARGETS, *arguments, **options)


def with_search(**more):
    """The config with other settings of the search."""
    return CONFIG | {"finetune": {"find": CONFIG["finetune"]["find"] | {"search": SEARCH | more}}}


def test_the_model_of_the_entry_is_the_best_trial_trained_again(lab):
    found = pd.read_csv(lab / TARGETS[1])
    assert found["trial"].tolist() == ["0-1", "0-2", "1-1", "1-2", "2-1"]
    best = found[found["choice"] == "best"].iloc[0]
    content = torch.load(lab / MODEL / "ft_model.pt", weights_only=True)
    assert content["name"] == "find.best.search" and content["method"] == best["method"]
    assert content["backbone"]["name"] == best["backbone"]
    trial = pd.read_parquet(lab / f"results/search/find/rung{best['trial'].replace('-', '/')}/validation.parquet")
    model = pd.read_parquet(lab / MODEL / "label/predictions.parquet").set_index("sample_id")
    again = model.loc[trial["sample_id"]]
    np.testing.assert_allclose(
        again["prob_b"], trial["prob_b"], atol=2e-3
    )  # of embeddings that another engine may make
    assert roc_auc_score(again["label"] == "b", again["prob_b"]) == pytest.approx(best["value"], abs=0.01)
    aside = model[model["fold"] == KEPT_ASIDE]  # what calibrates sets has no part in the choice
    choosing = set(model[model["split"] == "validation"].index) - set(aside.index)
    tables = [pd.read_parquet(path) for path in lab.glob("results/search/find/rung*/*/validation.parquet")]
    assert len(aside) and len(tables) == 5 and all(set(table["sample_id"]) == choosing for table in tables)
    assert json.loads((lab / "logs/embed/cells.best-of-find.labelled.json").read_text())["forwards"] == 0


def test_a_later_run_keeps_the_plan_whatever_else_is_new(lab):
    assert run(lab, CONFIG).jobs == {}
    rates = {"embedded_per_s": 1e-3, "trained_per_s": 1e-3}  # with these there would be no trial at all
    tuned = {"modes": [rates | {"engine": "torch"}], "default": {"engine": "torch"}}
    (lab / "benchmarks/tune").mkdir()
    (lab / "benchmarks/tune/cells.tiny.json").write_text(json.dumps(tuned))
    other = {"dataset": "cells", "backbone": "tiny", "epochs": 9}
    more = CONFIG | {"finetune": {**CONFIG["finetune"], "other": other}}
    assert "Nothing to be done" in run(lab, more, "-n").output
    shutil.rmtree(lab / "benchmarks/tune")


def test_more_minutes_add_trials(lab):
    jobs = run(lab, with_search(minutes=1.45), "-n").jobs
    assert [line for line in jobs["try_settings"] if "rung 1" in line] == ["Trying settings for find, rung 1, place 3"]
    assert {"plan_search", "choose_settings", "finetune"} <= set(jobs) and "embed" in jobs


def test_too_few_minutes_are_refused_with_the_least_that_are_enough(lab):
    refused = run(lab, with_search(minutes=0.5), "-n", check=False)
    assert refused.returncode
    least = float(re.search(r"at least (\S+) minutes", refused.output).group(1))
    assert "finetune.find.search.minutes: 0.5 minutes are fewer than one trial" in refused.output
    assert run(lab, with_search(minutes=least), "-n").jobs


def test_an_edited_method_reruns_the_trials_that_may_use_it(lab, tmp_path):
    for name in ("Snakefile", "rules", "scripts", "config", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name if source.is_dir() else tmp_path)
    path = tmp_path / "scripts/graft/training/methods/lp_ft.py"
    path.write_text(path.read_text() + "EDITED = 1\n")
    done = run(lab, CONFIG, "-n", snakefile=tmp_path / "Snakefile")
    found = re.findall(r"^Job \d+: (.*?)\nReason: .*Params have changed", done.output, re.MULTILINE)
    tried = pd.read_csv(lab / TARGETS[1])
    place = tried[(tried["rung"] == 1) & (tried["method"] == "lp_ft")]["trial"].str[2:].item()
    first, then = (f"Trying settings for find, rung {where}" for where in (f"1, place {place}", "2, place 1"))
    assert found == [first]  # the others run since what this makes would be new
    assert set(done.jobs["try_settings"]) == {first, then} and "finetune" in done.jobs


def test_the_page_of_files_describes_every_file_and_column(lab):
    assert faults(lab / "results") == [] and "What a search has tried" in seen(lab / "results")
