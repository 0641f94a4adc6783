"""The whole workflow on a handful of real samples with real weights: every stage, every file, and nothing twice."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from sklearn.metrics import roc_auc_score

import warm_jobs
from browser import opened
from described import content, faults, pattern, seen
from first_page import decision_pages, without_links
from graft.common.errors import UserError
from graft.common.outputs import sha256_of_file
from graft.curves.table import read_curves
from graft.data.readers import opener, root_of
from graft.serving.exported import embed, load_exported, predict
from running import ROOT, graft

CONFIG = ROOT / "config" / "test" / "tiny.yaml"
MODELS = {
    "finetune": [
        "solar.effnet-lite0-64.linear",
        "solar.effnet-lite0-64.lp_ft",
        "topics.minilm.linear",
        "topics.minilm.full",
    ],
    "distill": ["small.effnet-lite0-48.kd"],
}
TARGETS = {"solar": "defect", "small": "defect", "committee": "defect", "topics": "topic"}
ENSEMBLE = "ensemble/committee.ensemble.mean/seed0"
FOLDERS = [f"{stage}/{model}/seed0" for stage, models in MODELS.items() for model in models]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tiny")
    graft(folder, CONFIG)
    return folder / "results"


def target_folder(results, run):
    """Where what a model says of its target is."""
    return results / run / TARGETS[run.split("/")[1].split(".")[0]]


def counts(results, dataset, backbone):
    return json.loads((results.parent / f"logs/embed/{dataset}.{backbone}.labelled.json").read_text())


@pytest.mark.parametrize("run", FOLDERS)
def test_a_trained_model_is_complete_and_loads_without_pickle(results, run):
    content = torch.load(results / run / "ft_model.pt", weights_only=True)
    assert any(key.startswith("backbone.") for key in content["state_dict"])
    (target,) = content["targets"].values()
    assert len(target["classes"]) in (2, 4) and target["temperature"] > 0
    history = pd.read_csv(results / run / "ft_history.csv")
    assert list(history.columns[:3]) == ["epoch", "train_loss", "val_acc"] and len(history)


@pytest.mark.parametrize("run", [*FOLDERS, ENSEMBLE])
def test_the_prediction_table_has_one_row_per_sample_and_calibrated_probabilities(results, run):
    path = target_folder(results, run) / "predictions.parquet"
    table, classes = pd.read_parquet(path), json.loads(pq.read_schema(path).metadata[b"classes"])
    assert table["sample_id"].is_unique
    probabilities = table[[f"prob_{name}" for name in classes]].to_numpy()
    assert np.allclose(probabilities.sum(1), 1)
    logits = table[[f"logit_{name}" for name in classes]].to_numpy() / table["temperature"].to_numpy()[:, None]
    soft = np.exp(logits - logits.max(1, keepdims=True))
    assert np.allclose(soft / soft.sum(1, keepdims=True), probabilities)
    assert (table["predicted"] == np.array(classes)[probabilities.argmax(1)]).all()


def test_every_table_has_sets_that_are_never_empty_or_says_why_it_has_none(results):
    sets = {}
    for run in [*FOLDERS, ENSEMBLE]:
        folder = target_folder(results, run)
        table = pd.read_parquet(folder / "predictions.parquet")
        sets[run], said = table["set_90"], json.loads((folder / "conformal.json").read_text())["levels"]["90"]
        assert table["set_90"].notna().all() == (said["note"] == "")
        if not said["note"]:
            assert table["set_90"].map(len).min() >= 1
            test = table[table["split"] == "test"]
            held = [label in one for label, one in zip(test["label"], test["set_90"], strict=True)]
            coverage = json.loads((folder / "metrics.json").read_text())["test"]["coverage_90"]
            assert coverage["value"] == pytest.approx(np.mean(held))
    assert sets[FOLDERS[0]].notna().all()  # out-of-fold rows are enough
    assert sets[FOLDERS[1]].isna().all()  # half of a dozen validation rows is not
    controls = pd.read_parquet(results / "controls/elpv/defect.parquet")
    assert "set_90" in controls and "set_90" in pd.read_parquet(results / "handoff/elpv/defect/predictions.parquet")


def test_linear_models_give_train_rows_out_of_fold_probabilities_and_trained_networks_none(results):
    linear = pd.read_parquet(results / "finetune/solar.effnet-lite0-64.linear/seed0/defect/predictions.parquet")
    trained = pd.read_parquet(results / "finetune/solar.effnet-lite0-64.lp_ft/seed0/defect/predictions.parquet")
    assert (linear.loc[linear["split"] == "train", "fold"] >= 0).all()
    assert (linear.loc[linear["split"] != "train", "fold"] < 0).all()
    assert (trained["fold"] < 0).all()


def test_an_ensemble_is_the_mean_of_its_members_and_is_judged_and_handed_over_like_them(results):
    columns = ["prob_intact", "prob_defective"]
    runs = [f"finetune/solar.effnet-lite0-64.{method}/seed0" for method in ("linear", "lp_ft")]
    each = [pd.read_parquet(target_folder(results, run) / "predictions.parquet") for run in runs]
    table = pd.read_parquet(target_folder(results, ENSEMBLE) / "predictions.parquet")
    assert table["sample_id"].tolist() == each[0]["sample_id"].tolist() == each[1]["sample_id"].tolist()
    assert np.allclose(table[columns], (each[0][columns] + each[1][columns]) / 2, atol=1e-12)
    test = table[table["split"] == "test"]
    metrics = json.loads((target_folder(results, ENSEMBLE) / "metrics.json").read_text())
    assert metrics["test"]["auroc"]["value"] == pytest.approx(
        roc_auc_score(test["label"] == "defective", test["prob_defective"])
    )
    handed = pd.read_parquet(results / "handoff/elpv/defect/predictions.parquet")
    assert (handed["model"] == "committee.ensemble.mean").sum() == len(table)
    (indexed,) = (
        one
        for one in json.loads((results / "handoff/index.json").read_text())["models"]
        if one["model"] == "committee.ensemble.mean"
    )
    assert indexed["test"] == metrics["test"] and [one["name"] for one in indexed["settings"]["members"]] == [
        run.split("/")[1] for run in runs
    ]
    summary = pd.read_csv(results / "summary.csv").set_index("model")
    assert summary.loc["committee.ensemble.mean", "test_auroc"] == pytest.approx(metrics["test"]["auroc"]["value"])
    assert "committee.ensemble.mean" in (results / "index.html").read_text()


def test_an_exported_ensemble_answers_by_its_exported_members(results):
    rows, wanted = known_rows(results, "elpv", ENSEMBLE, 8)
    root = root_of(results.parent / "resources/datasets/elpv/dataset.json")
    model = load_exported(results / "handoff/models" / "committee.ensemble.mean/seed0")
    found = predict(model, [root / path for path in rows["path"]])["defect"]
    assert np.allclose(found["prob_defective"], wanted["prob_defective"], atol=0.02)
    assert list(found["set_90"].isna()) == list(wanted["set_90"].isna())


def test_a_zero_shot_task_predicts_every_message_without_labels_and_is_compared_with_few_shot(results):
    folder = results / "zero_shot/topics-by-name.minilm.similarity"
    table = pd.read_csv(folder / "zero_shot_predictions.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    test = table[table["split"] == "test"]
    assert metrics["test"]["accuracy"]["value"] == pytest.approx((test["label"] == test["predicted"]).mean())
    assert metrics["test"]["accuracy"]["value"] > 0.5  # of four topics
    assert metrics["texts"]["sci.med"][0] == "med" and metrics["counts"]["forwards"] <= 12
    assert metrics["shots_worth"][0]["task"] == "topics-few-shot.minilm.prototypes"


def test_an_adapted_model_predicts_its_domain_alone_and_is_held_against_the_one_that_does_not_adapt(results):
    table = pd.read_csv(results / "adapt/to-poly.csv", index_col="method")
    assert list(table.index) == ["coral", "source_only"] and table["information_maximisation"].notna().all()
    predicted = pd.read_parquet(results / "adapt/to-poly.effnet-lite0-64.coral/seed0/defect/predictions.parquet")
    rows = pd.read_parquet(results / "data/elpv/samples.parquet").query("type == 'poly'")
    assert set(predicted["sample_id"]) == set(rows["sample_id"])
    test = predicted[predicted["split"] == "test"]
    assert table["test_accuracy"]["coral"] == pytest.approx((test["label"] == test["predicted"]).mean())
    page = (results / "index.html").read_text()
    own = page[page.index("<h3>elpv, defect, adapted, to-poly</h3>") :].split("</table>")[0]
    others = page[page.index("<h3>elpv, defect</h3>") :].split("</table>")[0]
    for method in ("coral", "source_only"):
        name = f"to-poly.effnet-lite0-64.{method}"
        assert name in own and name not in others  # it is judged on other rows
    assert (
        "<th>by a validator</th>" in own
        and "elpv, defect, adapted, to-poly" in (results / "figures/costs.svg").read_text()
    )


def test_no_backbone_forwards_a_sample_twice(results):
    for dataset, backbone in (("elpv", "effnet-lite0-64"), ("elpv", "effnet-lite0-48"), ("news", "minilm")):
        found = counts(results, dataset, backbone)
        assert found["forwards"] == found["samples"] == 120
    teacher = counts(results, "elpv", "solar.effnet-lite0-64.lp_ft.seed0")
    assert teacher["forwards"] == 120 and teacher["decodes"] == 0  # the pictures were decoded for the first network


def test_backbones_are_ranked_beside_an_untrained_twin_and_controls_need_no_pretrained_network(results):
    for dataset, target, backbone, control in (
        ("elpv", "defect", "effnet-lite0-64", "texture"),
        ("news", "topic", "minilm", "tfidf"),
    ):
        ranking = pd.read_csv(results / f"rank/{dataset}/transferability.csv")
        assert {backbone, f"{backbone}-untrained"} <= set(ranking["backbone"]) and set(ranking["target"]) == {target}
        assert {"logme", "h_score", "knn", "linear", "size"} == set(ranking["method"])
        issues = pd.read_csv(results / f"handoff/{dataset}/{target}/label_issues.csv")
        assert list(issues.columns[:4]) == ["sample_id", "split", "label", "suggested"] and len(issues) < 12
        controls = pd.read_csv(results / f"controls/{dataset}/{target}.csv")
        assert list(controls["model"]) == sorted(["majority", control, "untrained"])
        assert counts(results, dataset, f"{backbone}-untrained")["forwards"] == 120
        curves = read_curves(results / f"curves/{dataset}/{target}.csv")
        linear = ranking[(ranking["method"] == "linear") & ~ranking["backbone"].str.endswith("untrained")]
        best = linear.sort_values("rank")["backbone"].iloc[0]
        assert set(curves) == {(f"linear on {best}", split) for split in ("validation", "test")}
        assert (results / f"figures/curves/{dataset}.svg").exists() and curves.popitem()[1].medians["labels"].iloc[
            -1
        ] > 60
        summary = pd.read_csv(results / "summary.csv").query("dataset == @dataset and target == @target")
        models = summary.loc[~summary["stage"].isin(["few_shot", "zero_shot", "adapt"]), "model"].nunique()
        pairs = pd.read_csv(results / f"compare/{dataset}/{target}.csv")
        assert len(pairs) == 2 * models * (models - 1) / 2 and set(pairs["split"]) == {"validation", "test"}


def test_every_model_is_judged_on_each_subgroup_where_the_config_names_some(results):
    assert [path.name for path in (results / "groups").rglob("*.csv")] == ["defect.csv"]
    table = pd.read_csv(results / "groups/elpv/defect.csv").query("split == 'test'")
    rows = pd.read_parquet(results / "data/elpv/samples.parquet").query("split == 'test'")
    for model in ("solar.effnet-lite0-64.lp_ft", "small.effnet-lite0-48.kd", "committee.ensemble.mean", "texture"):
        own = table[(table["model"] == model) & (table["role"] == "group")]
        assert dict(zip(own["group"], own["rows"], strict=True)) == rows["subgroup:type"].value_counts().to_dict()
    assert set(table["column"]) == {"type"}


def test_short_texts_are_not_padded_to_the_longest(results):
    found = counts(results, "news", "minilm")
    assert found["padded_tokens"] <= 1.05 * found["tokens"]


def test_the_teacher_answers_each_view_of_a_train_row_once(results):
    rows = pd.read_parquet(results / "data/elpv/samples.parquet")
    done = json.loads((results.parent / "logs/distill/small.effnet-lite0-48.kd.seed0.json").read_text())
    assert done == {"forwards": (rows["split"] == "train").sum(), "stored": 0, "pool": 0}


def test_teacher_and_student_are_both_measured(results):
    found = json.loads((results / "distill/small.effnet-lite0-48.kd/seed0/defect/agreement.json").read_text())
    assert found["student"]["flops"] < found["teacher"]["flops"]
    assert found["student"]["parameters"] > 3e6 and found["student"]["bytes"] > 1e7
    assert 0 <= found["agreement"]["test"]["value"] <= 1
    assert found["teacher"]["metrics"]["auroc"]["value"] > 0


def test_the_index_names_every_file_of_the_hand_over_with_its_digest(results):
    index = json.loads((results / "handoff/index.json").read_text())
    named = {}

    def collect(value):
        if isinstance(value, dict):
            if "sha256" in value and "path" in value:
                named[value["path"]] = value["sha256"]
            for one in value.values():
                collect(one)
        elif isinstance(value, list):
            for one in value:
                collect(one)

    collect(index)
    files = {path for path in (results / "handoff").rglob("*") if path.is_file() and path.name != "index.json"}
    assert {results / path for path in named} >= files
    assert all(sha256_of_file(results / path) == digest for path, digest in named.items())


def test_results_name_no_place_of_this_machine(results):
    for path in results.rglob("*"):
        if path.suffix in (".json", ".csv", ".md") and ".checked" not in path.name:
            assert str(results.parent) not in path.read_text(encoding="utf-8"), path


def predicted_anew(results, model, data):
    """The table of scripts/predict_files.py, as `make predict` calls it, by sample."""
    command = [sys.executable, ROOT / "scripts/predict_files.py", model, data, "--results", results, "--out", "new.csv"]
    subprocess.run(command, check=True, capture_output=True, cwd=data, env=warm_jobs.environment(os.environ))
    return pd.read_csv(data / "new.csv").set_index("sample_id")


def known_rows(results, dataset, run, count=50):
    """Some test rows of the manifest, with their predictions."""
    rows = pd.read_parquet(results / "data" / dataset / "samples.parquet")
    rows = rows[rows["split"] == "test"].head(count)
    table = pd.read_parquet(target_folder(results, run) / "predictions.parquet").set_index("sample_id")
    return rows, table.loc[rows["sample_id"]]


@pytest.mark.parametrize("run", [*(run for run in FOLDERS if "topics" not in run), ENSEMBLE])
def test_new_images_are_predicted_as_the_workflow_would(results, run, tmp_path):
    rows, wanted = known_rows(results, "elpv", run)
    root = root_of(results.parent / "resources/datasets/elpv/dataset.json")
    for i, path in enumerate(rows["path"]):
        shutil.copy(root / path, tmp_path / f"{i}.png")
    table = predicted_anew(results, run.split("/")[1], tmp_path).loc[[f"{i}.png" for i in range(len(rows))]]
    assert np.allclose(table["prob_defective"], wanted["prob_defective"], atol=0.02)
    if wanted["set_90"].notna().all():
        same = [json.loads(one) == list(other) for one, other in zip(table["set_90"], wanted["set_90"], strict=True)]
        assert np.mean(same) > 0.9  # a probability on a threshold may fall to its other side
    assert table["distance"].notna().all()
    assert table["unusual"].eq(True).mean() < 0.1  # null where too few samples can say it


@pytest.mark.parametrize("run", [run for run in FOLDERS if "topics" in run])
def test_new_texts_are_predicted_as_the_workflow_would(results, run, tmp_path):
    rows, wanted = known_rows(results, "news", run)
    entry = yaml.safe_load(CONFIG.read_text())["datasets"]["news"]
    load = opener(entry, root_of(results.parent / "resources/datasets/news/dataset.json"))
    texts = [load(row.path, row.row) for row in rows.itertuples()]
    (tmp_path / "in").mkdir()
    pd.DataFrame({"Text": texts}).to_parquet(tmp_path / "in/a.parquet")
    predict = [sys.executable, ROOT / "scripts/predict_files.py", run.split("/")[1], "in/a.parquet"]
    command, environment = [*predict, "--results", results], warm_jobs.environment(os.environ)
    subprocess.run(command, check=True, capture_output=True, cwd=tmp_path, env=environment)
    table = pd.read_csv(tmp_path / "predictions.csv")
    for column in ("prob_sci.med", "prob_sci.space"):
        assert np.allclose(table[column], wanted[column], atol=0.02)


def test_a_second_run_has_nothing_to_do_and_the_report_is_one_file(results):
    second = graft(results.parent, CONFIG)
    assert second.jobs == {} and "Nothing to be done" in second.output, second.output[-2000:]
    graft(results.parent, CONFIG, "--report", "report.html")
    page = Path(results.parent / "report.html").read_text(encoding="utf-8")
    models = ("learning_curves.svg", "confusion.svg", "per_class.svg", "reliability.svg", "mistakes.html")
    for figure in (*models, "distillation.svg", "few_shot", "costs.svg"):
        assert figure in page
    (first,) = decision_pages(results.parent / "report.html")
    assert first.split() == without_links(results / "index.html").split() and "The recommended model" in first


def test_in_a_browser_the_report_begins_with_the_page_to_decide_by(results, tmp_path):
    if not (results.parent / "report.html").exists():
        graft(results.parent, CONFIG, "--report", "report.html")
    with opened(results.parent / "report.html", tmp_path) as browser:
        browser.wait_for("document.querySelector('iframe.decision')?.getBoundingClientRect().width > 900")
        place = browser.ask("document.querySelector('iframe.decision').getBoundingClientRect().toJSON()")
        assert 0 <= place["top"] < 60 and place["height"] > 700  # below nothing, and most of the window


def test_the_page_of_files_describes_every_file_and_column(results):
    assert faults(results) == []
    elsewhere = {
        "Predictions of new files",
        "What to label next",
        "What a search has tried",
    }  # in the tests of other runs
    assert seen(results) == {one["title"] for one in content()["tables"]} - elsewhere


def test_the_examples_of_the_python_page_run_and_print_what_it_shows(results, tmp_path, monkeypatch, capsys):
    page = (ROOT / "docs/reference/python.md").read_text(encoding="utf-8").replace("effnet-lite0", "effnet-lite0-64")
    (tmp_path / "incoming").mkdir()
    images = sorted((results.parent / "resources/datasets/elpv/root/images").glob("*.png"))
    for name, image in zip("ab", images, strict=False):
        shutil.copy(image, tmp_path / f"incoming/{name}.png")
    (tmp_path / "results").symlink_to(results)
    monkeypatch.chdir(tmp_path)
    names = {}
    for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(code, names)
        assert capsys.readouterr().out.splitlines() == re.findall(r"^print\(.*  # (.*)$", code, re.MULTILINE)
    assert len(names["test"]) and 0 <= names["accuracy"] <= 1 and len(names["vectors"]) == 2
    shown = {part.split("\n")[0]: re.findall(r"^\| (`.*?) \|", part, re.MULTILINE) for part in page.split("\n## ")}
    shown = {heading: re.findall(r"`([^`]+)`", "".join(cells)) for heading, cells in shown.items()}
    assert set(shown["ft_model.pt"]) == set(names["content"])
    assert all(any(pattern(one).fullmatch(name) for one in shown["Predict"]) for name in names["answers"])


def test_new_samples_have_the_embeddings_that_the_run_has_stored(results):
    model = load_exported(results / "handoff/models/solar.effnet-lite0-64.linear/seed0")
    stored = pd.read_parquet(results / "handoff/elpv/effnet-lite0-64.embeddings.parquet").head(5)
    images = [results.parent / "resources/datasets/elpv/root" / name for name in stored["sample_id"]]
    found, wanted = embed(model, [*images, "lost.png"]), np.stack(stored["embedding"])
    assert np.isnan(found[5]).all()
    cosine = (found[:5] * wanted).sum(1) / np.linalg.norm(found[:5], axis=1) / np.linalg.norm(wanted, axis=1)
    assert (cosine > 0.999).all()
    with pytest.raises(UserError, match="an ensemble has no embeddings"):
        embed(load_exported(results / "handoff/models/committee.ensemble.mean/seed0"), images)
