"""A lab's workflow that imports graft: active learning, stacking, and new labels that rerun only what depends on them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from assets import dataset
from graft.data.readers import root_of
from running import ROOT, bytes_of, graft

pytestmark = pytest.mark.workflow
HERE = Path(__file__).parent
RESULTS = Path("analysis/graft")
LINEAR, TRAINED = "large.effnet-96.linear", "small.effnet-64.lp_ft"


def script(name, *arguments):
    subprocess.run([sys.executable, HERE / "scripts" / name, *map(str, arguments)], check=True)


def run(folder, *arguments):
    """Run the lab's workflow in `folder`; what its jobs said when they started."""
    done = graft(folder, None, *arguments, snakefile=HERE / "Snakefile", cwd=folder.parent)
    return SimpleNamespace(output=done.output, jobs=re.findall(r"^Job \d+: (.*)$", done.output, re.MULTILINE))


def counts(folder, backbone, part):
    return json.loads((folder / f"logs/graft/embed/cells.{backbone}.{part}.json").read_text())


def predictions(folder):
    return pd.read_parquet(folder / RESULTS / "handoff/cells/defect/predictions.parquet")


@pytest.fixture(scope="module")
def elpv():
    return root_of(dataset("elpv") / "dataset.json")


@pytest.fixture(scope="module")
def first(tmp_path_factory, elpv):
    """The lab's folder after its first run."""
    folder, checkout = tmp_path_factory.mktemp("lab"), bytes_of(HERE)
    script("collect.py", elpv, folder / "cells")
    ran = run(folder)
    assert bytes_of(HERE).keys() - checkout.keys() == set(), "nothing is written beside the lab's Snakefile"
    return SimpleNamespace(folder=folder, **vars(ran))


@pytest.fixture(scope="module")
def labelled(first, elpv, tmp_path_factory):
    """A copy of the folder after the chosen cells were labelled and the workflow ran again."""
    folder = tmp_path_factory.mktemp("labelled") / "lab"
    shutil.copytree(first.folder, folder, symlinks=True)
    script("label.py", elpv, folder / "next_to_label.csv", folder / "cells/labels.csv")
    return SimpleNamespace(folder=folder, before=first.folder, **vars(run(folder)))


def test_results_lie_where_the_lab_wants_them(first):
    assert (first.folder / RESULTS / f"finetune/{TRAINED}/seed0/ft_model.pt").exists()
    assert (first.folder / "logs/graft/prepare_data/cells.log").exists()
    assert not (first.folder / "results").exists() and not list((first.folder / "logs").glob("finetune*"))


def test_imported_under_other_names_graft_still_downloads_where_snakemake_runs(first, tmp_path):
    (tmp_path / "Snakefile").write_text(
        f'configfile: "{HERE}/config.yaml"\n'
        f'module graft:\n    snakefile: "{ROOT}/Snakefile"\n    config: config["graft"]\n'
        "use rule * from graft as mine_*\n"
        "print('local:', *sorted(workflow._localrules))\n"
    )
    output = graft(first.folder, None, "--list", snakefile=tmp_path / "Snakefile").output
    assert "local: mine_fetch_backbone mine_fetch_dataset" in output
    assert "localrules directive" not in first.output  # no name of a rule that is not there


def test_the_cells_to_label_are_uncertain_ones_of_the_pool_that_differ(first):
    chosen = pd.read_csv(first.folder / "next_to_label.csv")
    table = predictions(first.folder)
    pool = table[table["split"] == "pool"].groupby("sample_id")[["prob_intact", "prob_defective"]].mean()
    entropy = (-(pool * np.log(pool)).sum(axis=1)).sort_values()
    assert list(chosen.columns) == ["sample_id", "look_at", "score", "batch"]
    assert chosen["sample_id"].is_unique and set(chosen["sample_id"]) <= set(pool.index)
    assert chosen["batch"].tolist() == [1] * 8 + [2] * 8 + [3] * 8
    assert all((first.folder / path).is_file() for path in chosen["look_at"])
    assert np.allclose(chosen["score"], entropy[chosen["sample_id"]], atol=1e-4)
    assert chosen["score"].mean() > entropy.mean()
    handed = pd.read_parquet(first.folder / RESULTS / "handoff/cells/effnet-96.embeddings.parquet")
    embeddings = handed.set_index("sample_id")["embedding"]
    farthest = [mean_distance(embeddings, pool.index, names) for names in (chosen["sample_id"], entropy.index[-24:])]
    assert farthest[0] < farthest[1], "the most uncertain ones alone leave more of the pool unlike any of them"


