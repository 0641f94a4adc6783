"""Draw how well a model finds each of several labels: average precision with its interval."""

import numpy as np
import pandas as pd

from graft.evaluation.multilabel_metrics import answers_of, multilabel_metrics
from graft.report.plots import GREY, PALETTE, draw, head, say_empty, shorten

MOST = 200  # labels; of more, the worst are drawn


def plot(source, path):
    """Draw the labels of one prediction table, the worst at the top."""
    judged = source.judged
    table = quality(judged.rows, judged.classes)
    title = f"{judged.target}: quality per label"
    subtitle = f"{judged.name}, {judged.split} split, {len(judged.rows)} samples"
    subtitle += f"; the worst {MOST} of {len(table)} labels" if len(table) > MOST else ""
    shown = table.head(MOST)
    draw(
        path,
        (7.0, 1.4 + 0.28 * len(shown)),
        title,
        describe(table, subtitle),
        lambda f: paint(f, shown, title, subtitle),
    )


def quality(rows, classes):
    """Average precision of each label with its 95 % interval, as in metrics.json for all of them together.

    Returns
    -------
    DataFrame with name, value, low, high (NaN where a label, or its absence, does not occur), has and known (numbers of
    samples), the lowest value first
    """
    answers, found = answers_of(rows, classes), []
    for name, own in zip(classes, answers.T, strict=True):
        chances = rows[f"prob_{name}"].to_numpy()[:, None]
        area = multilabel_metrics(own[:, None], chances, chances > 0.5, rows["group"])["map"]
        counts = {"has": int((own == 1).sum()), "known": int(np.isfinite(own).sum())}
        found.append({"name": name, **{key: np.nan if one is None else one for key, one in area.items()}, **counts})
    return pd.DataFrame(found).sort_values(["value", "name"], kind="stable").reset_index(drop=True)


def describe(table, subtitle):
    """Each label in words."""
    each = [
        f"{row['name']}: average precision {row['value']:.2f}, {row['has']} of {row['known']} samples"
        for _, row in table.iterrows()
    ]
    return f"{subtitle}. {'; '.join(each)}."


def paint(figure, table, title, subtitle):
    head(figure, title, subtitle)
    axes = figure.add_subplot()
    if table["value"].isna().all():
        return say_empty(axes, "no label to judge by")
    value, places = table["value"].to_numpy(), np.arange(len(table))
    errors = np.nan_to_num(np.maximum([value - table["low"], table["high"] - value], 0))
    axes.errorbar(value, places, xerr=errors, fmt="o", color=PALETTE[0], elinewidth=1.2, zorder=3)
    axes.scatter(table["has"] / np.maximum(table["known"], 1), places, marker="|", s=60, color=GREY)
    axes.axvline(np.nanmean(value), color=GREY, linestyle=":", linewidth=1.2)
    for place, row in table.iterrows():
        axes.text(1.04, place, f"{row['has']} of {row['known']}", va="center", fontsize=7, color=GREY)
    axes.set_yticks(places, shorten(table["name"]), fontsize=8)
    axes.set_ylim(len(table) - 0.4, -0.6)
    axes.set(xlim=(-0.03, 1.03), xlabel=f"average precision (mean {np.nanmean(value):.2f})")
    axes.tick_params(axis="y", length=0)
    axes.grid(True, axis="both")
    axes.set_axisbelow(True)
