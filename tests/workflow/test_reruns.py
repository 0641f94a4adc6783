"""What a change in the data or the code reruns, and what it does not: counted in jobs, decodes and forwards."""

import json
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from graft.common import plugins
from running import ROOT, graft
from tiny_data import TORCH, UNTRAINED

RUNS = ("solar.tiny.linear", "solar.tiny.lp_ft")
TARGETS = [f"results/finetune/{run}/seed0/label/metrics.json" for run in RUNS]
OTHER = ["results/finetune/other.tiny.linear/seed0/label/metrics.json"]
CONFIG = {
    "datasets": {
        "cells": {"source": {"path": "cells"}, "split": {"growth_stable": True, "validation": 0.25, "test": 0.25}},
        "twins": {
            "source": {"path": "twins"},
            "table": "t.csv",
            "columns": {"path": "path"},
            "split": {"growth_stable": True, "validation": 0.25, "test": 0.25},
        },
        "numbers": {
            "source": {"path": "numbers"},
            "reader": "table",
            "table": "n.csv",
            "columns": {"features": "n*"},
            "split": {"validation": 0.25, "test": 0.25, "pool": 0.3},
        },
    },
    "backbones": {
        "tiny": UNTRAINED,
        "smaller": {**UNTRAINED, "input_size": 24},
        "steps": {"library": "vectors", "preprocess": ["snv", "standardise"]},
    },
    "finetune": {
        "solar": {"dataset": "cells", "backbone": "tiny", "method": ["linear", "lp_ft"], "epochs": 1},
        "other": {"dataset": "twins", "backbone": "tiny", "method": "linear"},
        "table": {"dataset": "numbers", "backbone": "steps", "method": "linear"},
    },
    "distill": {
        "student": {"teacher": "other.tiny.linear", "backbone": "smaller", "epochs": 1},
        "pupil": {"teacher": "both.ensemble.mean", "backbone": "smaller", "epochs": 1, "pool": False},
    },
    "ensemble": {"both": {"models": list(RUNS)}},
    "few_shot": {"few": {"dataset": "cells", "backbone": "tiny", "shots": [1], "queries": 2, "ways": 2, "episodes": 5}},
    "device": TORCH,
}
TAUGHT = "results/distill/student.smaller.kd/seed0"
ENSEMBLE = "results/ensemble/both.ensemble.mean/seed0/label/metrics.json"
PUPIL = "results/distill/pupil.smaller.kd/seed0/label/agreement.json"
FIGURES = ("results/figures/finetune/solar.tiny.linear/seed0/label/confusion.svg", "results/figures/few_shot/cells.svg")
TABLE = "results/finetune/table.steps.linear/seed0/label/metrics.json"
ORDER = "results/handoff/numbers/label/to_label.csv"
ALL = (
    *(*TARGETS, *OTHER, TABLE, f"{TAUGHT}/label/metrics.json", ENSEMBLE, PUPIL),
    *("results/few_shot/few.tiny.prototypes/metrics.json", *FIGURES),
    *(
        "results/rank/cells/transferability.csv",
        "results/compare/cells/label.csv",
        "results/controls/numbers/label.csv",
        "results/handoff/cells/label/label_issues.csv",
        ORDER,
    ),
)