def mean_distance(embeddings, samples, chosen):
    """Mean distance of samples to the nearest of the chosen ones."""
    points, centres = np.stack(embeddings[samples]), np.stack(embeddings[chosen])
    return np.linalg.norm(points[:, None] - centres[None], axis=-1).min(axis=1).mean()


def test_the_ensemble_is_not_below_the_best_single_model(first):
    found = json.loads((first.folder / "analysis/ensemble/metrics.json").read_text())
    single, ensemble = found["models"][found["best_single"]], found["models"]["ensemble"]
    assert set(found["models"]) == {f"{LINEAR}.seed0", f"{TRAINED}.seed0", "ensemble"}
    assert ensemble["test"]["auroc"] >= single["test"]["auroc"] > 0.8  # 0.892 and 0.879
    table = pd.read_parquet(first.folder / "analysis/ensemble/predictions.parquet")
    assert table["sample_id"].is_unique and set(table["split"]) == {"train", "validation", "test", "pool"}


def test_the_ensemble_learns_from_every_train_row_and_each_is_out_of_fold(first):
    table = predictions(first.folder)
    train = table[table["split"] == "train"]
    assert set(train["fold"]) == {0, 1, 2}
    # `linear` is refitted on train and validation rows: its validation rows come from a head of the train rows, -2. Of the
    # trained network half of them calibrate sets, -3.
    validation, linear = table["split"] == "validation", table["model"].eq(LINEAR)
    assert (table.loc[validation & linear, "fold"] == -2).all() and (
        table.loc[table["split"] == "test", "fold"] == -1
    ).all()
    assert set(table.loc[validation & ~linear, "fold"]) == {-1, -3}
    assert table.loc[validation & ~linear].groupby("sample_id")["fold"].nunique().eq(1).all()
    assert train.groupby("sample_id")["fold"].nunique().eq(1).all()  # the same parts for every model
    found = json.loads((first.folder / "analysis/ensemble/metrics.json").read_text())
    assert found["train_rows"] == train["sample_id"].nunique() == 300
    assert sum(job.startswith(f"Training {TRAINED}") for job in first.jobs) == 3


def test_a_second_run_has_nothing_to_do(first):
    assert run(first.folder).jobs == []


def test_a_touched_table_reruns_prepare_data_alone(first, tmp_path):
    folder = tmp_path / "lab"
    shutil.copytree(first.folder, folder, symlinks=True)
    (folder / "cells/labels.csv").touch()
    assert run(folder).jobs == ["Preparing data set cells"]


def test_new_labels_forward_no_cell_again_and_decode_none(labelled):
    assert not any(job.startswith("Fetching") for job in labelled.jobs)
    # The pool had been looked at by the network at 96 pixels only: at 64, the new train rows are new to it.
    wanted = {("effnet-96", "labelled"): 0, ("effnet-96", "pool"): 0, ("effnet-64", "labelled"): 24}
    for (backbone, part), forwards in wanted.items():
        found = counts(labelled.folder, backbone, part)
        assert (found["forwards"], found["decodes"]) == (forwards, 0)
    before, after = (stored(lab) for lab in (labelled.before, labelled.folder))
    assert before == {name: data for name, data in after.items() if name in before}


def stored(folder):
    """The files of the store."""
    return bytes_of(folder / "resources/store")


def test_new_labels_rerun_what_depends_on_them_once(labelled):
    assert sorted(labelled.jobs) == sorted(
        [
            "Preparing data set cells",
            *(f"Embedding cells ({part}) with effnet-96" for part in ("labelled", "pool")),
            "Embedding cells (labelled) with effnet-64",  # where the training starts
            *(f"Fine-tuning {model}, seed 0" for model in (LINEAR, TRAINED)),
            *(f"Training {TRAINED}, seed 0, without fold {fold}" for fold in range(3)),
            *(f"Embedding cells ({part}) with {TRAINED}, seed 0" for part in ("labelled", "pool")),
            *(f"Predicting defect with {model}, seed 0" for model in (LINEAR, TRAINED)),
            "Handing over the predictions of defect in cells",
            "Handing over the embeddings of cells by effnet-96",
            "Choosing cells to label next",
            "Stacking the models of defect",
        ]
    )


def test_labelled_cells_join_the_train_rows_and_test_stays_what_it_was(labelled):
    before, after = (predictions(lab).drop_duplicates("sample_id").set_index("sample_id")["split"] for lab in
                     (labelled.before, labelled.folder))  # fmt: skip
    chosen = pd.read_csv(labelled.before / "next_to_label.csv")["sample_id"]
    assert (before[chosen] == "pool").all() and (after[chosen] == "train").all()
    rest = before.drop(chosen)
    assert (after[rest.index] == rest).all()
    assert not set(chosen) & set(pd.read_csv(labelled.folder / "next_to_label.csv")["sample_id"])
