"""The last words of a run: where the results are, the models to take and why, what it cost, what to do next."""

import math
from pathlib import Path

import pandas as pd

from graft.evaluation.caveats import gap_in_words
from graft.evaluation.metrics import headline
from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS
from graft.report.costs import duration
from graft.report.job_costs import measured

RANKED_BY = (
    "quadratic_kappa",
    "map",
    "auroc",
    "balanced_accuracy",
    "accuracy",
    "r2",
)  # the first that a model has; larger is better


def results(table, choices, counts, doubts, benchmarks, runs, quick=False, pool=False):
    """Facts about a finished run.

    Parameters
    ----------
    table : DataFrame, summary.csv
    choices : dict, (dataset, target) -> what choosing.choose gave; and (dataset, "few-shot, N ways") and (dataset,
        "zero-shot, TARGET") for tasks, (dataset, "adapted, ENTRY") for what a validator, "by", chose
    counts : dict, (dataset, target) -> class -> labelled test rows, or None for a value
    doubts : list of caveats.Doubt
    benchmarks : folder of the jobs' benchmark files
    runs : list of dict with "jobs": step -> benchmark files of one trained model, without their ending, and "library", that of its
        backbone
    quick : bool, whether it was a quick look
    pool : bool, whether rows without a label were put in order

    Returns
    -------
    dict with "best": list of dict (what, model, figures, chosen), "doubts", "cost": str, "next": list of (command, what)
    """
    best = []
    for (dataset, target), choice in choices.items():
        rows = table[(table["dataset"] == dataset) & (table["model"] == choice["model"])]
        of_target = rows["target"] == target
        rows = rows[of_target] if of_target.any() else rows  # the name of a task, or of an entry of adapt, is no target
        is_task = len(rows) > 0 and (rows["stage"] == "few_shot").all()
        said = _few_shot(rows) if is_task else figures(rows, counts.get((dataset, target))) + _worth(rows)
        one = {
            "what": f"{dataset}, {target}",
            "model": choice["model"],
            "figures": said,
            "chosen": how_chosen(choice),
        }
        best.append(one)
    trained = table[~table["stage"].isin((*TASKS, CONTROL))]
    facts = {"best": best, "doubts": list(doubts), "cost": _cost(benchmarks, runs)}
    trains = "vectors" not in {run.get("library") for run in runs}
    return facts | {"next": _next(trained, best, quick, trains, pool)}


def block(facts, folder, quick=False):
    """`results` as lines for a terminal."""
    width = max((len(one["what"]) for one in facts["best"]), default=0)
    lines = [f"Results: {folder}/index.html (a table of all: {folder}/summary.csv)"]
    for one in facts["best"]:
        lines.append(f"  {one['what']:<{width}}  {one['model']}: {one['figures']}")
        lines += [f"  {'':<{width}}  {one['chosen']}"] if one["chosen"] else []
    lines += ["Worth knowing:"] if facts["doubts"] else []
    lines += [f"  {one.what}: {one.said}" for one in facts["doubts"]]
    lines += [f"Cost: {facts['cost']}"]
    if quick:
        lines.append("A quick look at few samples: it shows that everything works together; the numbers mean nothing.")
    widest = max(len(command) for command, _ in facts["next"])
    lines += ["Next:", *(f"  {command:<{widest}}  {what}" for command, what in facts["next"])]
    return "\n".join(lines)


def how_chosen(choice):
    """Why a model was taken, with the numbers; "" where there was nothing to choose.

    Parameters
    ----------
    choice : what choosing.choose gave
    """
    by, table = choice["by"], choice.get("table")
    if by == "alone":
        return ""
    if table is None:
        return f"chosen by {by}, without labels of the target{_gained(choice['gain'])}"
    if by == "rows":
        return f"not chosen: there is no {choice['split']} row to compare {len(table)} models by; this is the cheapest"
    own, others = table.loc[choice["model"]], table.drop(choice["model"])
    loss = METRIC_NAMES[choice["loss"]]
    if by == "lead":
        return f"the best on {choice['split']}: {_against(choice, own, others.loc[others['value'].idxmax()])}"
    tied = others[others["tied"]]
    rival = tied.loc[(tied["loss"] if tied["value"].isna().all() else -tied["value"]).idxmin()]
    losses = f"{own['loss']:.3g} against {tied['loss'].min():.3g}"
    low = "lower" if len(tied) == 1 else "lowest"
    why = f"it has the {low} {loss}, {losses}" if by == "loss" else f"with equal {loss}, {losses}, it is the cheapest"
    return f"a tie on {choice['split']} with {_named(tied.index)}: {_against(choice, own, rival)}; {why}"


