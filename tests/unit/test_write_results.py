"""The table of results: paired by split, intervals that hold elsewhere, and a gap is shown as a gap."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from benchmarks import write_results
from graft.common.outputs import write_json


def summary(models):
    rows = []
    for (entry, method), values in models.items():
        for split, value in enumerate(values):
            rows.append(
                {
                    "stage": "finetune",
                    "dataset": f"elpv-{split}",
                    "model": f"{entry}elpv-{split}.b.{method}",
                    "method": method,
                    "seed": 0,
                    "shots": np.nan,
                    "test_auroc": value,
                    "test_accuracy": value,
                    "test_accuracy_low": value - 0.02,
                    "test_accuracy_high": value + 0.01,
                }
            )
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def line(table, text):
    return next(line for line in table.splitlines() if text in line)


def test_differences_are_paired_by_split_whatever_the_order_of_the_rows():
    base = np.array([0.80, 0.85, 0.90, 0.95, 0.99])
    table = write_results.table(
        write_results.results(summary({("solar-", "linear"): base, ("solar-", "lp_ft"): base + 0.01}), 0.3)
    )
    assert "+0.010 [+0.010, +0.010]" in line(table, "paired")
    assert "0.898 [" in line(table, "`linear`")


def test_an_ensemble_is_held_against_the_member_that_is_better_on_the_test_rows_of_each_split():
    one, other = np.array([0.80, 0.90, 0.85]), np.array([0.90, 0.80, 0.86])
    both = np.maximum(one, other) + 0.005
    models = {("solar-", "linear"): one, ("wide-", "linear"): other, ("both-", "mean"): both}
    table = write_results.table(write_results.results(summary(models), 0.3))
    assert "+0.005 [+0.005, +0.005]" in line(table, "the ensemble over the better")
    del models["wide-", "linear"]
    table = write_results.table(write_results.results(summary(models), 0.3))
    assert "not measured" in line(table, "the ensemble over the better")


def test_the_overlap_of_the_splits_widens_their_interval(tmp_path):
    for split in range(2):
        card = {"counts": {"train": 1706, "validation": 393, "test": 525}}
        write_json(tmp_path / "data" / f"elpv-{split}" / "data_card.json", card)
    write_json(tmp_path / "data" / "news" / "data_card.json", {"counts": {"train": 1, "test": 100}})
    ratio = write_results.overlap(tmp_path / "data")
    assert ratio == pytest.approx(525 / 1706)
    values = np.array([0.88, 0.89, 0.90, 0.91, 0.92])
    half = stats.t.ppf(0.975, 4) * values.std(ddof=1) * np.sqrt(1 / 5 + ratio)
    table = write_results.table(write_results.results(summary({("solar-", "linear"): values}), ratio))
    assert f"0.900 [{0.9 - half:.3f}, {0.9 + half:.3f}]" in line(table, "`linear`")


def test_three_equal_seeds_are_as_uncertain_as_the_test_rows():
    one = summary({("topics.", "linear"): [0.933] * 3}).assign(dataset="news", seed=[0, 1, 2])
    assert "0.933 [0.913, 0.943]" in line(write_results.table(write_results.results(one, 0.3)), "128 tokens")
    without = one.assign(test_accuracy_low=np.nan, test_accuracy_high=np.nan)
    assert "| 0.933 (no interval) |" in line(
        write_results.table(write_results.results(without.iloc[:1], 0.3)), "128 tokens"
    )


def test_a_model_that_did_not_run_is_said_so():
    table = write_results.table(write_results.results(summary({("solar-", "linear"): [0.9, 0.8]}), 0.3))
    assert "not measured" in line(table, "the same, `lp_ft`") and "not measured" in line(table, "distilled over alone")


def test_only_what_stands_between_the_markers_is_replaced(tmp_path):
    csv, files = tmp_path / "summary.csv", [tmp_path / "results.md", tmp_path / "README.md"]
    for file in files:
        file.write_text(f"before\n{write_results.BEGIN}\nwhat stood here\n{write_results.END}\nafter\n")
    summary({("solar-", "linear"): [0.9, 0.8]}).to_csv(csv, index=False)
    write_results.main(csv, *files)
    page, readme = (file.read_text() for file in files)
    for text in (page, readme):
        assert text.startswith("before\n") and text.endswith("\nafter\n") and "what stood here" not in text
    main = [line for line in readme.splitlines() if line.startswith("|")][2:]
    assert len(main) == 6 and all(line.split("|")[3].split()[-1] in page for line in main)
