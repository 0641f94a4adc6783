"""results/summary.csv: one row per result, the same bytes every time."""

import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score

import report_tables
import summarize as script
from graft.common.outputs import write_json, write_parquet
from graft.evaluation.tables import compared_among
from summarize import main

TASKS = {
    "topics.minilm.prototypes": {
        "dataset": "news",
        "target": "group",
        "backbone": "minilm",
        "method": "prototypes",
        "seed": 3,
        "ways": 5,
        "shots": [1, 5, 10],
    }
}
TASKS["topics.minilm.ridge"] = TASKS["topics.minilm.prototypes"] | {"method": "ridge", "shots": [5, 10]}
ZERO_SHOT = {"stage": "zero_shot", "dataset": "news", "target": "group", "backbone": "minilm", "method": "similarity"}
TASKS |= {"names.minilm.similarity": ZERO_SHOT, "words.minilm.similarity": ZERO_SHOT}

RUNS = [
    {
        "model": "solar.rn50.linear",
        "seed": 0,
        "figures": ["defect/confusion.svg", "defect/mistakes.html"],
        "jobs": {"training": ["embed"], "prediction": ["predict"]},
    }
]
SPLITS = {"elpv": {}, "news": {}}


def run(folder, model, seed=0, stage="finetune", kind="classification", classes=("a", "b"), target="defect", noise=0):
    """Files of a trained model: 100 parameters in the backbone, and a head on 4 features; `noise` draws its predictions."""
    home = folder / stage / model / f"seed{seed}"
    home.mkdir(parents=True)
    facts = {"kind": kind, "classes": list(classes), "temperature": 1.5} if kind == "classification" else {"kind": kind}
    outputs = len(classes) if kind == "classification" else 1
    content = {
        "name": model,
        "seed": seed,
        "method": model.split(".")[2],
        "dataset": "elpv",
        "targets": {target: facts},
        "frozen": stage == "finetune",
        "backbone": {"name": model.split(".")[1], "parameters": 100},
        "state_dict": {
            f"heads.{target}.weight": torch.zeros(outputs, 4),
            f"heads.{target}.bias": torch.zeros(outputs),
            "backbone.running_mean": torch.zeros(7),
        },
    }
    torch.save(content, home / "ft_model.pt")
    own = home / target
    report_tables.metrics(own / "metrics.json", kind)
    if kind == "classification":
        report_tables.predictions(own / "predictions.parquet", list(classes), seed=noise, model=model, target=target)
    else:
        report_tables.regression(
            own / "predictions.parquet", seed=noise, model=model, target=target, split="validation"
        )
    return home


def data_set(folder, name, splits=("validation",), **farther):
    """A manifest of the rows of the prediction tables, and how near its splits lie."""
    home = folder / "data" / name
    home.mkdir(parents=True, exist_ok=True)
    ids = [f"s{i:04d}" for i in range(200)]
    frame = pd.DataFrame({"sample_id": ids, "split": "validation", "sampling_unit": None})
    write_parquet(home / "samples.parquet", frame)
    write_json(home / "labels.json", {"targets": {}})
    write_json(home / "data_card.json", {"dataset": name, "classes": {"defect": {"test": {"a": 50, "b": 50}}}})
    median = {"validation": 0.825, "test": 0.58}
    near = {"dataset": name, "backbone": "b", "measure": "cosine", "median": median, "farther": farther}
    write_json(home / "nearness.json", near)
    return home


def control(folder, name, right):
    """The table of a control that is right with probability `right` on the validation rows, and its predictions beside it."""
    home = folder / "controls/elpv"
    home.mkdir(parents=True, exist_ok=True)
    report_tables.predictions(home / "defect.parquet", ["a", "b"], seed=5, model=name, target="defect")
    table, draw = pd.read_parquet(home / "defect.parquet"), np.random.default_rng(0)
    known = table["label"].notna()
    chance = np.where(draw.random(len(table)) < right, table["label"] == "b", table["label"] == "a") * 0.8 + 0.1
    said = pd.Series(np.where(chance > 0.5, "b", "a"), dtype="str").where(known)
    table = table.assign(prob_a=1 - chance, prob_b=chance, predicted=said)
    write_parquet(home / "defect.parquet", table)
    row = {"stage": "control", "dataset": "elpv", "target": "defect", "model": name, "backbone": None, "method": name}
    pd.DataFrame([row | {"seed": 0, "test_auroc": 0.6}]).to_csv(home / "defect.csv", index=False)
    return home / "defect.csv"