def _gained(gain):
    """What adapting has gained where the target's test rows have labels; "" elsewhere."""
    if gain is None:
        return ""
    return (
        f"; {METRIC_NAMES[gain['metric']]} {gap_in_words(gain['value'], gain['low'], gain['high'])} over {gain['over']}"
    )


def _against(choice, own, other):
    """The metric of the model taken and of another, one of which leads, and their difference with its interval."""
    if choice["metric"] is None:
        return f"one value alone cannot distinguish it from {other.name}"
    sign, behind = (-1, other) if own["gap"] >= other["gap"] else (1, own)
    said = f"{METRIC_NAMES[choice['metric']]} {own['value']:.3f} against {other['value']:.3f} of {other.name}"
    if math.isnan(behind["gap_low"]):
        return f"{said} (the rows or groups are too few for an interval)"
    low, high = sorted((sign * behind["gap_low"], sign * behind["gap_high"]))
    return f"{said} (difference {gap_in_words(sign * behind['gap'], low, high)})"


def _named(names, most=3):
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def figures(rows, counts):
    """A model's test metrics in words, averaged over its seeds, and what they do not show (metrics.headline)."""
    known = {name: rows.get(f"test_{name}", pd.Series(dtype=float)).mean() for name in METRIC_NAMES}
    shown = {name: {"value": None if math.isnan(value) else value} for name, value in known.items()}
    names, caveat = headline(shown, counts)
    if not names:
        return "no test metric"
    metric, column, more = names[0], f"test_{names[0]}", ""
    if len(rows) > 1:
        more = f", {len(rows)} seeds from {rows[column].min():.3f} to {rows[column].max():.3f}"
    elif rows.get(f"{column}_low", pd.Series(dtype=float)).notna().any():
        more = f" [{rows[f'{column}_low'].iloc[0]:.3f}, {rows[f'{column}_high'].iloc[0]:.3f}]"
    second = "".join(f", {METRIC_NAMES[name]} {known[name]:.3f}" for name in names[1:])
    return f"{METRIC_NAMES[metric]} {known[metric]:.3f}{more}{second} on test" + (f"; {caveat}" if caveat else "")


def _few_shot(rows):
    rows = rows.sort_values("shots")
    shown = " / ".join(f"{value:.3f}" for value in rows["test_accuracy"])
    return f"accuracy {shown} on test at {' / '.join(f'{n:.0f}' for n in rows['shots'])} shots"


def _worth(rows):
    """What the descriptions of a zero-shot task are worth; "" where no few-shot task says it."""
    said = rows["shots_worth"].dropna().unique() if "shots_worth" in rows else ()
    return f"; as good as {said[0]} labelled examples per class" if len(said) else ""


def _cost(benchmarks, runs):
    """Seconds and memory of the jobs of all trained models; other runs in the same folder do not count."""
    names = {name for run in runs for names in run["jobs"].values() for name in names}
    found = pd.DataFrame([measured(Path(benchmarks, f"{name}.tsv")) for name in sorted(names)], dtype=float)
    seconds, memory = (
        found.get("seconds", pd.Series(dtype=float)).dropna(),
        found.get("max_rss_mb", pd.Series(dtype=float)),
    )
    return (
        f"{len(runs)} trained {'model' if len(runs) == 1 else 'models'} took {duration(seconds.sum())} of work in {len(seconds)} jobs, "
        f"{max(0.0, memory.fillna(0.0).max()) / 1000:.1f} GB of memory at most"
    )


def _next(trained, best, quick, trains, pool):
    """What to do next; `trains`: whether every backbone is a network that can be trained; `pool`: see `results`."""
    if quick:
        return [("make run CONFIG=...", "the same with all data, without QUICK=1")]
    named = [one["model"] for one in best if one["model"] in set(trained["model"])]
    steps = [("make report CONFIG=...", "every figure in one HTML file")]
    if named:
        steps.append((f"make predict MODEL={named[0]} DATA=...", "predict new files"))
    if pool:
        steps.append(("make label CONFIG=...", "a page to label those samples whose labels would teach most"))
    if len(trained) and set(trained["method"]) == {"linear"} and trains:
        steps.append(("method: [linear, lp_ft]", "in the config: train the whole network, often better"))
    return steps
