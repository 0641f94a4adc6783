"""A run whose student learns from the pool: what the jobs say of it, what new pool rows cost, and what stays as it was."""

import json

import pandas as pd
import pytest
import yaml

from running import graft
from tiny_data import encoded, image_folder, pixels, small_lab

RUN = "results/distill/small.smaller.kd/seed0"
TOLD = "results/distill/told.smaller.kd/seed0/ft_model.pt"
TARGETS = (f"{RUN}/label/metrics.json", "results/finetune/cells.tiny.linear/seed0/label/metrics.json")


def add_to_pool(folder, count):
    first = len(list((folder / "cells/pool").glob("*")))
    for i in range(first, first + count):
        (folder / "cells/pool").mkdir(exist_ok=True)
        (folder / "cells/pool" / f"{i}.png").write_bytes(encoded(pixels(5000 + i)))


def counts(folder, name="small"):
    return json.loads((folder / f"logs/distill/{name}.smaller.kd.seed0.json").read_text())


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A finished run: a student that learns from 10 images without a label, and one that is told not to."""
    folder = tmp_path_factory.mktemp("lab")
    path = small_lab(folder)
    config = yaml.safe_load(path.read_text())
    config["datasets"]["cells"]["split"]["growth_stable"] = True
    config["distill"]["small"] |= {"augment": "dihedral", "epochs": 2}
    config["distill"]["told"] = {**config["distill"]["small"], "pool": False}
    path.write_text(yaml.safe_dump(config))
    image_folder(folder / "cells", per_class=24)
    add_to_pool(folder, 10)
    graft(folder, path, TOLD)  # first, so that the two never ask the teacher the same at the same time
    graft(folder, path, *TARGETS)
    return folder


def test_the_run_says_how_many_rows_without_a_label_taught_and_what_the_teacher_cost(lab):
    rows = pd.read_parquet(lab / "results/data/cells/samples.parquet")
    train = int((rows["split"] == "train").sum())
    assert counts(lab, "told") == {"forwards": 2 * train, "stored": 0, "pool": 0}
    assert counts(lab) == {"forwards": 2 * 10, "stored": 2 * train, "pool": 10}
    history = pd.read_csv(lab / RUN / "ft_history.csv")
    assert history["pool_rows"].dropna().unique().tolist() == [10]


def test_new_rows_of_the_pool_cost_one_pass_per_view_and_train_only_the_student_that_learns_from_them(lab):
    add_to_pool(lab, 3)
    before = (lab / TOLD).stat().st_mtime_ns
    jobs = graft(lab, lab / "config.yaml", *TARGETS, TOLD).jobs
    assert set(jobs) == {"prepare_data", "embed", "distill", "predict"} and len(jobs["distill"]) == 1
    assert (lab / TOLD).stat().st_mtime_ns == before
    done = counts(lab)
    assert (done["forwards"], done["pool"]) == (2 * 3, 13)
    embedded = json.loads((lab / "logs/embed/cells.tiny.pool.json").read_text())
    assert embedded["forwards"] == 3
    assert graft(lab, lab / "config.yaml", *TARGETS).jobs == {}