def draw(path, seed):
    """A small grey picture, no two alike; bright ones in class b."""
    pixels = np.random.default_rng(seed).integers(0, 128, (40, 40)) + (100 if path.parent.name == "b" else 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """A finished run on two small folders of pictures; tests work on copies of it."""
    folder = tmp_path_factory.mktemp("first")
    for i in range(40):
        draw(folder / "cells" / "ab"[i % 2] / f"{i}.png", i)
        draw(folder / "twins" / "ab"[i % 2] / f"{i}.png", 1000 + i)
    rows = [f"{'ab'[i % 2]}/{i}.png,{'ab'[i % 2]}" for i in range(40)]
    (folder / "twins/t.csv").write_text("\n".join(["path,label", *rows, ""]))
    (folder / "numbers").mkdir()
    rows = [f"{'ab'[i % 2]},{i},{i % 7},{i % 3 + i % 2}" for i in range(40)]
    (folder / "numbers/n.csv").write_text("\n".join(["label,n1,n2,n3", *rows, ""]))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    graft(folder, folder / "config.yaml", *ALL)
    return folder


@pytest.fixture
def lab(first, tmp_path):
    """A copy of the finished run, times of the files included, where a test may change the data."""
    folder = tmp_path / "lab"
    shutil.copytree(first, folder, symlinks=True)
    return folder


def rerun(folder, *targets):
    return graft(folder, folder / "config.yaml", *(targets or (*TARGETS, *OTHER)))


def counts(folder, backbone="tiny", part="labelled"):
    return json.loads((folder / f"logs/embed/cells.{backbone}.{part}.json").read_text())


def touched(run):
    """The rules that ran, and whether any job of another data set than `cells` was among them."""
    assert not any("twins" in line or "other." in line for lines in run.jobs.values() for line in lines)
    return set(run.jobs)


def test_nothing_changed_reruns_nothing(lab):
    assert rerun(lab).jobs == {}


def test_a_pool_is_ordered_and_shown_and_new_labels_of_it_train_again_while_test_rows_stay(lab):
    shown = rerun(lab, "label")
    assert set(shown.jobs) == {"show_pool"}
    assert "Label on this page, and save the file:\n  results/label/numbers/label.html\n" in shown.output
    page = (lab / "results/label/numbers/label.html").read_text()
    order = pd.read_csv(lab / "results/handoff/numbers/label/to_label.csv")
    assert order["rank"].tolist() == list(range(1, len(order) + 1)) and (order["strategy"] == "typical").all()
    assert all(f'"id": "{one}"' in page for one in order["sample_id"])
    before = pd.read_parquet(lab / "results/data/numbers/samples.parquet").set_index("sample_id")["split"]
    assert set(order["sample_id"]) == set(before.index[before == "pool"])
    order.head(2).assign(label="a")[["sample_id", "label"]].to_csv(lab / "new.csv", index=False)
    numbers = {**CONFIG["datasets"]["numbers"], "labels": ["new.csv"]}
    (lab / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"datasets": {**CONFIG["datasets"], "numbers": numbers}}))
    assert {"prepare_data", "finetune", "predict", "order_pool"} <= set(rerun(lab, TABLE, ORDER).jobs)
    after = pd.read_parquet(lab / "results/data/numbers/samples.parquet").set_index("sample_id")["split"]
    assert after[before != after].to_dict() == dict.fromkeys(order["sample_id"][:2], "train")
    assert set(pd.read_csv(lab / ORDER)["sample_id"]) == set(order["sample_id"][2:])


def test_a_store_that_was_moved_or_is_shared_reruns_nothing_and_spares_the_forwards(lab):
    (lab / "resources/store").rename(lab / "lab store")
    store = {"path": "own", "shared": "lab store"}
    (lab / "config.yaml").write_text(yaml.safe_dump(CONFIG | {"store": store}))
    assert rerun(lab).jobs == {}
    shutil.rmtree(lab / "results/features")
    assert touched(rerun(lab, "results/features/cells/tiny/labelled.parquet")) == {"embed"}
    assert (counts(lab)["decodes"], counts(lab)["forwards"]) == (0, 0)


def test_an_image_added_and_one_replaced_by_an_older_file_are_one_forward_each_and_one_deleted_is_none(lab):
    draw(lab / "cells" / "a" / "new.png", 99)
    replaced, deleted = (lab / "cells" / "a" / name for name in ("0.png", "2.png"))
    draw(replaced, 98)
    os.utime(replaced, (10**9, 10**9))
    deleted.unlink()
    assert {"prepare_data", "embed", "finetune", "predict"} <= touched(rerun(lab))
    assert (counts(lab)["decodes"], counts(lab)["forwards"]) == (2, 2)
    found = pd.read_parquet(lab / "results/data/cells/samples.parquet")["sample_id"].to_list()
    assert len(found) == 40 and "a/new.png" in found and "a/2.png" not in found


def test_touched_files_rerun_prepare_data_alone(lab):
    for path in (lab / "cells").rglob("*.png"):
        path.touch()
    assert touched(rerun(lab)) == {"prepare_data"}


def test_a_copy_without_times_reruns_prepare_data_alone(lab):
    shutil.copytree(lab / "cells", lab / "copy", copy_function=shutil.copyfile)
    shutil.rmtree(lab / "cells")
    (lab / "copy").rename(lab / "cells")
    assert touched(rerun(lab)) == {"prepare_data"}