def spoil(home):
    """Let a model answer at random."""
    path = home / "defect/predictions.parquet"
    table, metadata = pd.read_parquet(path), pq.read_schema(path).metadata
    columns = ["predicted", "prob_a", "prob_b"]
    order = np.random.default_rng(3).permutation(len(table))
    table[columns] = table[columns].to_numpy(object)[order]
    table = table.astype({"prob_a": float, "prob_b": float})
    write_parquet(path, table, {key.decode(): value.decode() for key, value in metadata.items()})


@pytest.mark.parametrize(
    ("spoiled", "right", "said"),
    [
        (True, 1.0, "the control texture, which needs no pretrained network, is better on validation"),
        (False, 1.0, "not surely better than the control texture, which needs no pretrained network"),
        (False, 0.5, ""),
    ],
)
def test_a_control_is_a_row_and_one_that_is_not_beaten_is_named(tmp_path, spoiled, right, said):
    homes = [run(tmp_path, "solar.rn50.linear"), run(tmp_path, "solar.rn50.full", noise=1)]
    for home in homes if spoiled else ():
        spoil(home)
    table = summarize(tmp_path, homes, controls=[control(tmp_path, "texture", right)]).set_index("model")
    assert table.loc["texture", "stage"] == "control" and table.loc["texture", "choice"] == "control"
    assert table.loc["texture", "test_auroc"] == 0.6 and table["choice"].eq("best").sum() == 1
    gap = table.loc["texture"].filter(like="validation_gap").to_numpy(float)
    assert gap[1] <= gap[0] <= gap[2]
    words, page = (tmp_path / "words.txt").read_text(), (tmp_path / "index.html").read_text()
    assert ("texture" in words) == bool(said) and said in words and said in html.unescape(page)
    assert "controls/elpv/defect.csv" in page
    assert "make predict MODEL=texture" not in words


def summarize(folder, homes, tasks=(), lengths=(), zero_shot=(), controls=(), **farther):
    output = folder / "summary.csv"
    models, metrics = (
        [home / "ft_model.pt" for home in homes],
        [one for home in homes for one in home.glob("*/metrics.json")],
    )
    predictions = [path.with_name("predictions.parquet") for path in metrics]
    data = [data_set(folder, name, **farther) for name in ("elpv", "news")]
    samples, nearness = ([home / file for home in data] for file in ("samples.parquet", "nearness.json"))
    figures = {(one["model"], one["seed"]): one["figures"] for one in RUNS}
    index, words = output.with_name("index.html"), output.with_name("words.txt")
    paths = (output, index, words, folder / "logs")
    main(
        models,
        metrics,
        predictions,
        list(tasks),
        samples,
        nearness,
        list(lengths),
        SPLITS,
        TASKS,
        RUNS,
        figures,
        *paths,
        zero_shot=list(zero_shot),
        controls=list(controls),
    )
    return pd.read_csv(output)


def few_shot(folder, name, shots, test=0.5, validation=0.5, rows=60):
    """Files of a few-shot task that is right so often on test, and so often on validation queries."""
    home = folder / "few_shot" / name
    home.mkdir(parents=True)
    report_tables.few_shot(home / "metrics.json", shots=shots, start=test)
    right = np.arange(rows) < validation * rows
    queries = pd.DataFrame({"split": "validation", "episode": 0, "sample_id": [f"s{i:04d}" for i in range(rows)]})
    queries = queries.assign(label="a", predicted=np.where(right, "a", "b"), loss=np.where(right, 0.1, 2.0))
    write_parquet(home / "validation.parquet", pd.concat([queries.assign(shots=n) for n in shots], ignore_index=True))
    return home / "metrics.json"


