"""Draw how well a trained model does on each class: precision, recall and F1 with their intervals."""

import numpy as np
import pandas as pd

from graft.evaluation.metrics import agreement
from graft.report.plots import GREY, PALETTE, beside, draw, head, say_empty, shorten

MEASURES = {"precision": PALETTE[0], "recall": PALETTE[1], "f1": PALETTE[2]}
TITLES = {"precision": "precision", "recall": "recall", "f1": "F1"}
MOST = 200  # classes; of more, the worst are drawn
ROOMY = 40  # up to so many classes a row is as high as a line of text likes it


def plot(source, path):
    """Draw the classes of a classifier, the worst at the top."""
    judged = source.judged
    rows, place = judged.rows, {name: i for i, name in enumerate(judged.classes)}
    codes = [rows[name].map(place).to_numpy(np.int64) for name in ("label", "predicted")]
    table = worst_first(quality(*codes, len(judged.classes), rows.get("group")))
    table = table.assign(name=[judged.classes[i] for i in table.index])
    title = f"{judged.target}: quality per class"
    subtitle = f"{judged.name}, {judged.split} split, {len(judged.rows)} samples"
    if len(table) > MOST:
        subtitle += f"; the worst {MOST} of {len(table)} classes"
    shown = table.head(MOST)
    height = 1.3 + len(shown) * (0.3 if len(shown) <= ROOMY else 0.2)
    draw(path, (7.8, height), title, describe(table, subtitle), lambda figure: paint(figure, shown, title, subtitle))


def quality(labels, predicted, width, groups=None):
    """Precision, recall and F1 of each class, with the 95 % intervals of metrics.json: those of a share, by groups.

    Each comes from a share of right samples: precision among those called the class, recall among those of the class.
    F1 is 2 j / (1 + j), with the share j among those that are the class or are called it.

    Parameters
    ----------
    labels, predicted : int arrays, shape (N,)
    width : int, the number of classes C
    groups : sequence of str or None, shape (N,), or None; rows of one group are drawn together

    Returns
    -------
    DataFrame of C rows with samples, and for each measure precision, recall, f1 also {measure}_low, {measure}_high;
    NaN where there is no sample to count, and for the ends where all of them are of one group
    """
    groups = None if groups is None else np.asarray(groups, dtype=object)
    table = []
    for one in range(width):
        true, called = labels == one, predicted == one
        row = {"samples": int(true.sum())}
        for name, of in (("precision", called), ("recall", true), ("f1", true | called)):
            share = agreement(labels[of], predicted[of], None if groups is None else groups[of])
            for end, value in zip(("", "_low", "_high"), share.values(), strict=True):
                value = np.nan if value is None else value
                row[f"{name}{end}"] = 2 * value / (1 + value) if name == "f1" else value
        table.append(row)
    return pd.DataFrame(table)


def worst_first(table):
    """By rising F1, of equals the larger class first; classes without any sample or prediction come last."""
    order = np.lexsort((-table["samples"], table["f1"].fillna(np.inf)))
    return table.iloc[order]


def describe(table, subtitle):
    """Each class in words."""
    if not table["samples"].sum():
        return f"{subtitle}: no labelled sample."
    each = [
        f"{row.name_}: precision {row.precision:.2f}, recall {row.recall:.2f}, F1 {row.f1:.2f}, {row.samples} samples"
        for row in table.rename(columns={"name": "name_"}).itertuples()
    ]
    return f"{subtitle}. {'; '.join(each)}."


def paint(figure, table, title, subtitle):
    head(figure, title, subtitle)
    if not table["samples"].sum():
        return say_empty(figure.add_subplot(), "no labelled sample to judge by")
    *panels, sizes = figure.subplots(1, 4, sharey=True, width_ratios=[1, 1, 1, 0.7])
    places = np.arange(len(table))
    for axes, (name, colour) in zip(panels, MEASURES.items(), strict=True):
        paint_measure(axes, places, table, name, colour)
    names = shorten(table["name"])
    panels[0].set_yticks(places, names, fontsize=8 if len(table) <= ROOMY else 7)
    panels[0].set_ylim(len(table) - 0.4, -0.6)
    sizes.barh(places, table["samples"], height=0.7, color=GREY)
    for place, count in zip(places, table["samples"], strict=True):
        beside(sizes, count, place, f"{count}", fontsize=7)
    sizes.set_xlim(0, 1.35 * table["samples"].max())
    sizes.set_xticks([])
    sizes.spines["bottom"].set_visible(False)
    sizes.set_title("samples", fontsize=9)
    for axes in (*panels, sizes):
        axes.tick_params(axis="y", length=0)


def paint_measure(axes, places, table, name, colour):
    """A point with its interval per class, and the mean over the classes as a line."""
    value = table[name].to_numpy()
    errors = [value - table[f"{name}_low"], table[f"{name}_high"] - value]
    axes.errorbar(
        value, places, xerr=np.nan_to_num(np.maximum(errors, 0)), fmt="o", color=colour, elinewidth=1.2, zorder=3
    )
    mean = np.nanmean(value)
    axes.axvline(mean, color=GREY, linestyle=":", linewidth=1.2)
    axes.set_title(f"{TITLES[name]} (mean {mean:.2f})", fontsize=9)
    axes.set(xlim=(-0.03, 1.03))
    axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    axes.grid(True, axis="both")
    axes.set_axisbelow(True)
