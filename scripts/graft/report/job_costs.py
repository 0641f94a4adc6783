"""What jobs took, out of Snakemake's benchmark files; their energy, out of their logs."""

import json
from pathlib import Path

import pandas as pd

from graft.common.energy import SAID
from graft.report.costs import duration


def measured(path):
    """Seconds and peak memory (MB) out of a benchmark file; None where it is not there."""
    try:
        last = pd.read_csv(path, sep="\t").iloc[-1]
        values = pd.to_numeric(last.reindex(["s", "max_rss"]), errors="coerce")
    except (OSError, pd.errors.EmptyDataError, IndexError):
        values = [None, None]
    return dict(zip(("seconds", "max_rss_mb"), values, strict=True))


def energy_of(log):
    """Joules out of the log of a job: dict with processor_j and gpu_j; None where the machine did not count them."""
    try:
        lines = [line for line in Path(log).read_text(encoding="utf-8", errors="replace").splitlines() if SAID in line]
        found = json.loads(lines[-1].split(SAID)[1])
    except (OSError, IndexError, ValueError):
        found = {}
    return {f"{kind}_j": found.get(kind) for kind in ("processor", "gpu")}


def watt_hours(each):
    """The energy of jobs in words; "" if it is not known of every one. `each`: what energy_of gave."""
    counted = [[joules for joules in one.values() if not pd.isna(joules)] for one in each]
    if not counted or not all(counted):
        return ""
    hours = sum(map(sum, counted)) / 3600
    number, unit = (hours / 1000, "kWh") if hours >= 1000 else (hours, "Wh")
    return f"{float(f'{number:.2g}'):,g} {unit}"


def costs_of_models(runs, benchmarks, logs):
    """What each trained model took: dict, model -> time and energy of all its jobs in words, averaged over its seeds.

    Parameters
    ----------
    runs : list of dict with model, seed and jobs: step -> names of its jobs, as their benchmark files are called
    benchmarks, logs : folders of these files, and of the jobs' logs; a job without a benchmark file counts as not measured
    """
    found = {}
    for run in runs:
        for name in (name for names in run["jobs"].values() for name in names):
            seconds = measured(Path(benchmarks, f"{name}.tsv"))["seconds"]
            if seconds is not None and not pd.isna(seconds):
                own = found.setdefault(run["model"], {}).setdefault(run["seed"], [])
                own.append({"seconds": seconds, **energy_of(Path(logs, f"{name}.log"))})
    return {model: _in_words(list(seeds.values())) for model, seeds in found.items()}


def _in_words(seeds):
    """Time and energy of a model; `seeds` is a list per seed of its jobs."""
    jobs = [job for own in seeds for job in own]
    time = duration(sum(job["seconds"] for job in jobs) / len(seeds))
    each = [{kind: job[kind] and job[kind] / len(seeds) for kind in ("processor_j", "gpu_j")} for job in jobs]
    return ", ".join(filter(None, (time, watt_hours(each))))
