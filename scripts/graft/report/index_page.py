"""results/index.html: the models to take and why, what makes their metrics doubtful, and every model with its links."""

from pathlib import Path

import pandas as pd

from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS, compared_among
from graft.report import pages

# Test metrics that a table shows, where its models have them; summary.csv has all.
SHOWN = (
    "auroc",
    "average_precision",
    "quadratic_kappa",
    "mae_levels",
    "map",
    "micro_f1",
    "exact_match",
    "accuracy",
    "balanced_accuracy",
    "macro_f1",
    "log_loss",
    "ece",
    "r2",
    "rmse",
    "mae",
)
BODY = pages.environment().from_string("""
<h1>Results</h1>
{% if quick %}<p>A quick look at few samples: it shows that everything works together; the numbers mean nothing.</p>{% endif %}
<h2>Which model to take</h2>
<dl class="best">{% for one in facts.best %}
<dt>{{ one.what | printable }}</dt>
<dd><a href="{{ links[one.model] }}">{{ one.model }}</a>: {{ one.figures | printable }}{% if one.chosen %}<br>
<span class="soft">{{ one.chosen | printable }}</span>{% endif %}</dd>
{% endfor %}</dl>
{% if facts.doubts %}<h2>Worth knowing</h2>
<ul>{% for what, said in facts.doubts %}<li>{{ what | printable }}: {{ said | printable }}</li>{% endfor %}</ul>{% endif %}
<p>{{ facts.cost }}.</p>
<h2>What next</h2>
<ul>{% for command, what in facts.next %}<li><code>{{ command }}</code>: {{ what }}</li>{% endfor %}</ul>
<h2>Data and figures</h2>
<ul>{% for name in datasets %}
<li>{{ name }}: <a href="figures/data/{{ name }}.html">samples, splits, trouble</a>,
<a href="figures/data/{{ name }}.svg">labels per split</a>{% if name in few_shot %},
<a href="figures/few_shot/{{ name }}.svg">accuracy from few or no examples</a>{% endif %}</li>
{% endfor %}<li><a href="figures/costs.svg">what each model cost, and how good it is</a></li></ul>
<h2>The models and tasks of this run's config</h2>
<p class="soft">Metrics on the test split, with 95 % intervals for other samples (for other groups, where the data name groups;
of few-shot tasks for other rows as well as other episodes). The same with all columns: <a href="summary.csv">summary.csv</a>.
For the lab's own rules: <a href="handoff/index.json">handoff/index.json</a>. What other configs made in this folder is not
listed here; it stays in the folders beside this page.</p>
{% for table in tables %}
<h3>{{ table.name | printable }}</h3>
<div class="wide"><table class="all">
<tr><th>{{ "task" if table.task else "model" }}</th>{% if table.seeds %}<th class="number">seed</th>{% endif %}
{% if table.shots %}<th class="number">shots</th>{% endif %}
{% for metric in table.metrics %}<th class="number">{{ names[metric] }}</th>{% endfor %}{% if table.worth %}<th>worth shots</th>{% endif %}{% if table.chosen %}<th>{{ table.chosen }}</th>{% endif %}
</tr>
{% for row in table.rows %}<tr><td><a href="{{ row.folder }}">{{ row.model }}</a>{% if row.figures %}<br>
<span class="links">{% for name, path in row.figures %}<a href="{{ path }}">{{ name }}</a> {% endfor %}</span>{% endif %}</td>
{% if table.seeds %}<td class="number">{{ row.seed }}</td>{% endif %}{% if table.shots %}<td class="number">{{ row.shots }}</td>{% endif %}
{% for value, interval in row.cells %}<td class="number">{{ value }}<br><span class="soft">{{ interval }}</span></td>{% endfor %}
{% if table.worth %}<td>{{ row.worth }}</td>{% endif %}{% if table.chosen %}<td>{{ row.choice }}</td>{% endif %}</tr>
{% endfor %}</table></div>
{% if table.pairs %}<p class="soft">Which of them differ: <a href="{{ table.pairs }}">every pair</a>.</p>{% endif %}
{% endfor %}
""")
CSS = """
h3 { font-size: 0.95rem; margin: 1.2rem 0 0.3rem; overflow-wrap: anywhere; }
.best dt { font-weight: 600; margin-top: 0.6rem; overflow-wrap: anywhere; } .best dd { margin: 0; max-width: 60rem; }
.all td.number { white-space: nowrap; } .all .number { padding-left: 0.4rem; } .links { font-size: 0.85rem; }
.all td span.soft { font-size: 0.8rem; } .all td:first-child { min-width: 12rem; }
"""
CHOICES = {"best": "taken", "tie": "a tie", "": "", "behind": "behind", CONTROL: "a control"}


