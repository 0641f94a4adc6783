"""The README's table: paired by split, goals beside it, and a gap is shown as a gap."""

import numpy as np
import pandas as pd

import write_results


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
                    "test_accuracy_low": value,
                    "test_accuracy_high": value,
                }
            )
    return pd.DataFrame(rows).sample(frac=1, random_state=0)


def line(table, text):
    return next(line for line in table.splitlines() if text in line)


def test_differences_are_paired_by_split_whatever_the_order_of_the_rows():
    base = np.array([0.80, 0.85, 0.90, 0.95, 0.99])
    table = write_results.table(summary({("solar-", "linear"): base, ("solar-", "lp_ft"): base + 0.01}))
    assert "+0.010 [+0.010, +0.010]" in line(table, "paired")
    assert "0.898 [" in line(table, "`linear`")


def test_a_model_that_did_not_run_is_said_so():
    table = write_results.table(summary({("solar-", "linear"): [0.9, 0.8]}))
    assert "not measured" in line(table, "the same, `lp_ft`") and "not measured" in line(table, "distilled over alone")


def test_only_what_stands_between_the_markers_is_replaced(tmp_path):
    readme, csv = tmp_path / "README.md", tmp_path / "summary.csv"
    readme.write_text(f"before\n{write_results.BEGIN}\nold\n{write_results.END}\nafter\n")
    summary({("solar-", "linear"): [0.9, 0.8]}).to_csv(csv, index=False)
    write_results.main(csv, readme)
    text = readme.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
