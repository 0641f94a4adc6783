"""Draw what each trained model cost beside how good it is, from the benchmark files of its jobs.

This is the only result that shows durations: it alone differs between two runs with equal results.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from graft.common.job import job
from graft.common.outputs import read_json, write_csv
from graft.evaluation.metrics import UNDEFINED
from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS, compared_among
from graft.report.job_costs import energy_of, measured, watt_hours
from graft.report.last_words import RANKED_BY
from graft.report.plots import PALETTE, beside, draw, head, say_empty, shorten, thin

STEPS = {  # what a model's time goes into -> colour
    "embedding by the pretrained network": PALETTE[5],
    "training": PALETTE[0],
    "embedding by the trained network": PALETTE[2],
    "prediction": PALETTE[4],
}
ROUND_TIMES = (1, 2, 5, 10, 20, 30, *(60 * m for m in (1, 2, 5, 10, 20, 30)), *(3600 * 2**i for i in range(12)))
MOST = 40  # models of one data set and target; of more, the best on validation are drawn


def main(summary, runs, benchmarks, logs, figure, table):
    """Draw every trained model of a run.

    Parameters
    ----------
    summary : path of summary.csv
    runs : list of dict with model, seed and jobs: step -> names of its jobs, as their benchmark files are called
    benchmarks : folder of the benchmark files; a job without one counts as not measured
    logs : folder of the jobs' logs, and of what embedding jobs counted
    figure, table : paths; the table holds what was found, one row per job
    """
    found = pd.DataFrame([row for run in runs for row in rows_of(run, Path(benchmarks), Path(logs))], columns=COLUMNS)
    write_csv(table, found)
    panels = panels_of(pd.read_csv(summary), found)
    heights = [1.0 + 0.5 * max(4, len(panel["models"])) for panel in panels]
    title = "what each model cost, and how good it is"
    words = " ".join(describe(panel) for panel in panels) or "No trained model."
    size = (9.6, 0.8 + sum(heights or [2.0]))
    draw(figure, size, title, words, lambda one: paint(one, panels, heights, title))


COLUMNS = ["model", "seed", "step", "job", "seconds", "max_rss_mb", "forwards", "processor_j", "gpu_j"]


def rows_of(run, benchmarks, logs):
    """One row per job of a trained model; what was not measured is NaN."""
    for step, jobs in run["jobs"].items():
        for name in jobs:
            row = {"model": run["model"], "seed": run["seed"], "step": step, "job": name}
            row |= measured(benchmarks / f"{name}.tsv") | energy_of(logs / f"{name}.log")
            yield row | {"forwards": forwards_of(logs / f"{name}.json")}


def forwards_of(path):
    """Samples that an embedding job sent through its network; None for jobs of other kinds."""
    return read_json(path)["forwards"] if path.exists() else None


def panels_of(summary, found):
    """One dict per models that are comparable: name, metric, and these: the one to take first, then by validation."""
    trained = summary[~summary["stage"].isin((*TASKS, CONTROL))]
    panels = []
    for names, rows in trained.groupby([trained["dataset"], trained["target"], compared_among(trained)]):
        metric = next((one for one in RANKED_BY if rows.get(f"test_{one}", pd.Series()).notna().any()), None)
        models = [model_of(name, part, found, metric) for name, part in rows.groupby("model")]
        models.sort(key=lambda one: (not one["taken"], -one["validation"], one["name"]))
        panels.append({"name": ", ".join(filter(None, names)), "metric": metric, "models": models})
    return panels


def model_of(name, rows, found, metric):
    """Cost and quality of a model, averaged over its seeds (memory: the most of any)."""
    jobs = found[(found["model"] == name) & found["seed"].isin(rows["seed"])]
    jobs = jobs[jobs["seconds"].notna()]
    quality = dict(UNDEFINED)
    if metric is not None and rows[f"test_{metric}"].notna().any():
        ends = {"value": "", "low": "_low", "high": "_high"}
        quality = {key: float(rows[f"test_{metric}{end}"].mean()) for key, end in ends.items()}
    validation = rows.get(f"validation_{metric}", pd.Series(dtype=float)).mean()
    return {
        "name": name,
        "taken": rows.get("choice", pd.Series(dtype=object)).eq("best").any(),
        "validation": -np.inf if np.isnan(validation) else validation,  # the order, since test metrics choose nothing
        "seeds": len(rows),
        "quality": quality,
        "seconds": {step: part["seconds"].sum() / len(rows) for step, part in jobs.groupby("step")},
        "total": jobs["seconds"].sum() / len(rows) if len(jobs) else None,
        "memory": jobs["max_rss_mb"].max() if jobs["max_rss_mb"].notna().any() else None,
        "forwards": jobs["forwards"].sum() / len(rows) if jobs["forwards"].notna().any() else None,
        "energy": watt_hours((jobs[["processor_j", "gpu_j"]].astype(float) / len(rows)).to_dict("records")),
    }


def describe(panel):
    """A panel in words."""
    each = [f"{one['name']}: {quality_of(panel, one)}, {cost_of(one)}" for one in panel["models"]]
    return f"{panel['name']}: {'; '.join(each)}."


def quality_of(panel, model):
    value = model["quality"]["value"]
    return "no test metric" if value is None else f"{METRIC_NAMES[panel['metric']]} {value:.3f}"


def cost_of(model):
    """Time, memory, energy and forwards in words."""
    if model["total"] is None:
        return "not measured"
    words = [duration(model["total"])]
    words += [] if model["memory"] is None else [f"{model['memory'] / 1000:.1f} GB"]
    words += [model["energy"]] if model["energy"] else []
    words += [] if model["forwards"] is None else [f"{model['forwards']:,.0f} samples embedded"]
    return ", ".join(words)


def duration(seconds):
    """Seconds as people say them: 45 s, 12 min 5 s, 3 h 20 min."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60} s".removesuffix(" 0 s")
    return f"{seconds // 3600} h {seconds % 3600 // 60} min".removesuffix(" 0 min")


