"""What a tracker is told of each model and seed, and what is never told to anybody."""

import re
import sys

import pandas as pd
import pytest

import report_tables
import track
from bad_config import only, problems
from graft.common import machine
from graft.common.credentials import without_credentials
from graft.common.errors import UserError
from graft.common.outputs import write_csv, write_json, write_text
from graft.tracking import tracked
from repository import ROOT

SETTINGS = {
    "solar.net.full": {
        **{"stage": "finetune", "name": "solar.net.full", "entry": "solar", "dataset": "cells", "targets": ["kind"]},
        **{"backbone": "net", "method": "full", "lr": 1e-4, "l2": None, "augment": "none", "folds": 3, "seeds": [0, 7]},
        "domain": {"column": "/data/x/type", "source": ["a", "b"]},
    },
}
ROW = {"stage": "finetune", "dataset": "cells", "target": "kind", "model": "solar.net.full", "backbone": "net"}
ROW |= {"method": "full", "seed": 7, "ways": "", "shots": "", "parameters": 12, "temperature": 1.25}
ROW |= {"test_auroc": 0.875, "test_auroc_low": 0.5, "test_auroc_high": "", "choice": "best", "validation_gap": 0.1}


def read(folder, rows=(ROW,), settings=SETTINGS, weights=False, chosen=()):
    """The runs of a results folder with these rows, and one trained model, `solar.net.full`, seed 7, which is handed over."""
    results = folder / "results"
    write_csv(results / "summary.csv", pd.DataFrame(rows))
    write_text(results / "data/cells/labelled.digest", "d1gest\n")
    run = results / "finetune/solar.net.full/seed7"
    history = [{"epoch": 1, "train_loss": 0.5, "stage": "probe", "best": True}, {"epoch": 0, "train_loss": None}]
    history += [{"epoch": 1, "train_loss": 0.25, "val_loss": 2.0, "stage": "train"}]
    write_csv(run / "ft_history.csv", pd.DataFrame(history).fillna({"stage": "train"}))
    report_tables.predictions(run / "kind/predictions.parquet", ["a", "b"], rows=24, seed=7, model="solar.net.full")
    drawn = results / "figures/finetune/solar.net.full/seed7"
    figures = [drawn / "learning_curves.svg", drawn / "kind/roc.svg", drawn / "kind/mistakes.html"]
    export = results / "handoff/models/solar.net.full/seed7"
    for path in (*figures, export / "README.md", export / "model.safetensors"):
        write_text(path, path.name)
    write_json(export / "config.json", {})
    return tracked.read(
        summary=results / "summary.csv",
        settings=settings,
        chosen=chosen,
        labelled=[results / "data/cells/labelled.digest"],
        histories=[run / "ft_history.csv"],
        predictions=[run / "kind/predictions.parquet"],
        figures=figures,
        exports=[export / "config.json"],
        weights=weights,
    )


def changed(**values):
    return {"solar.net.full": {**SETTINGS["solar.net.full"], **values}}


def test_a_run_has_the_settings_the_numbers_the_history_and_the_drawings_of_a_model(tmp_path):
    (one,) = read(tmp_path)
    assert one.name == "solar.net.full, seed 7"
    assert one.params == {
        **{"entry": "solar", "lr": "0.0001", "augment": "none", "seed": "7"},
        **{"domain.column": "type", "domain.source": '["a", "b"]'},  # a path of this machine is cut to its end
    }
    numbers = {"parameters": 12.0, "temperature": 1.25, "test_auroc": 0.875, "test_auroc_low": 0.5}
    assert one.metrics == numbers
    assert one.history == [("probe/train_loss", 1, 0.5), ("train/train_loss", 1, 0.25), ("train/val_loss", 1, 2.0)]
    assert one.tags["graft.data"] == "d1gest" and one.tags["graft.model"] == "solar.net.full-7"
    assert {(path.name, folder) for path, folder in one.files} == {
        ("learning_curves.svg", "figures"),
        ("roc.svg", "figures/kind"),
        ("README.md", "model"),
    }


def test_weights_are_sent_if_asked_for_and_then_this_is_another_run(tmp_path):
    (card,), (whole,) = read(tmp_path), read(tmp_path, weights=True)
    assert {path.name for path, folder in whole.files if folder == "model"} == {
        *("README.md", "model.safetensors", "config.json")
    }
    assert card.fingerprint != whole.fingerprint


def test_targets_of_a_model_are_one_run_with_their_names_before_the_metrics(tmp_path):
    (one,) = read(tmp_path, [ROW, {**ROW, "target": "size", "test_auroc": 0.25}])
    assert one.metrics["kind/test_auroc"] == 0.875 and one.metrics["size/test_auroc"] == 0.25
    assert one.tags["target"] == "kind, size"


