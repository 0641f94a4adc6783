"""The end of a run: what failed is said last, with its reason and the path of its log."""

import pandas as pd

from graft.closing import results
from graft.reasons import reasons

SNAKEMAKE = """
[Tue Nov 24 00:18:33 2026]
Error in rule prepare_data:
    message: None
    jobid: 1
    output: results/data/cells/samples.parquet
    log: {log} (check log file(s) for error details)
Error in rule embed:
    message: Embedding
    jobid: 2
    log: {other}, logs/embed/a.json (check log file(s) for error details)
Exiting because a job execution failed. Look above for error messages
"""


def test_every_failed_job_is_named_with_its_reason_alone_and_its_log(tmp_path):
    user, bug, snakemake = (tmp_path / name for name in ("user.log", "bug.log", "snakemake.log"))
    user.write_text(
        "00:18:30 cells: 800 rows\n00:18:33 graft cannot go on:\ntable.csv: no header\n    hint:    add one\nThe whole log: x\n"
    )
    bug.write_text(
        'Traceback (most recent call last):\n  File "x.py", line 1\nKeyError: 7\n\nThis is a fault in graft, not in your data or config. The whole log: y\n'
    )
    snakemake.write_text(SNAKEMAKE.format(log=user, other=bug))
    said = reasons([snakemake])
    assert "prepare_data failed: table.csv: no header\n    hint:    add one\n" in said and "800 rows" not in said
    assert "embed failed: KeyError: 7" in said and "Traceback" not in said
    assert f"log: {user}" in said and f"log: {bug}" in said


def test_a_job_that_was_killed_before_it_could_say_why(tmp_path):
    snakemake = tmp_path / "snakemake.log"
    snakemake.write_text(SNAKEMAKE.format(log=tmp_path / "none.log", other=tmp_path / "none2.log"))
    assert "may have been killed" in reasons([snakemake])


def test_a_run_without_failures_has_no_reasons(tmp_path):
    (tmp_path / "log").write_text("4 of 4 steps (100%) done\n")
    assert reasons([tmp_path / "log"]) == ""


def models(**figures):
    """A summary of models on one data set: name -> (validation AUROC, test AUROC)."""
    shared = {"stage": "finetune", "dataset": "elpv", "target": "defect", "backbone": "b", "method": "lp_ft", "seed": 0}
    return pd.DataFrame(
        [
            shared
            | {"model": name, "test_auroc": test, "test_auroc_low": test - 0.1, "test_auroc_high": test + 0.1}
            | ({} if validation is None else {"validation_auroc": validation})
            for name, (validation, test) in figures.items()
        ]
    )


def test_the_best_model_is_chosen_on_validation_data_and_shown_with_its_test_figure(tmp_path):
    models(lucky=(0.7, 0.9), sound=(0.8, 0.85)).to_csv(tmp_path / "summary.csv", index=False)
    ((_, model, sentence),) = results(tmp_path / "summary.csv", tmp_path, [])["best"]
    assert model == "sound" and sentence == "AUROC 0.850 [0.750, 0.950] on test, chosen on validation"


def test_without_validation_figures_the_choice_on_test_is_said(tmp_path):
    models(worse=(None, 0.7), better=(None, 0.9)).to_csv(tmp_path / "summary.csv", index=False)
    ((_, model, sentence),) = results(tmp_path / "summary.csv", tmp_path, [])["best"]
    assert model == "better" and sentence.endswith("on test, chosen on test")
