"""results/index.html: the models to take and why, what makes their metrics doubtful, and every model with its links."""

from pathlib import Path

import pandas as pd

from graft.evaluation.tables import CONTROL, METRIC_NAMES, TASKS, compared_among
from graft.report import pages
from graft.report.decision.targets import about, section

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
<nav class="files">{% for one in sections %}<a href="#{{ one.anchor }}">{{ one.name | printable }}</a> {% endfor %}<a href="#all">all models</a></nav>
{% for one in sections %}
<section id="{{ one.anchor }}">
<h2>{{ one.name | printable }}</h2>
<h3>The recommended model</h3>
<p class="taken"><a href="{{ one.link }}">{{ one.model }}</a></p>
{% for said in one.why %}<p>{{ said | printable }}</p>
{% endfor %}
{% if one.forest %}<figure>
<figcaption>{{ one.forest.metric }} on test rows with 95 % intervals, the recommended model first, then by validation.
<b class="taken">●</b> recommended, <b class="tie">○</b> a tie, <b class="behind">●</b> behind, <b class="control">◆</b> a control without a
pretrained network. At the right what all jobs of the model took{% if one.forest.energy %}, with the energy of
the whole processor and GPU while they computed, other jobs beside them included{% endif %}.</figcaption>
<div class="forest">{% for row in one.forest.rows %}
<span class="name">{{ row.model | printable }}</span>
<svg class="{{ row.mark }}" width="100%" height="20" role="img" aria-label="{{ row.value }} ({{ row.interval }}), {{ row.mark }}">
{% for place, _ in one.forest.ticks %}<line class="grid" x1="{{ place }}%" x2="{{ place }}%" y1="0" y2="20"/>{% endfor %}
<line class="whisker" x1="{{ row.low }}%" x2="{{ row.high }}%" y1="10" y2="10"/>
{% if row.control %}<text class="mark" x="{{ row.place }}%" y="15">◆</text>{% else %}<circle cx="{{ row.place }}%" cy="10" r="4.5"/>{% endif %}</svg>
<span class="number">{{ row.value }}{% if row.interval %} <span class="soft">[{{ row.interval }}]</span>{% endif %}</span><span class="number soft">{{ row.cost }}</span>
{% endfor %}<span class="name"></span>
<svg width="100%" height="18" aria-hidden="true">{% for place, words in one.forest.ticks %}<text class="axis" x="{{ place }}%" y="13">{{ words }}</text>{% endfor %}</svg>
</div>{% if one.forest.left_out %}<p class="soft">And {{ one.forest.left_out }} more in the table below.</p>{% endif %}</figure>{% endif %}
{% if one.sure %}<h3>How sure is it?</h3>
<ul>{% for said in one.sure %}<li>{{ said | printable }}</li>
{% endfor %}</ul>{% endif %}
<h3>Ties</h3>
{% if one.ties %}<p>On validation rows these are not surely worse (difference to the best, with its 95 % interval):</p>
<ul>{% for said in one.ties %}<li>{{ said | printable }}</li>
{% endfor %}</ul>{% else %}<p>None: no other model and no control is as good on validation rows.</p>{% endif %}
{% if one.pairs %}<p class="soft files"><a href="{{ one.pairs }}">Every pair of models</a>, also on test rows. Where many pairs are compared, some differ by chance: p_holm is corrected for it</p>{% endif %}
{% if one.foretold %}<h3>Did the ranking of backbones foretell it?</h3>
<p class="soft">Places of the trained models on test rows, and places that each score gave their backbones before the training.
<a href="{{ one.ranking }}">All scores</a></p>
{% for trained in one.foretold %}<div class="wide"><table class="all">
<tr><th>backbone, {{ trained.method }}</th><th class="number">{{ trained.metric }}</th><th class="number">place</th>{% for name in trained.scores %}<th class="number">{{ name }}</th>{% endfor %}</tr>
{% for name, value, place, places in trained.backbones %}<tr><td>{{ name | printable }}</td><td class="number">{{ value }}</td><td class="number">{{ place }}</td>{% for one in places %}<td class="number">{{ one }}</td>{% endfor %}</tr>
{% endfor %}</table></div>
<p>{{ trained.says }}</p>
{% endfor %}{% endif %}
<h3>How many more labels?</h3>
{% for said in one.labels %}<p>{{ said | printable }}</p>
{% endfor %}
{% if one.curve %}<figure>{{ one.curve | safe }}<figcaption>Points: draws of the train rows. Line: their median.{% if 'class="band"' in one.curve %} Dashed: the forecast,
with its 95 % band.{% endif %} <a href="{{ one.curves }}">All numbers</a></figcaption></figure>{% endif %}
<h3>What is doubtful about the data</h3>
{% if one.doubts %}<ul>{% for said, link, words in one.doubts %}<li>{{ said | printable | coded }} <a href="{{ link }}">{{ words }}</a></li>
{% endfor %}</ul>{% else %}<p>Nothing was found. <a href="figures/data/{{ one.dataset }}.html">The data card</a> shows samples and splits.</p>{% endif %}
<h3>What to do next</h3>
<ul>{% for command, what in one.next %}<li>{% if "/" in command and " " not in command %}<a href="{{ command }}">{{ command }}</a>{% else %}<code>{{ command }}</code>{% endif %}: {{ what | coded }}</li>
{% endfor %}</ul>
{% if one.figures %}<p class="links files">Figures of {{ one.whose | printable }}: {% for name, path in one.figures %}<a href="{{ path }}">{{ name }}</a> {% endfor %}</p>{% endif %}
{% if one.maps %}<p class="links files">Maps of the samples: {% for name, path in one.maps %}<a href="{{ path }}">{{ name }}</a> {% endfor %}</p>{% endif %}
</section>
{% endfor %}
{% if others %}<h2>Tasks and adapted models</h2>
<dl class="best">{% for one in others %}
<dt>{{ one.what | printable }}</dt>
<dd><a href="{{ links[one.model] }}">{{ one.model }}</a>: {{ one.figures | printable }}{% if one.chosen %}<br>
<span class="soft">{{ one.chosen | printable }}</span>{% endif %}</dd>
{% endfor %}</dl>{% endif %}
{% if doubts %}<h2>Worth knowing</h2>
<ul>{% for one in doubts %}<li>{{ one.what | printable }}: {{ one.said | printable | coded }}</li>{% endfor %}</ul>{% endif %}
<p>{{ facts.cost }}.</p>
<div class="files"><h2>Data and figures</h2>
<ul>{% for name in datasets %}
<li>{{ name }}: <a href="figures/data/{{ name }}.html">samples, splits, trouble</a>,
<a href="figures/data/{{ name }}.svg">labels per split</a>{% if name in few_shot %},
<a href="figures/few_shot/{{ name }}.svg">accuracy from few or no examples</a>{% endif %}</li>
{% endfor %}<li><a href="figures/costs.svg">what each model cost, and how good it is</a></li></ul></div>
<ul>{% for command, what in facts.next %}<li><code>{{ command }}</code>: {{ what }}</li>{% endfor %}</ul>
<h2 id="all">The models and tasks of this run's config</h2>
<p class="soft">Metrics on the test split, with 95 % intervals for other samples (for other groups, where the data name groups;
of few-shot tasks for other rows as well as other episodes). The same with all columns: <a href="summary.csv">summary.csv</a>.
For the lab's own rules: <a href="handoff/index.json">handoff/index.json</a>. What other configs made in this folder is not
listed here; it stays in the folders beside this page.</p>
{% for table in tables %}
<h3>{{ table.name | printable }}</h3>
<div class="wide"><table class="all">
<tr><th>{{ "task" if table.task else "model" }}</th>{% if table.seeds %}<th class="number">seed</th>{% endif %}
{% if table.shots %}<th class="number">shots</th>{% endif %}
{% for metric in table.metrics %}<th class="number">{{ names[metric] }}</th>{% endfor %}{% if table.worth %}<th>shots for the same accuracy</th>{% endif %}{% if table.chosen %}<th>{{ table.chosen }}</th>{% endif %}
</tr>
{% for row in table.rows %}<tr><td><a href="{{ row.folder }}">{{ row.model }}</a>{% if row.figures %}<br>
<span class="links files">{% for name, path in row.figures %}<a href="{{ path }}">{{ name }}</a> {% endfor %}</span>{% endif %}</td>
{% if table.seeds %}<td class="number">{{ row.seed }}</td>{% endif %}{% if table.shots %}<td class="number">{{ row.shots }}</td>{% endif %}
{% for value, interval in row.cells %}<td class="number">{{ value }}<br><span class="soft">{{ interval }}</span></td>{% endfor %}
{% if table.worth %}<td>{{ row.worth }}</td>{% endif %}{% if table.chosen %}<td>{{ row.choice }}</td>{% endif %}</tr>
{% endfor %}</table></div>
{% if table.pairs %}<p class="soft files">Which of them differ: <a href="{{ table.pairs }}">every pair</a>.</p>{% endif %}
{% endfor %}
""")
# What is nothing but links (`files`) is not shown where there are none: in Snakemake's report, see rules/captions/workflow.rst.
CSS = """
.files:not(:has(a[href])) { display: none; }
h3 { font-size: 0.95rem; margin: 1.2rem 0 0.3rem; overflow-wrap: anywhere; }
nav a { margin-right: 0.8rem; } section { border-top: 3px solid var(--line); margin-top: 1.5rem; }
.best dt { font-weight: 600; margin-top: 0.6rem; overflow-wrap: anywhere; } .best dd { margin: 0; max-width: 60rem; }
.all td.number { white-space: nowrap; } .all .number { padding-left: 0.4rem; } .links { font-size: 0.85rem; }
.all td span.soft { font-size: 0.8rem; } .all td:first-child { min-width: 12rem; }
p.taken { font-size: 1.15rem; font-weight: 600; margin-bottom: 0.2rem; }
figure { margin: 0.6rem 0; } figcaption { color: var(--soft); font-size: 0.85rem; max-width: 46rem; margin-bottom: 0.3rem; }
.forest { display: grid; grid-template-columns: minmax(0, 16rem) minmax(8rem, 26rem) auto auto; gap: 0 0.8rem; align-items: center; }
.forest .name { overflow-wrap: anywhere; } .forest .number { white-space: nowrap; font-variant-numeric: tabular-nums; font-size: 0.88rem; }
.forest svg { overflow: visible; } .grid { stroke: var(--line); stroke-width: 1; }
.whisker { stroke: currentColor; stroke-width: 2; } svg circle { fill: currentColor; stroke: currentColor; stroke-width: 1.5; }
.taken { color: var(--orange); } p.taken { color: inherit; } .tie { color: var(--blue); } .behind { color: var(--soft); } .control { color: var(--green); }
svg.tie circle { fill: var(--page); } text.mark { fill: currentColor; text-anchor: middle; font-size: 15px; }
text.axis { fill: var(--soft); font-size: 11px; text-anchor: middle; } text.axis.name { text-anchor: start; } text.left { fill: var(--soft); font-size: 11px; text-anchor: end; }
.curve { max-width: 34rem; width: 100%; } .curve .draw { fill: var(--soft); stroke: none; } .curve polyline { fill: none; stroke: var(--blue); stroke-width: 2; }
.curve .foretold { stroke: var(--orange); stroke-dasharray: 4 3; } .curve .band { fill: var(--orange); opacity: 0.22; }
@media (max-width: 44rem) { .forest { grid-template-columns: minmax(0, 1fr) auto auto; }
  .forest .name { grid-column: 1 / -1; margin-top: 0.4rem; font-size: 0.88rem; } .forest .name:empty { display: none; } }