def page(table, facts, figures, quick):
    """The page.

    Parameters
    ----------
    table : DataFrame, summary.csv
    facts : what last_words.results gave
    figures : dict, (model, seed) -> names of its figures' files
    quick : bool, whether this is a quick look
    """
    rows = table.astype(object).where(table.notna(), None)
    among = [rows["dataset"], rows["target"], compared_among(rows)]
    tables = [_table(", ".join(filter(None, names)), part, figures) for names, part in rows.groupby(among, sort=True)]
    links = {row.model: f"{row.stage}/{row.model}/" for row in rows.itertuples() if row.stage != CONTROL}
    body = BODY.render(
        facts=facts,
        links=links,
        names=METRIC_NAMES,
        tables=tables,
        datasets=sorted(set(rows["dataset"])),
        few_shot=set(rows["dataset"][rows["stage"].isin(TASKS)]),
        quick=quick,
    )
    return pages.page("graft: results", body, CSS)


def _table(name, rows, figures):
    """Models or tasks that are comparable with each other, with the columns that any of them fills."""
    rows = rows.sort_values("stage", key=lambda stage: stage == CONTROL, kind="stable")
    stage = rows["stage"].iloc[0]
    task = stage in TASKS
    metrics = [one for one in SHOWN if f"test_{one}" in rows and rows[f"test_{one}"].notna().any()]
    chosen = "choice" in rows and rows["choice"].notna().any() and rows["model"].nunique() > 1
    return {
        "name": name,
        "metrics": metrics,
        "task": task,
        "pairs": "" if task or stage == "adapt" else "compare/{dataset}/{target}.csv".format(**rows.iloc[0]),
        "seeds": not task and rows["seed"].nunique() > 1,
        "shots": stage == "few_shot",
        "worth": "shots_worth" in rows and rows["shots_worth"].notna().any(),
        "chosen": ("by a validator" if stage == "adapt" else "on validation") if chosen else "",
        "rows": [_row(row, metrics, figures) for row in rows.to_dict("records")],
    }


def _row(row, metrics, figures):
    folder = f"{row['stage']}/{row['model']}/" + ("" if row["stage"] in TASKS else f"seed{row['seed']}/")
    names = figures.get((row["model"], row["seed"]), []) if row["stage"] not in (*TASKS, CONTROL) else []
    return {
        "model": row["model"],
        "seed": row["seed"],
        "shots": row.get("shots"),
        "worth": row.get("shots_worth") or "",
        "folder": folder if row["stage"] != CONTROL else f"controls/{row['dataset']}/{row['target']}.csv",
        "figures": [
            (Path(name).stem.replace("_", " "), f"figures/{folder}{name}") for name in names if is_of(name, row)
        ],
        "cells": [_in_words(row, f"test_{metric}") for metric in metrics],
        "choice": _choice(row),
    }


def is_of(figure, row):
    """Whether a figure is of the row's target, or of its model as a whole."""
    return "/" not in figure or figure.startswith(f"{row['target']}/")


def _choice(row):
    """How a model compares on validation: taken, a tie, or so much behind."""
    if not row.get("choice"):
        return ""
    gap = row.get("validation_gap")
    behind = "" if gap is None or gap == 0 else f" ({gap:+.3f}" + _interval(row, "validation_gap", "+.3f") + ")"
    return CHOICES[row["choice"]] + behind


def _in_words(row, column):
    """A metric, and its interval if it has one."""
    value = row.get(column)
    return ("", "") if value is None else (f"{value:.3f}", _interval(row, column, ".3f").strip())


def _interval(row, column, form):
    low, high = (row.get(f"{column}_{end}") for end in ("low", "high"))
    return "" if low is None or high is None or pd.isna(low) else f" [{low:{form}}, {high:{form}}]"