def test_unlabelled_images_cost_their_own_forwards_and_no_training(lab):
    before = {path: path.stat().st_mtime_ns for path in (lab / "results").rglob("ft_model.pt")}
    for i in range(20):
        draw(lab / "cells" / "pool" / f"p{i}.png", 5000 + i)
    run = rerun(lab, *TARGETS, *OTHER, ENSEMBLE, PUPIL)
    assert touched(run) == {"prepare_data", "embed", "predict", "combine", "compare"}
    assert run.jobs["combine"] == ["Combining what the members of both.ensemble.mean predict of label"]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    for backbone in ("tiny", "solar.tiny.lp_ft.seed0"):
        assert counts(lab, backbone, "pool")["forwards"] == 20
        assert (lab / f"results/features/cells/{backbone}/labelled.parquet").stat().st_mtime_ns < max(
            (lab / f"results/features/cells/{backbone}/pool.parquet").stat().st_mtime_ns, 1
        )
    for run in RUNS:
        table = pd.read_parquet(lab / f"results/finetune/{run}/seed0/label/predictions.parquet")
        pool = table[table["split"] == "pool"]
        assert len(pool) == 20 and pool["label"].isna().all() and pool["confidence"].between(0.5, 1).all()


def test_another_seed_of_a_member_makes_the_ensemble_anew_and_trains_that_seed_alone(lab):
    config = json.loads(json.dumps(CONFIG))
    config["finetune"]["solar"]["seeds"] = [0, 1]
    (lab / "config.yaml").write_text(yaml.safe_dump(config))
    jobs = rerun(lab, ENSEMBLE).jobs
    assert sorted(jobs["finetune"]) == [f"Fine-tuning {run}, seed 1" for run in RUNS]
    assert set(jobs) == {"finetune", "embed", "predict", "ensemble", "combine"}
    table = pd.read_parquet(lab / "results/ensemble/both.ensemble.mean/seed0/label/predictions.parquet")
    members = [
        pd.read_parquet(lab / f"results/finetune/{run}/seed{seed}/label/predictions.parquet")["prob_b"]
        for run in RUNS
        for seed in (0, 1)
    ]
    np.testing.assert_allclose(table["prob_b"], np.mean(members, axis=0), atol=1e-12)


def test_a_corrected_label_retrains_and_embeds_nothing(lab):
    path = lab / "cells" / "a" / "4.png"
    path.rename(lab / "cells" / "b" / "4.png")
    assert {"prepare_data", "finetune"} <= touched(rerun(lab))
    assert counts(lab)["forwards"] == 0


@pytest.mark.parametrize("split", ["test", "train"])
def test_a_corrected_label_of_a_test_row_trains_and_embeds_nothing_one_of_a_train_row_only_trains(lab, split):
    frame = pd.read_parquet(lab / "results/data/twins/samples.parquet")
    wrong = frame[(frame["split"] == split) & (frame["label"] == "a")]["sample_id"].iloc[0]
    table = lab / "twins/t.csv"
    table.write_text(table.read_text().replace(f"{wrong},a", f"{wrong},b"))
    results = [lab / OTHER[0], lab / TAUGHT / "label/metrics.json"]
    models = [path.parents[1] / "ft_model.pt" for path in results]
    before, trained = [path.read_bytes() for path in (*results, *models)], [path.stat().st_mtime_ns for path in models]
    jobs = rerun(lab, *OTHER, f"{TAUGHT}/label/metrics.json").jobs
    after = [path.read_bytes() for path in (*results, *models)]
    assert [one != other for one, other in zip(before, after, strict=True)] == [True] * 2 + [split == "train"] * 2
    if split == "test":
        assert set(jobs) == {"prepare_data", "predict"} and len(jobs["predict"]) == 2
        assert [path.stat().st_mtime_ns for path in models] == trained
    else:
        assert {"finetune", "distill", "predict"} <= set(jobs)
        assert not any("with tiny" in line or "with smaller" in line for line in jobs.get("embed", []))


def edited(lab, text, *files, targets=TARGETS, options=()):
    """What would run with a copy of the checkout in which `text` is at the end of some files."""
    checkout = lab / "checkout"
    checkout.mkdir()
    for name in ("Snakefile", "rules", "scripts", "config", "envs"):
        source = ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, checkout / name if source.is_dir() else checkout)
    for file in files:
        path = checkout / file
        path.write_text(path.read_text() + text)
    return graft(lab, lab / "config.yaml", *targets, "-n", *options, snakefile=checkout / "Snakefile")