"""
CHOICES = {"best": "taken", "tie": "a tie", "": "", "behind": "behind", CONTROL: "a control"}


def page(table, facts, figures, quick, decisions=()):
    """The page.

    Parameters
    ----------
    table : DataFrame, summary.csv
    facts : what last_words.results gave
    figures : dict, (model, seed) -> names of its figures' files
    quick : bool, whether this is a quick look
    decisions : list of decision.targets.Decision, one per target that models were trained for
    """
    rows = table.astype(object).where(table.notna(), None)
    among = [rows["dataset"], rows["target"], compared_among(rows)]
    tables = [_table(", ".join(filter(None, names)), part, figures) for names, part in rows.groupby(among, sort=True)]
    links = {row.model: f"{row.stage}/{row.model}/" for row in rows.itertuples() if row.stage != CONTROL}
    targets = [section(one) | shown_beside(one, figures) for one in decisions]
    named = {one["name"] for one in targets}
    body = BODY.render(
        facts=facts,
        sections=targets,
        others=[one for one in facts["best"] if one["what"] not in named],
        doubts=[doubt for doubt in facts["doubts"] if not any(about(one, doubt) for one in decisions)],
        links=links,
        names=METRIC_NAMES,
        tables=tables,
        datasets=sorted(set(rows["dataset"])),
        few_shot=set(rows["dataset"][rows["stage"].isin(TASKS)]),
        quick=quick,
    )
    return pages.page("graft: results", body, CSS)


def shown_beside(one, figures):
    """Links to the figures of a Decision's model, for its first seed."""
    rows = one.taken
    if rows.empty:
        return {"dataset": one.dataset, "whose": "", "figures": [], "maps": []}
    first = rows.astype(object).to_dict("records")[0]
    whose = f"the best trained model, {first['model']}" if one.better_control else "the model"
    return {"dataset": one.dataset, "whose": whose, "figures": _row(first, [], figures)["figures"], "maps": one.maps}


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
