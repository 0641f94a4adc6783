"""results/summary.csv: one row per result, the same bytes every time."""

import numpy as np
import pandas as pd
import pytest
import torch

import report_tables
from summarize import main

TASKS = {
    "topics.minilm.prototypes": {
        "dataset": "news",
        "target": "group",
        "backbone": "minilm",
        "method": "prototypes",
        "seed": 3,
    }
}

RUNS = [{"model": "solar.rn50.linear", "seed": 0, "jobs": {"training": ["embed"], "prediction": ["predict"]}}]


def run(folder, model, seed=0, stage="finetune", kind="classification", classes=("a", "b")):
    """Files of a trained model: 100 parameters in the backbone, and a head on 4 features."""
    home = folder / stage / model / f"seed{seed}"
    home.mkdir(parents=True)
    facts = {"kind": kind, "classes": list(classes), "temperature": 1.5} if kind == "classification" else {"kind": kind}
    outputs = len(classes) if kind == "classification" else 1
    content = {
        "name": model,
        "seed": seed,
        "method": model.split(".")[2],
        "dataset": "elpv",
        "targets": {"defect": facts},
        "backbone": {"name": model.split(".")[1], "parameters": 100},
        "state_dict": {
            "heads.defect.weight": torch.zeros(outputs, 4),
            "heads.defect.bias": torch.zeros(outputs),
            "backbone.running_mean": torch.zeros(7),
        },
    }
    torch.save(content, home / "ft_model.pt")
    report_tables.metrics(home / "metrics.json", kind)
    return home


def summarize(folder, homes, tasks=()):
    output = folder / "summary.csv"
    models, metrics = ([h / file for h in homes] for file in ("ft_model.pt", "metrics.json"))
    index, words = output.with_name("index.html"), output.with_name("words.txt")
    main(models, metrics, list(tasks), TASKS, RUNS, output, index, words)
    return pd.read_csv(output)


def test_every_run_and_every_few_shot_setting_has_one_row(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear", seed) for seed in (0, 1)]
    homes.append(run(tmp_path, "small.tiny.kd", stage="distill"))
    task = tmp_path / "few_shot" / "topics.minilm.prototypes" / "metrics.json"
    report_tables.few_shot(task, shots=(1, 5, 10))
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
    homes = [run(tmp_path, "sol.rn50.linear", kind="regression"), run(tmp_path, "solar.rn50.linear")]
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


def test_the_page_and_the_last_words_name_the_best_model_with_its_interval(tmp_path):
    homes = [run(tmp_path, "solar.rn50.linear", 0), run(tmp_path, "small.tiny.kd", stage="distill")]
    table = summarize(tmp_path, homes, [])
    (tmp_path / "embed.tsv").write_text("s\tmax_rss\n60\t1200\n")
    (tmp_path / "another.tsv").write_text("s\tmax_rss\n6000\t9900\n")  # of another config in the same folder
    table = summarize(tmp_path, homes, [])
    column = "test_auroc" if "test_auroc" in table else "test_accuracy"
    best = table.loc[table[column].idxmax()]
    words, page = ((tmp_path / name).read_text() for name in ("words.txt", "index.html"))
    for said in (words, page):
        assert f"{best[column]:.3f} [{best[f'{column}_low']:.3f}, {best[f'{column}_high']:.3f}]" in said
        assert "1 trained model took 60 s of work in 1 jobs, 1.2 GB" in said
    assert all(f'href="{row.stage}/{row.model}/"' in page for row in table.itertuples())
