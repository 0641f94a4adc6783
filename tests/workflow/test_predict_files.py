"""New data as part of a workflow: named in the config, made by a lab's own rule, or taken by a rule of the lab's own."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import yaml

from running import ROOT, bytes_of, graft
from tiny_data import TORCH, UNTRAINED, encoded, image_folder, pixels

MODEL = "cells.tiny.linear"
LAB = f"""
configfile: "config.yaml"

module graft:
    snakefile: "{ROOT}/Snakefile"
    config: config

use rule * from graft as graft_*

use rule predict_files from graft as graft_predict_new with:
    input:
        data="incoming/{{dataset}}",
        model="results/finetune/{MODEL}/seed0/ft_model.pt",
        sets="results/finetune/{MODEL}/seed0/label/conformal.json",
    output:
        table="tables/{{dataset}}.parquet",
    log:
        "tables/{{dataset}}.log",
    benchmark:
        "tables/{{dataset}}.tsv"

rule export_from_microscope:
    output:
        directory("made/plate2"),
    shell:
        "mkdir -p {{output}} && cp incoming/plate1/*.png {{output}}"
"""
CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}, "split": {"validation": 0.25, "test": 0.25}, "folds": 2}},
    "backbones": {"tiny": UNTRAINED},
    "finetune": {"cells": {"dataset": "cells", "backbone": "tiny"}},
    "predict": {
        "plate1": {"model": MODEL, "data": "incoming/plate1"},
        "plate2": {"model": MODEL, "data": "made/plate2"},
    },
    "device": TORCH,
}
TABLES = ["results/predict/plate1.csv", "results/predict/plate2.csv", "tables/plate1.parquet"]


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    image_folder(folder / "cells", per_class=20)
    (folder / "incoming/plate1/deeper").mkdir(parents=True)
    for i in range(4):
        (folder / f"incoming/plate1/{i}.png").write_bytes(encoded(pixels(900 + i)))
    (folder / "incoming/plate1/deeper/broken.png").write_bytes(b"no image")
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (folder / "Snakefile").write_text(LAB)
    run(folder)
    return folder


@pytest.fixture
def lab(first, tmp_path):
    shutil.copytree(first, tmp_path / "lab", symlinks=True)
    return tmp_path / "lab"


def run(folder, *targets):
    return graft(folder, None, *(targets or TABLES), snakefile=folder / "Snakefile")


def test_the_rule_and_the_labs_own_rule_give_the_same_table(first):
    tables = [pd.read_csv(first / TABLES[0]), pd.read_parquet(first / TABLES[2])]
    assert tables[0]["sample_id"].tolist() == ["0.png", "1.png", "2.png", "3.png", "deeper/broken.png"]
    sets = [table["set_90"].dropna() for table in tables]
    assert sets[0].map(json.loads).tolist() == sets[1].map(list).tolist() and len(sets[0]) in (0, 4)
    kept = [table.drop(columns=["label", "unusual", "problem", "set_90"]) for table in tables]
    pd.testing.assert_frame_equal(*kept, check_dtype=False)
    assert tables[1]["distance"].notna().sum() == 4  # what is beside the model was found


def test_without_the_conformal_json_the_log_says_why_there_are_no_sets(lab):
    sets = f"results/finetune/{MODEL}/seed0/label/conformal.json"
    (lab / "Snakefile").write_text(LAB.replace(f'        sets="{sets}",\n', ""))
    (lab / sets).unlink()
    (lab / TABLES[2]).unlink()
    run(lab, TABLES[2])
    assert "set_90" not in pd.read_parquet(lab / TABLES[2])
    said = "no prediction sets of label: conformal.json is not beside the model"
    assert said in (lab / "tables/plate1.log").read_text()


@pytest.mark.parametrize("wildcard", ["plate", "dataset", "backbone"])
def test_the_labs_own_rule_may_call_its_wildcard_anything(lab, wildcard):
    (lab / TABLES[2]).unlink()
    (lab / "Snakefile").write_text(LAB.replace("{dataset}", f"{{{wildcard}}}"))
    assert set(graft(lab, None, "-n", TABLES[2], snakefile=lab / "Snakefile").jobs) == {"predict_files"}


def test_data_may_be_made_by_another_rule(first):
    assert pd.read_csv(first / TABLES[1])["predicted"].notna().sum() == 4


def test_the_log_says_what_was_not_predicted(first):
    log = (first / "logs/predict_files/plate1.log").read_text()
    assert "not predicted: 1" in log and "deeper/broken.png: not an image" in log


def test_nothing_changed_reruns_nothing(lab):
    assert run(lab).jobs == {}


def test_a_new_file_in_a_sub_folder_is_seen_and_retrains_nothing(lab):
    before = bytes_of(lab / "results/finetune")
    (lab / "incoming/plate1/deeper/new.png").write_bytes(encoded(pixels(1000)))
    assert set(run(lab, TABLES[0]).jobs) == {"predict_files"}
    assert "deeper/new.png" in pd.read_csv(lab / TABLES[0])["sample_id"].tolist()
    assert bytes_of(lab / "results/finetune") == before


def test_the_tables_of_the_config_are_part_of_all(lab):
    (lab / TABLES[0]).unlink()
    found = graft(lab, None, "-n", "graft_all", snakefile=lab / "Snakefile").jobs
    assert found["predict_files"] == ["Predicting new data: incoming/plate1"]


def test_a_quick_look_predicts_no_new_data(lab):
    found = graft(lab, lab / "config.yaml", "-n", "--config", "quick=true")
    assert "predict_files" not in found.jobs


def test_planning_imports_no_torch(lab):
    said = graft(lab, lab / "config.yaml", "-n", env={"PYTHONPROFILEIMPORTTIME": "1"}).output
    imported = {line.split("|")[-1].strip() for line in said.splitlines() if line.startswith("import time:")}
    assert "graft.config" in imported
    assert not {"torch", "transformers", "timm", "datasets", "accelerate"} & imported


def test_an_ensemble_predicts_the_mean_of_its_members_and_takes_no_file_that_one_of_them_cannot(lab):
    entry = {"dataset": "cells", "backbone": "tiny", "method": ["linear", "full"], "epochs": 1}
    plates = {
        f"by-{name}": {"model": model, "data": "incoming/plate1"}
        for name, model in (("linear", MODEL), ("full", "cells.tiny.full"), ("both", "both.ensemble.mean"))
    }
    more = {
        "finetune": {"cells": entry},
        "predict": plates,
        "ensemble": {"both": {"models": [MODEL, "cells.tiny.full"]}},
    }
    (lab / "config.yaml").write_text(yaml.safe_dump({**CONFIG, **more}))
    done = run(lab, *(f"results/predict/{name}.csv" for name in plates))
    linear, full, both = (pd.read_csv(lab / f"results/predict/{name}.csv").set_index("sample_id") for name in plates)
    good = both["problem"].isna()
    assert good.sum() == 4 and np.isnan(both.loc["deeper/broken.png", "prob_cat"])
    assert np.allclose(both["prob_cat"][good], (linear["prob_cat"] + full["prob_cat"])[good] / 2)
    assert (linear["prob_cat"] - full["prob_cat"]).abs().max() > 1e-3
    assert both["model"].unique().tolist() == ["both.ensemble.mean"]
    assert np.allclose(both["distance"][good], linear["distance"][good])
    assert len(done.jobs["predict_files"]) == 3 and len(done.jobs["ensemble"]) == 1
    assert len(done.jobs["combine"]) == 1  # what calibrates the sets of new data is the data set's own rows