def test_seeds_tasks_and_controls_are_runs_of_their_own(tmp_path):
    task = {**ROW, "stage": "few_shot", "model": "few.net.ridge", "ways": 5}
    control = {**ROW, "stage": "control", "model": "majority", "backbone": "", "seed": 0}
    rows = [{**ROW, "seed": 0}, ROW, {**task, "shots": 1}, {**task, "shots": 5}, control]
    settings = {**SETTINGS, "few.net.ridge": {"entry": "few", "ways": 5, "shots": [1, 5]}}
    runs = read(tmp_path, rows, settings)
    assert [one.name for one in runs] == [
        *("solar.net.full, seed 0", "solar.net.full, seed 7", "few.net.ridge, seed 7, ways 5, shots 1"),
        *("few.net.ridge, seed 7, ways 5, shots 5", "majority, seed 0"),
    ]
    assert [one.params.get("shots") for one in runs] == [None, None, "1", "5", None]
    assert [bool(one.files) for one in runs] == [False, True, False, False, False]
    assert len({one.fingerprint for one in runs}) == 5


def test_words_among_the_numbers_are_a_tag(tmp_path):
    (one,) = read(tmp_path, [{**ROW, "shots_worth": "more than 5"}])
    assert one.tags["shots_worth"] == "more than 5" and "shots_worth" not in one.metrics


def test_a_found_model_has_the_settings_that_its_search_chose(tmp_path):
    write_json(tmp_path / "search/solar/chosen.json", {"lr": 0.5})
    (one,) = read(tmp_path, chosen=[tmp_path / "search/solar/chosen.json"])
    assert one.params["lr"] == "0.5"


def test_what_makes_another_run_and_what_does_not(tmp_path, monkeypatch):
    (one,) = read(tmp_path)
    same = [
        read(tmp_path, settings=changed(folds=None, seeds=[0, 7, 8])),  # jobs beside this model
        read(tmp_path, [{**ROW, "choice": "tie", "validation_gap": 0.2}]),  # another model was added
        read(tmp_path / "elsewhere"),
    ]
    monkeypatch.setattr(tracked, "__version__", "99")
    same.append(read(tmp_path))
    assert {found.fingerprint for (found,) in same} == {one.fingerprint}
    others = [
        read(tmp_path, settings=changed(lr=1e-3)),
        read(tmp_path, [{**ROW, "test_auroc": 0.876}]),
        read(tmp_path, [{**ROW, "seed": 8}]),
    ]
    assert one.fingerprint not in {found.fingerprint for (found,) in others}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("to https://me:geheim@host:5000/api failed", "to https://host:5000/api failed"),
        ("postgresql://me:geheim@db/x and http://you@host", "postgresql://db/x and http://host"),
        ("sent 'Bearer t0ken-of-me'", "sent 'Bearer ***'"),
        ("a word such as false stays", "a word such as false stays"),
        ("a mail to me@host is none", "a mail to me@host is none"),
    ],
)
def test_names_and_passwords_are_taken_out_of_messages(monkeypatch, text, said):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-of-me")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert without_credentials(text) == said


@pytest.mark.parametrize("uri", ["https://me:geheim@mlflow.lab.org", "https://t0ken@mlflow.lab.org"])
def test_an_address_with_a_password_is_refused_and_the_message_does_not_have_it(uri):
    error = only({"tracking": {"mlflow": {"uri": uri}}}, "tracking.mlflow.uri")
    assert "MLFLOW_TRACKING_PASSWORD" in error.hint
    assert "geheim" not in str(error) and "t0ken" not in str(error)


@pytest.mark.parametrize("uri", ["https://mlflow.lab.org:5000", "sqlite:////data/mlflow.db", "databricks", None])
def test_an_address_alone_is_taken(uri):
    assert problems({"tracking": {"mlflow": {"uri": uri}}}) == {}


def test_without_a_client_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(machine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="no package `mlflow`") as caught:
        track.main(tmp_path / "mlflow.csv", None, None)
    assert f"{sys.executable} -m pip install -r " in caught.value.hint
    assert caught.value.hint.split("-r ")[1].split(";")[0].endswith("requirements-tracking.txt")


def test_the_page_of_trackers_names_the_version_of_the_client():
    (client,) = re.findall(r"^mlflow-skinny==(\S+)$", (ROOT / "requirements-tracking.txt").read_text(), re.MULTILINE)
    assert re.findall(r"mlflow==(\S+)", (ROOT / "docs/how-to/trackers.md").read_text()) == [client]
