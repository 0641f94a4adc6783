"""Gather every model's and every few-shot task's results into one table, and one page that begins with the best."""

from pathlib import Path

import pandas as pd
import torch

from graft import closing, pages
from graft.job import job
from graft.outputs import read_json, write_csv, write_text
from graft.tables import METRIC_NAMES

IDENTITY = ("stage", "dataset", "target", "model", "backbone", "method", "seed")
COSTS = ("ways", "shots", "parameters", "temperature")
METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "auroc", "log_loss", "ece", "r2", "rmse", "mae")
SPLITS = ("test", "validation")
SHOWN = ("auroc", "accuracy", "balanced_accuracy", "macro_f1", "ece", "r2", "rmse", "mae")  # test figures of the page
INDEX = pages.environment().from_string("""
<h1>Results</h1>
{% if quick %}<p>A quick look at few samples: it shows that everything hangs together; the figures mean nothing.</p>{% endif %}
<h2>The best of each data set</h2>
<div class="wide"><table>{% for what, model, sentence in facts.best %}
<tr><td>{{ what | printable }}</td><td><a href="{{ folders[model] }}">{{ model }}</a></td><td>{{ sentence | printable }}</td></tr>
{% endfor %}</table></div>
<p>{{ facts.cost }}.</p>
<h2>What next</h2>
<ul>{% for command, what in facts.next %}<li><code>{{ command }}</code>: {{ what }}</li>{% endfor %}</ul>
<h2>Everything</h2>
<p class="soft">Figures on the test split, with 95 % intervals. The same with all columns: <a href="summary.csv">summary.csv</a>.
For the lab's own rules: <a href="handoff/index.json">handoff/index.json</a>.</p>
<div class="wide"><table class="all">
<tr><th>data set</th><th>target</th><th>model</th><th class="number">seed</th><th class="number">shots</th>
{% for metric in metrics %}<th class="number">{{ names[metric] }}</th>{% endfor %}</tr>
{% for row in rows %}<tr><td>{{ row.dataset | printable }}</td><td>{{ row.target | printable }}</td>
<td><a href="{{ folders[row.model] }}">{{ row.model }}</a></td><td class="number">{{ row.seed }}</td>
<td class="number">{{ row.shots }}</td>
{% for value in row.figures %}<td class="number">{{ value }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
""")


def main(models, metrics, few_shot, tasks, runs, output, index, words, quick=False):
    """Write one row per model, seed and target, then one per few-shot task, ways and shots; and the page of them.

    Parameters
    ----------
    models, metrics : list of path
        ft_model.pt and metrics.json of each trained model, in the same order.
    few_shot : list of path
        metrics.json of each task.
    tasks : dict
        Task name -> its settings in the config.
    runs : list of dict
        The jobs of each trained model; see closing.results.
    output, index : paths of the table and of the page
    words : path of the run's last words; the folder of the jobs' benchmark files
    quick : bool, whether this is a quick look
    """
    rows = [row for model, one in zip(models, metrics, strict=True) for row in rows_of_model(model, one)]
    rows += [row for one in few_shot for row in rows_of_task(one, tasks)]
    values = [f"{split}_{name}{end}" for split in SPLITS for name in METRICS for end in ("", "_low", "_high")]
    table = pd.DataFrame(rows, columns=[*IDENTITY, *COSTS, *values])
    table = table.astype({name: "Int64" for name in ("seed", "ways", "shots", "parameters")})
    used = [name for name in table if name in (*IDENTITY, *COSTS) or table[name].notna().any()]
    table = table[used].sort_values([*IDENTITY, "ways", "shots"], kind="stable")
    write_csv(output, table)
    facts = closing.results(output, Path(words).parent, runs, quick)
    write_text(index, page_of(table, facts, quick))
    write_text(words, closing.block(facts, Path(output).parent, quick) + "\n")


def page_of(table, facts, quick):
    """The table as a page that begins with `facts` (see closing.results)."""
    metrics = [name for name in SHOWN if f"test_{name}" in table]
    folders = {row.model: f"{row.stage}/{row.model}/" for row in table[["stage", "model"]].itertuples()}
    rows = [
        {
            **{
                key: "" if pd.isna(row.get(key)) else row[key]
                for key in ("dataset", "target", "model", "seed", "shots")
            },
            "figures": [in_words(row, f"test_{name}") for name in metrics],
        }
        for row in table.astype(object).to_dict("records")
    ]
    body = INDEX.render(facts=facts, folders=folders, metrics=metrics, names=METRIC_NAMES, rows=rows, quick=quick)
    return pages.page("graft: results", body, ".all a, .all .number { white-space: nowrap; }")


def in_words(row, column):
    """A figure with its interval, if it has one."""
    if pd.isna(row[column]):
        return ""
    ends = [row.get(f"{column}_{end}") for end in ("low", "high")]
    return f"{row[column]:.3f}" + ("" if pd.isna(ends).any() else f" [{ends[0]:.3f}, {ends[1]:.3f}]")


def rows_of_model(model, metrics):
    """One row per target of a trained model."""
    # On the device "meta" a tensor has a shape and no data: a summary reads no weights.
    content = torch.load(model, weights_only=True, map_location="meta")
    backbone, state = content["backbone"], content["state_dict"]
    heads = sum(tensor.numel() for name, tensor in state.items() if name.startswith("heads."))
    for target, facts in content["targets"].items():
        yield {
            "stage": Path(model).parents[2].name,
            "dataset": content["dataset"],
            "target": target,
            "model": content["name"],
            "backbone": backbone["name"],
            "method": content["method"],
            "seed": content["seed"],
            "parameters": (backbone.get("parameters") or 0) + heads,
            "temperature": facts.get("temperature"),
            **flatten(read_json(metrics)),
        }


def rows_of_task(metrics, tasks):
    """One row per setting of a few-shot task."""
    name = Path(metrics).parent.name
    task = tasks[name]
    for setting in read_json(metrics)["settings"]:
        measured = {key: as_metric(setting[key]) for key in METRICS if setting.get(key) is not None}
        yield {
            "stage": "few_shot",
            "dataset": task["dataset"],
            "target": task["target"],
            "model": name,
            "backbone": task.get("backbone") or f"{task['model']}.seed{task['model_seed']}",
            "method": task["method"],
            "seed": task["seed"],
            "ways": setting["ways"],
            "shots": setting["shots"],
            "temperature": setting.get("temperature"),
            **flatten({"test": measured}),
        }


def as_metric(value):
    """A metric with an interval, if need be an empty one."""
    return value if isinstance(value, dict) else {"value": value, "low": None, "high": None}


def flatten(metrics):
    """Columns test_accuracy, test_accuracy_low, test_accuracy_high and so on."""
    ends = {"": "value", "_low": "low", "_high": "high"}
    return {
        f"{split}_{name}{end}": metric[key]
        for split in SPLITS
        for name, metric in metrics.get(split, {}).items()
        for end, key in ends.items()
    }


if "snakemake" in globals():
    with job(snakemake):
        main(
            models=list(snakemake.input.models),
            metrics=list(snakemake.input.metrics),
            few_shot=list(snakemake.input.get("few_shot", [])),
            tasks=snakemake.params.tasks,
            runs=snakemake.params.runs,
            output=snakemake.output.table,
            index=snakemake.output.index,
            words=snakemake.log.words,
            quick=snakemake.config["quick"],
        )