def paint(figure, panels, heights, title):
    squares = [(f"■ {step}", colour) for step, colour in STEPS.items()]
    head(figure, title, *squares)
    if not panels:
        return say_empty(figure.add_subplot(), "no trained model")
    grid = figure.subplots(len(panels), 2, squeeze=False, width_ratios=[1.35, 1], height_ratios=heights)
    for (left, right), panel in zip(grid, panels, strict=True):
        models = panel["models"][:MOST]
        more = f" (the best {MOST} on validation of {len(panel['models'])})" if len(panel["models"]) > MOST else ""
        left.set_title(panel["name"] + more)
        paint_costs(left, models)
        paint_quality(right, panel, models)


def paint_costs(axes, models):
    """A numbered row per model: its name, and a bar of its time, step after step."""
    longest = max((one["total"] or 0.0 for one in models), default=0.0) or 1.0
    for place, (one, name) in enumerate(zip(models, shorten([one["name"] for one in models], 52), strict=True)):
        seeds = f" (mean of {one['seeds']} seeds)" if one["seeds"] > 1 else ""
        axes.text(0, place - 0.22, f"{place + 1}  {name}{seeds}", fontsize=8, va="bottom")
        start = 0.0
        for step, colour in STEPS.items():
            seconds = one["seconds"].get(step, 0.0)
            axes.barh(place, seconds, 0.36, left=start, color=colour)
            start += seconds
        beside(axes, start, place, cost_of(one), fontsize=7.5)
    axes.set_xlim(0, 2.1 * longest)  # room for the words after the longest bar
    axes.set_ylim(max(4, len(models)) - 0.5, -0.7)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.spines[["left", "bottom"]].set_visible(False)


def paint_quality(axes, panel, models):
    """Quality against time: a point with its interval and its number per model."""
    shown = [(i, one) for i, one in enumerate(models) if one["total"] and one["quality"]["value"] is not None]
    if not shown:
        return say_empty(axes, "no model has both a test metric and a measured time")
    for i, one in shown:
        value, low, high = (one["quality"][key] for key in ("value", "low", "high"))
        error = [[max(0.0, value - low)], [max(0.0, high - value)]] if low == low and low is not None else None
        axes.errorbar(one["total"], value, error, fmt="o", color=PALETTE[0], capsize=2.5, elinewidth=1.2)
        axes.annotate(f"{i + 1}", (one["total"], value), (5, 4), textcoords="offset points", fontsize=8)
    times = [one["total"] for _, one in shown]
    low, high = 0.5 * min(times), 2 * max(times)
    ticks = [time for time in ROUND_TIMES if low <= time <= high]
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    axes.set_xticks([ticks[i] for i in thin(len(ticks), 6)])
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, position: duration(value))
    axes.set_ylim(top=min(axes.get_ylim()[1], 1.02))  # none of RANKED_BY is ever larger than 1
    axes.set(xlabel="time of all its jobs", ylabel=f"test {METRIC_NAMES[panel['metric']]}")
    axes.grid(True)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            summary=snakemake.input.summary,
            runs=snakemake.params.runs,
            benchmarks=Path(snakemake.log.costs).parent,
            logs=Path(snakemake.log[0]).parent,
            figure=snakemake.output.figure,
            table=snakemake.log.costs,
        )