@pytest.mark.parametrize(
    ("file", "text", "rules"),
    [
        ("scripts/graft/heads/solvers.py", "# a comment\n", set()),
        ("scripts/graft/heads/lbfgs.py", "EDITED = 1\n", {"finetune"}),
        ("scripts/graft/data/splitting/splits.py", "EDITED = 1\n", {"prepare_data"}),
    ],
)
def test_an_edited_module_reruns_the_rules_that_use_it(lab, file, text, rules):
    found = set(edited(lab, text, file).jobs)
    assert found & {"prepare_data", "embed", "finetune"} >= rules
    assert bool(found) == bool(rules)


PREPARING = {
    "Preparing data set cells",
    "Preparing data set twins",
}  # `auto`: every reader says whether the data are its
FETCHING = {"Fetching backbone tiny", "Fetching backbone smaller"}
HEADS = {f"Fine-tuning {name}" for name in (*RUNS, "other.tiny.linear", "table.steps.linear")}
STUDENT, TAUGHT_BY_ENSEMBLE = {"Distilling student.smaller.kd"}, {"Distilling pupil.smaller.kd"}
ENSEMBLES = {
    "ensemble": {"Making the ensemble both.ensemble.mean"},
    "combine": {"Combining what the members of both.ensemble.mean predict of label"},
}
PREDICTING = {
    f"Predicting label with {name}"
    for name in (*RUNS, "other.tiny.linear", "table.steps.linear", "student.smaller.kd", "pupil.smaller.kd")
}
STEPS = {  # of vectors' preprocessing: the network is built, what it learns is fitted, and it is run
    "fetch_backbone": {"Fetching backbone steps"},
    "fit_preprocessing": {"Fitting the preprocessing of steps on numbers"},
    "embed": {f"Embedding numbers ({part}) with steps" for part in ("labelled", "pool")},
    "fit_head": {"Fine-tuning table.steps.linear"},
}
RANKED = {"Ranking the backbones of cells"}
CONTROLS = {f"Fitting the controls of {name}, label" for name in ("cells", "numbers")}
USERS = [  # a plug-in, the jobs of `first` that use it, and which of them are looked at
    ("source", "path", {f"Fetching data set {n}" for n in ("cells", "twins", "numbers")}, ()),
    ("source", "random", FETCHING, ()),
    ("reader", "folder", PREPARING, ()),
    ("reader", "arrays", PREPARING, ()),
    ("reader", "hub", PREPARING, ()),
    (
        "reader",
        "folder",
        {f"Embedding cells (labelled) with {n}" for n in ("tiny", "smaller")},
        ("--allowed-rules", "embed"),
    ),
    (
        "reader",
        "table",
        STEPS["embed"] | {f"Embedding twins (labelled) with {n}" for n in ("tiny", "smaller")},
        ("--allowed-rules", "embed"),
    ),
    ("library", "timm", FETCHING, ()),
    (
        "library",
        "timm",
        {
            f"Embedding {n}"
            for n in (f"{data} (labelled) with {net}" for data in ("cells", "twins") for net in ("tiny", "smaller"))
        },
        ("--allowed-rules", "embed"),
    ),
    ("library", "vectors", STEPS["fetch_backbone"], ()),
    *(("preprocessing", "snv", jobs, ("--allowed-rules", rule)) for rule, jobs in STEPS.items()),
    ("preprocessing", "standardise", STEPS["fetch_backbone"], ()),
    ("method", "linear", {f"Fine-tuning {n}.linear" for n in ("solar.tiny", "other.tiny", "table.steps")}, ()),
    ("method", "lp_ft", {"Fine-tuning solar.tiny.lp_ft"}, ()),
    ("kind", "classification", HEADS | RANKED | CONTROLS, ()),
    (
        "kind",
        "classification",
        {"Looking for wrong labels of label in cells"},
        ("--allowed-rules", "find_label_issues"),
    ),
    ("ranking", "knn", RANKED, ()),
    ("control", "texture", {"Fitting the controls of cells, label"}, ()),
    ("control", "forest", {"Fitting the controls of numbers, label"}, ()),
    ("strategy", "typical", {"Ordering the pool of numbers, label"}, ()),
    ("kind", "classification", STUDENT | TAUGHT_BY_ENSEMBLE, ("--allowed-rules", "distill")),
    ("kind", "classification", PREDICTING, ("--allowed-rules", "predict")),
    ("class_score", "lac", CONTROLS | PREDICTING, ()),
    ("class_score", "lac", ENSEMBLES["combine"], ("--allowed-rules", "combine")),
    ("objective", "kd", STUDENT | TAUGHT_BY_ENSEMBLE, ()),
    ("ensemble", "mean", ENSEMBLES["ensemble"], ()),
    ("ensemble", "mean", ENSEMBLES["combine"], ("--allowed-rules", "combine")),
    ("ensemble", "mean", TAUGHT_BY_ENSEMBLE, ("--allowed-rules", "distill")),
    ("kind", "classification", ENSEMBLES["combine"], ("--allowed-rules", "combine")),
    ("classifier", "prototypes", {"Few-shot episodes of few.tiny.prototypes"}, ()),
    ("figure", "confusion", {"Drawing label by solar.tiny.linear"}, ()),
    ("figure", "few_shot", {"Drawing the few-shot accuracy on cells"}, ()),
    (
        "reader",
        "folder",
        {"Drawing label by solar.tiny.linear"},
        ("--allowed-rules", "plot_classifier"),
    ),  # it shows mistakes
]