def test_every_run_and_every_few_shot_setting_has_one_row(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear", seed) for seed in (0, 1)]
    homes.append(run(tmp_path, "small.tiny.kd", stage="distill"))
    task = few_shot(tmp_path, "topics.minilm.prototypes", (1, 5, 10))
    table = summarize(tmp_path, homes, [task])
    assert len(table) == 3 + 3
    assert not table.duplicated(["model", "seed", "target", "shots"]).any()
    assert sorted(table["stage"]) == ["distill", "few_shot", "few_shot", "few_shot", "finetune", "finetune"]
    few = table[table["stage"] == "few_shot"]
    assert list(few["shots"]) == [1, 5, 10]
    assert list(few["test_accuracy"]) == pytest.approx([0.5, 0.6, 0.7])
    assert set(few["seed"]) == {3} and set(few["dataset"]) == {"news"}


def test_metrics_stand_beside_their_intervals(tmp_path):
    row = summarize(tmp_path, [run(tmp_path, "solar.rn50.linear")]).iloc[0]
    assert (row["test_auroc"], row["test_auroc_low"], row["test_auroc_high"]) == pytest.approx((0.8, 0.75, 0.84))
    assert row["validation_accuracy"] == pytest.approx(0.8)
    assert row["temperature"] == 1.5


def test_parameters_are_those_of_backbone_and_head_without_buffers(tmp_path):
    row = summarize(tmp_path, [run(tmp_path, "solar.rn50.linear", classes=("a", "b", "c"))]).iloc[0]
    assert row["parameters"] == 100 + 3 * 4 + 3


def test_regression_rows_leave_the_columns_of_classes_empty(tmp_path):
    homes = [run(tmp_path, "sol.rn50.linear", kind="regression", target="size"), run(tmp_path, "solar.rn50.linear")]
    table = summarize(tmp_path, homes).set_index("model")
    assert np.isnan(table.loc["sol.rn50.linear", "test_accuracy"]) and np.isnan(
        table.loc["solar.rn50.linear", "test_r2"]
    )
    assert table.loc["sol.rn50.linear", "test_r2"] == pytest.approx(0.8)


def test_the_order_of_the_inputs_does_not_change_the_bytes(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear", seed) for seed in (0, 1, 2)]
    summarize(tmp_path, homes)
    before = (tmp_path / "summary.csv").read_bytes()
    summarize(tmp_path, homes[::-1])
    assert (tmp_path / "summary.csv").read_bytes() == before


def test_a_workflow_without_results_still_has_a_header(tmp_path):
    table = summarize(tmp_path, [])
    assert len(table) == 0 and list(table)[:4] == ["stage", "dataset", "target", "model"]


def test_the_page_and_the_last_words_name_the_model_to_take_with_its_interval_and_why(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear", 0), run(tmp_path, "small.tiny.kd", stage="distill", noise=1)]
    (tmp_path / "embed.tsv").write_text("s\tmax_rss\n60\t1200\n")
    (tmp_path / "another.tsv").write_text("s\tmax_rss\n6000\t9900\n")  # of another config in the same folder
    table = summarize(tmp_path, homes, []).set_index("model")
    words, page = ((tmp_path / name).read_text() for name in ("words.txt", "index.html"))
    (taken,) = table.index[table["choice"] == "best"]
    (other,) = table.index.drop(taken)
    for said in (words, html.unescape(re.sub(r"<[^>]+>", "", page))):
        assert f"{taken}: AUROC 0.800 [0.750, 0.840], accuracy 0.800 on test" in said
        assert f"on validation with {other}: AUROC" in said or f"of {other} (difference" in said
        assert "1 trained model took 60 s of work in 1 jobs, 1.2 GB" in said
    assert 'href="finetune/solar.rn50.linear/seed0/"' in page
    assert 'href="figures/finetune/solar.rn50.linear/seed0/defect/mistakes.html"' in page
    assert 'href="figures/data/elpv.html"' in page and "Everything" not in page


def test_the_figures_of_a_choice_are_those_of_validation_rows_alone(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear"), run(tmp_path, "solar.rn50.lp_ft", noise=1)]
    before = summarize(tmp_path, homes)
    for home in homes:
        table = pd.read_parquet(home / "defect/predictions.parquet")
        validation = table[table["split"] == "validation"]
        area = roc_auc_score(validation["label"] == "b", validation["prob_b"])
        row = before.set_index("model").loc[home.parent.name]
        leader = before.loc[before["validation_gap"] == 0, "model"].iloc[0]
        assert row["compared_by"] == "auroc" and (row["validation_gap"] == 0) == (home.parent.name == leader)
        if home.parent.name != leader:
            best = pd.read_parquet(tmp_path / "finetune" / leader / "seed0/defect/predictions.parquet")
            best = best[best["split"] == "validation"]
            gap = area - roc_auc_score(best["label"] == "b", best["prob_b"])
            assert row["validation_gap"] == pytest.approx(gap, abs=1e-12)
        rows = table["split"] == "test"
        table.loc[rows, "label"] = table.loc[rows, "label"].to_numpy()[::-1]
        metadata = {"target": "defect", "classes": '["a", "b"]', "model_digest": "d"}
        write_parquet(home / "defect/predictions.parquet", table, metadata)
    pd.testing.assert_frame_equal(before, summarize(tmp_path, homes))


def test_of_few_shot_tasks_the_one_that_is_better_on_validation_is_taken_by_the_shots_that_both_tried(tmp_path):
    tasks = [
        few_shot(tmp_path, "topics.minilm.prototypes", (1, 5, 10), test=0.9, validation=0.5),
        few_shot(tmp_path, "topics.minilm.ridge", (5, 10), test=0.4, validation=0.9),
    ]
    table = summarize(tmp_path, [], tasks)
    assert set(table.loc[table["choice"] == "best", "model"]) == {"topics.minilm.ridge"}
    words = (tmp_path / "words.txt").read_text()
    assert "topics.minilm.ridge: accuracy 0.400 / 0.500 on test at 5 / 10 shots" in words
    assert "the best on validation: accuracy 0.900 against 0.500 of topics.minilm.prototypes" in words


def test_of_wordings_the_one_that_is_better_on_validation_is_taken_and_said_with_what_it_is_worth(
    tmp_path, monkeypatch
):
    named = {"group": {"kind": "classification", "classes": ["a", "b"]}}
    monkeypatch.setattr(script, "read_manifest", with_targets(script.read_manifest, named))
    paths = [tmp_path / f"zero_shot/{name}.minilm.similarity/metrics.json" for name in ("names", "words")]
    report_tables.zero_shot(paths[0], accuracy=0.5, worth="less than 1")
    report_tables.zero_shot(paths[1], accuracy=0.9, worth="7.2")
    table = summarize(tmp_path, [], [few_shot(tmp_path, "topics.minilm.prototypes", (1, 5))], zero_shot=paths)
    rows = table[table["stage"] == "zero_shot"].set_index("model")
    assert rows["choice"].to_dict() == {"names.minilm.similarity": "behind", "words.minilm.similarity": "best"}
    assert rows["shots_worth"].to_dict() == {"names.minilm.similarity": "less than 1", "words.minilm.similarity": "7.2"}
    assert (
        rows.loc["words.minilm.similarity", "test_accuracy"] == pytest.approx(0.9)
        and rows["temperature"].eq(0.03).all()
    )
    words, page = (tmp_path / "words.txt").read_text(), (tmp_path / "index.html").read_text()
    assert "news, zero-shot, group  words.minilm.similarity: accuracy 0.900" in words
    assert "as good as 7.2 labelled examples per class" in words
    assert "news, group, zero-shot" in page and "<th>shots for the same accuracy</th>" in page
    assert 'href="zero_shot/words.minilm.similarity/"' in page


def with_targets(read, targets):
    """`read`, whose manifests have these targets."""
    return lambda path: replace(read(path), targets=targets)


def test_what_makes_figures_doubtful_stands_in_the_last_words_and_on_the_page(tmp_path):
    home = run(tmp_path, "solar.rn50.linear")
    metrics = json.loads((home / "defect/metrics.json").read_text())
    metrics["validation"]["accuracy"] = {"value": 1.0, "low": 0.94, "high": 1.0}
    metrics["test"]["accuracy"] = {"value": 0.57, "low": 0.47, "high": 0.66}
    write_json(home / "defect/metrics.json", metrics)
    lengths = tmp_path / "data/news/minilm.lengths.json"
    facts = {
        "backbone": "minilm",
        "max_length": 128,
        "limit": 512,
        "texts": 60,
        "cut": 60,
        "longest": 605,
        "seen": 0.21,
    }
    write_json(lengths, facts | {"proposed": 512, "still_cut": 60})
    summarize(tmp_path, [home], lengths=[lengths], test={"value": 0.8, "low": 0.75, "high": 0.85})
    for name in ("words.txt", "index.html"):
        said = html.unescape((tmp_path / name).read_text())
        assert "elpv, defect, solar.rn50.linear: accuracy is 1.000 on validation and 0.570 on test (0.430 lower" in said
        assert "elpv: validation rows are much nearer" in said and "validation 0.825, test 0.580" in said
        assert "news: 60 of 60 texts are longer than the 128 tokens" in said


def test_models_of_one_kind_stand_in_one_table_without_empty_columns(tmp_path):
    homes = [run(tmp_path, "sol.rn50.linear", kind="regression", target="size"), run(tmp_path, "solar.rn50.linear")]
    summarize(tmp_path, homes, [few_shot(tmp_path, "topics.minilm.prototypes", (1, 5))])
    page = (tmp_path / "index.html").read_text()
    tables = re.findall(r"<h3>(.*?)</h3>.*?<tr>(.*?)</tr>", page, re.DOTALL)
    columns = {name: re.findall(r"<th[^>]*>(.*?)</th>", head) for name, head in tables}
    assert columns["elpv, size"] == ["model", "R²", "RMSE", "MAE"]
    assert "R²" not in columns["elpv, defect"] and "shots" in columns["news, group, few-shot"]
    assert not re.search(r'<td class="number"><br>', page)


def test_models_of_a_domain_are_compared_with_those_of_their_entry_alone():
    table = pd.DataFrame(
        {
            "stage": ["finetune", "adapt", "adapt", "adapt", "zero_shot", "few_shot", "ensemble"],
            "model": [
                "a.b.linear",
                "here.b.coral",
                "here.b.source_only",
                "there.b.coral",
                "z.b.nli",
                "f.b.ridge",
                "e.ensemble.mean",
            ],
        }
    )
    found = ["", "adapted, here", "adapted, here", "adapted, there", "zero-shot", "few-shot", ""]
    assert compared_among(table).tolist() == found
