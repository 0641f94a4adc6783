"""The last words of a run: where the results are, the best models, what it cost, what to do next."""

from pathlib import Path

import pandas as pd

from graft.tables import METRIC_NAMES

RANKED_BY = ("auroc", "accuracy", "r2")  # the first that a model has; larger is better


def results(summary, benchmarks, runs, quick=False):
    """Facts about a finished run.

    Parameters
    ----------
    summary : path of summary.csv
    benchmarks : folder of the jobs' benchmark files
    runs : list of dict with "jobs": step -> benchmark files of one trained model, without their ending
    quick : bool, whether it was a quick look

    Returns
    -------
    dict with "best": list of (what, model, sentence), "cost": str, "next": list of (command, what it does)
    """
    table = pd.read_csv(summary)
    trained = table[table["stage"] != "few_shot"]
    best = [
        (f"{dataset}, {target}", *_best(rows)) for (dataset, target), rows in trained.groupby(["dataset", "target"])
    ]
    few = table[table["stage"] == "few_shot"]
    best += [(f"{dataset}, few-shot", *_few_shot(rows)) for dataset, rows in few.groupby("dataset")]
    return {"best": best, "cost": _cost(benchmarks, runs), "next": _next(trained, best, quick)}


def block(facts, folder, quick=False):
    """`results` as lines for a terminal."""
    width = max((len(what) for what, *_ in facts["best"]), default=0)
    lines = [f"Results: {folder}/index.html (a table of all: {folder}/summary.csv)"]
    lines += [f"  {what:<{width}}  {model}: {sentence}" for what, model, sentence in facts["best"]]
    lines += [f"Cost: {facts['cost']}"]
    if quick:
        lines.append("A quick look at few samples: it shows that everything hangs together; the figures mean nothing.")
    widest = max(len(command) for command, _ in facts["next"])
    lines += ["Next:", *(f"  {command:<{widest}}  {what}" for command, what in facts["next"])]
    return "\n".join(lines)


def _best(rows):
    """The best model of a data set's target, averaged over seeds: its name and its test figure in a sentence.

    It is chosen on validation data, where there is a figure: the best of several test figures would flatter it.
    """
    metric = next((name for name in RANKED_BY if f"test_{name}" in rows and rows[f"test_{name}"].notna().any()), None)
    if metric is None:
        return rows["model"].iloc[0], "no test figure"
    column = f"test_{metric}"
    known = rows[rows[column].notna()]
    judged = next(by for by in (f"validation_{metric}", column) if by in known and known[by].notna().any())
    model = known.groupby("model")[judged].mean().idxmax()
    seeds = known[known["model"] == model]
    chosen = f", chosen on {judged.split('_')[0]}" if known["model"].nunique() > 1 else ""
    if len(seeds) > 1:
        low, mean, high = seeds[column].min(), seeds[column].mean(), seeds[column].max()
        return (
            model,
            f"{METRIC_NAMES[metric]} {mean:.3f} on test, {len(seeds)} seeds from {low:.3f} to {high:.3f}{chosen}",
        )
    row = seeds.iloc[0]
    interval = f" [{row[f'{column}_low']:.3f}, {row[f'{column}_high']:.3f}]"
    more = f", accuracy {row['test_accuracy']:.3f}" if metric == "auroc" and "test_accuracy" in row else ""
    return model, f"{METRIC_NAMES[metric]} {row[column]:.3f}{interval}{more} on test{chosen}"


def _few_shot(rows):
    name = rows.groupby("model")["test_accuracy"].mean().idxmax()
    rows = rows[rows["model"] == name].sort_values("shots")
    shown = " / ".join(f"{value:.3f}" for value in rows["test_accuracy"])
    return name, f"accuracy {shown} at {' / '.join(f'{n:.0f}' for n in rows['shots'])} shots"


def _cost(benchmarks, runs):
    """Seconds and memory of the jobs of all trained models; other runs in the same folder do not count."""
    names = {name for run in runs for names in run["jobs"].values() for name in names}
    seconds, memory = [], [0.0]
    for name in sorted(names):
        try:
            row = pd.read_csv(Path(benchmarks, f"{name}.tsv"), sep="\t").iloc[-1]
        except (pd.errors.EmptyDataError, IndexError, OSError):
            continue
        seconds.append(float(row["s"]))
        memory.append(pd.to_numeric(pd.Series([row["max_rss"]]), errors="coerce").fillna(0).iloc[0])
    return (
        f"{len(runs)} trained {'model' if len(runs) == 1 else 'models'} took {_time(sum(seconds))} of work in {len(seconds)} jobs, "
        f"{max(memory) / 1000:.1f} GB of memory at most"
    )


def _time(seconds):
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _next(trained, best, quick):
    if quick:
        return [("make run CONFIG=...", "the same with all data, without QUICK=1")]
    named = [model for _, model, _ in best if model in set(trained["model"])]
    steps = [("make report CONFIG=...", "every figure in one HTML file")]
    if named:
        steps.append((f"make predict MODEL={named[0]} DATA=...", "predict new files"))
    if len(trained) and set(trained["method"]) == {"linear"} and "vectors" not in set(trained["backbone"]):
        steps.append(("method: [linear, lp_ft]", "in the config: train the whole network, often better"))
    return steps
