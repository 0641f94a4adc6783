"""Run graft as a user does, in a folder of the test's own, and see which jobs ran."""

import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import warm_jobs

ROOT = Path(__file__).resolve().parent.parent
CACHE = Path(os.environ.get("GRAFT_TEST_CACHE") or ROOT / "tests/.cache").absolute()  # of what is fetched

# How what each rule says when it starts (its `message:`) begins, a pattern, so that a run's output tells which rules ran.
MESSAGES = {
    "fetch_dataset": "Fetching data set",
    "fetch_backbone": "Fetching backbone",
    "prepare_data": "Preparing data set",
    "fit_preprocessing": "Fitting the preprocessing",
    "find_near_duplicates": "Looking for near copies",
    "embed": "Embedding",
    "finetune": "Fine-tuning",
    "finetune_fold": "Training",
    "finetune_subset": "Learning from",
    "plan_search": "Planning the search",
    "try_settings": "Trying settings",
    "choose_settings": "Choosing the settings",
    "adapt": "Adapting",
    "distill": "Distilling",
    "compare": r"Comparing \S+ with",
    "compare_models": "Comparing the models",
    "compare_groups": "Comparing the groups",
    "predict": r"Predicting \S+ with",
    "ensemble": "Making the ensemble",
    "combine": "Combining what the members",
    "predict_files": "Predicting new data",
    "rank_backbones": "Ranking the backbones",
    "fit_controls": "Fitting the controls",
    "find_label_issues": "Looking for wrong labels",
    "order_pool": "Ordering the pool",
    "show_pool": "Making the page on which",
    "fit_curves": "Measuring the learning curve",
    "few_shot": "Few-shot episodes",
    "zero_shot": "Zero-shot classes",
    "track": "Sending what is new",
}


def graft(
    folder,
    config=None,
    *arguments,
    check=True,
    env=None,
    timeout=3600,
    snakefile=ROOT / "Snakefile",
    cwd=None,
    warm=True,
    python=sys.executable,
):
    """Run the workflow in `folder` with the YAML file `config`; its jobs start `warm` (see warm_jobs) or as users' do.
    Snakemake is that of `python`.

    Returns
    -------
    SimpleNamespace with returncode, output (stdout and stderr) and jobs: dict, rule -> list of its messages
    """
    command = [str(python), "-m", "snakemake", "--snakefile", str(snakefile), "--directory", str(folder)]
    command += ["--configfile", str(config)] if config else []
    command += ["--cores", "2", "--rerun-incomplete", "--nocolor"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
    done = subprocess.run(
        [*command, *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
        env=warm_jobs.environment(environment) if warm else environment,
    )
    output = done.stdout + done.stderr
    if check and done.returncode:
        raise AssertionError(f"snakemake ended with {done.returncode}:\n{output[-6000:]}")
    return SimpleNamespace(returncode=done.returncode, output=output, jobs=jobs_of(output))


def jobs_of(output):
    """Messages of the jobs that ran, by rule."""
    said = re.findall(r"^Job \d+: (.*)$", output, re.MULTILINE)
    return {
        rule: [line for line in said if re.match(start, line)]
        for rule, start in MESSAGES.items()
        if any(re.match(start, line) for line in said)
    }


def bytes_of(folder):
    """Content of every result file, by relative path, for comparing two runs."""
    folder = Path(folder)
    files = (
        path
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def environment_for_make(folder):
    """Make the new folder an environment as `make` finds it ready, whose programs are those of the tests."""
    folder.mkdir()
    for part in Path(sys.prefix).iterdir():
        (folder / part.name).symlink_to(part)
    said = subprocess.run(["make", "-pn", "env", f"VENV={folder}"], cwd=ROOT, capture_output=True, text=True)
    ready = Path(re.search(r"^READY := (.*)$", said.stdout, re.MULTILINE)[1])
    if not ready.exists():
        ready.touch()
    return folder
