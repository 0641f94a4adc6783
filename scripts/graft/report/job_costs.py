"""What jobs took, out of Snakemake's benchmark files."""

from pathlib import Path

import pandas as pd

from graft.report.costs import duration


def measured(path):
    """Seconds and peak memory (MB) out of a benchmark file; None where it is not there."""
    try:
        last = pd.read_csv(path, sep="\t").iloc[-1]
        values = pd.to_numeric(last.reindex(["s", "max_rss"]), errors="coerce")
    except (OSError, pd.errors.EmptyDataError, IndexError):
        values = [None, None]
    return dict(zip(("seconds", "max_rss_mb"), values, strict=True))


def costs_of_models(runs, benchmarks):
    """What each trained model took: dict, model -> seconds of all its jobs, averaged over its seeds.

    Parameters
    ----------
    runs : list of dict with model, seed and jobs: step -> names of its jobs, as their benchmark files are called
    benchmarks : folder of these files; a job without one counts as not measured
    """
    found = {}
    for run in runs:
        times = [
            measured(Path(benchmarks, f"{name}.tsv"))["seconds"] for names in run["jobs"].values() for name in names
        ]
        found.setdefault(run["model"], []).append(sum(time for time in times if time is not None))
    return {model: sum(times) / len(times) for model, times in found.items()}


def seconds_of(seconds):
    """Seconds in words; "" for None or nothing measured."""
    return duration(seconds) if seconds else ""