def file_of(kind, name):
    return f"scripts/{plugins.module_of(kind, name).replace('.', '/')}.py"


@pytest.mark.parametrize(("kind", "name", "users", "options"), USERS)
def test_an_edited_plug_in_reruns_its_users(lab, kind, name, users, options):
    output = edited(lab, "EDITED = 1\n", file_of(kind, name), targets=ALL, options=options).output
    found = re.findall(r"^Job \d+: (.*?)(?:, seed 0)?\nReason: .*Params have changed", output, re.MULTILINE)
    assert set(found) == users  # others run since what these make would be new


def test_an_edited_plug_in_reruns_nothing_that_does_not_use_it(lab):
    used = {(kind, name) for kind, name, *_ in USERS}
    used |= {
        ("figure", name) for name in ("per_class", "reliability", "roc", "risk_coverage", "mistakes")
    }  # beside confusion
    used |= {("ranking", name) for name in plugins.names("ranking")}  # all score every backbone
    used |= {("control", name) for name in plugins.names("control") if name != "tfidf"}  # there is no text
    others = [(kind, name) for kind in plugins.FOLDERS for name in plugins.names(kind) if (kind, name) not in used]
    assert {kind for kind, _ in others} == {
        "source",
        "library",
        "kind",
        "preprocessing",
        "method",
        "control",
        "class_score",
        "number_score",
        "task_weights",
        "adaptation",
        "adaptation_objective",
        "validator",
        "classifier",
        "ensemble",
        "zero_shot",
        "strategy",
        "figure",
    }
    assert "Nothing to be done" in edited(lab, "EDITED = 1\n", *(file_of(*one) for one in others), targets=ALL).output


def test_the_result_does_not_depend_on_the_folder_it_runs_in(first, tmp_path):
    folder = tmp_path / "elsewhere with a space"
    folder.mkdir()
    for name in ("cells", "twins"):
        shutil.copytree(first / name, folder / name)
    shutil.copy(first / "config.yaml", folder)
    graft(folder, Path("config.yaml"), *OTHER, cwd=folder)
    model = "results/finetune/other.tiny.linear/seed0/ft_model.pt"
    assert (folder / model).read_bytes() == (first / model).read_bytes()


def test_a_linear_probe_on_stored_embeddings_waits_for_no_library_of_networks(lab):
    model = "results/finetune/other.tiny.linear/seed0/ft_model.pt"
    before = (lab / model).read_bytes()
    (lab / model).unlink()
    run = graft(lab, lab / "config.yaml", model, env={"PYTHONPROFILEIMPORTTIME": "1"}, warm=False)
    imported = {line.split("|")[-1].strip() for line in run.output.splitlines() if line.startswith("import time:")}
    assert set(run.jobs) == {"finetune"} and "torch" in imported
    assert not {"timm", "torchvision", "transformers", "accelerate", "datasets", "sklearn"} & imported
    assert (lab / model).read_bytes() == before
