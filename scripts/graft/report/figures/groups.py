"""Draw how a trained model does on each group of a data set: a plate, a patient, a site; and what it confuses there."""

import numpy as np
import pandas as pd

from graft.evaluation.metrics import mean_interval, regression_metrics, wilson
from graft.report.plots import GREY, PALETTE, draw, head, say_empty, shorten

MOST = 60  # groups; of more, the worst are drawn
CLASSES = 24  # columns of the table of errors; of more classes, those with the most errors
TEXTS = 10  # up to so many columns, a cell says what the class is mistaken for
NONE = "no group"


def plot(source, path):
    """Draw the groups of one prediction table, those that are surely bad at the top."""
    judged = source.judged
    rows = judged.rows.assign(group=groups_of(judged.rows["sample_id"], source.manifest.frame))
    table = rmse_of(rows) if judged.classes is None else accuracy_of(rows)
    title = f"{judged.target}: quality per group"
    subtitle = f"{judged.name}, {judged.split} split, {len(rows)} samples in {len(table)} groups"
    if len(table) > MOST:
        subtitle += f", of which the worst {MOST}"
    shown = table.head(MOST)
    size = (8.4, 1.4 + len(shown) * (0.42 if judged.classes and len(judged.classes) <= TEXTS else 0.26))
    draw(path, size, title, describe(table, subtitle), lambda figure: paint(figure, shown, rows, title, subtitle))


def groups_of(sample_ids, frame):
    """The group of each sample; samples without one form a group of their own."""
    groups = frame.set_index("sample_id")["group"].reindex(sample_ids).astype(object).to_numpy()
    words = [group.strip() if isinstance(group, str) else "" for group in groups]
    return [word or NONE for word in words]


def accuracy_of(rows):
    """Samples and accuracy per group with its Wilson interval; the lowest upper end first.

    The interval holds for other rows of that group, not for other groups: its rows are drawn one by one.
    """
    right = (rows["label"] == rows["predicted"]).groupby(rows["group"]).agg(["size", "sum"])
    low, high = wilson(right["sum"], right["size"])
    table = pd.DataFrame(
        {"samples": right["size"], "value": right["sum"] / right["size"], "low": low, "high": high}, right.index
    )
    return table.sort_values(["high", "value"], kind="stable")


def rmse_of(rows):
    """Samples, root mean square error and mean error per group with intervals; the highest lower end first.

    As in `accuracy_of`, the intervals hold for other rows of that group.
    """
    found = {}
    for group, part in rows.groupby("group"):
        value, predicted = part["value"].to_numpy(float), part["predicted"].to_numpy(float)
        bias = {f"bias_{key}": one for key, one in mean_interval(predicted - value).items()}
        found[group] = {"samples": len(part), **regression_metrics(value, predicted)["rmse"], **bias}
    columns = ["samples", "value", "low", "high", "bias_value", "bias_low", "bias_high"]
    table = pd.DataFrame.from_dict(found, orient="index", columns=columns)
    return table.sort_values(["low", "value"], ascending=False, kind="stable")


def describe(table, subtitle):
    """Each group in words."""
    if not len(table):
        return f"{subtitle}: no labelled sample."
    what = "root mean square error" if "bias_value" in table else "accuracy"
    each = [f"{group}: {row['value']:.3g} ({row['samples']:.0f} samples)" for group, row in table.iterrows()]
    return f"{subtitle}. By {what}: {'; '.join(each)}."


def paint(figure, table, rows, title, subtitle):
    head(figure, title, subtitle)
    if not len(table):
        return say_empty(figure.add_subplot(), "no labelled sample to judge by")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.5])
    paint_quality(left, table, whole_of(rows))
    if "bias_value" in table:
        paint_bias(right, table)
    else:
        paint_errors(figure, right, table, rows)
    left.set_ylim(len(table) - 0.5, -0.5)
    for axes in (left, right):
        axes.tick_params(axis="y", length=0)


def whole_of(rows):
    """The quality of all groups together, for comparison."""
    if "value" in rows:
        return float(np.sqrt(np.mean((rows["predicted"] - rows["value"]) ** 2)))
    return float((rows["label"] == rows["predicted"]).mean())


def paint_quality(axes, table, whole):
    """A point with its interval per group, and the quality of all together as a line."""
    names = [f"{name} ({count})" for name, count in zip(shorten(table.index), table["samples"], strict=True)]
    axes.set_yticks(np.arange(len(table)), names, fontsize=8)
    intervals(axes, table["value"], table["low"], table["high"], PALETTE[0])
    axes.axvline(whole, color=GREY, linestyle=":", linewidth=1.2)
    if "bias_value" in table:
        axes.set_xlim(left=0)
        axes.set_title(f"root mean square error (all: {whole:.3g})", fontsize=9)
    else:
        axes.set_xlim(-0.03, 1.03)
        axes.set_title(f"accuracy (all: {whole:.2f})", fontsize=9)


def paint_bias(axes, table):
    """The mean error of each group: a shift of a whole group is often a matter of its measurement."""
    intervals(axes, table["bias_value"], table["bias_low"], table["bias_high"], PALETTE[1])
    axes.axvline(0, color=GREY, linewidth=1.2)
    axes.set_title("mean of predicted − measured", fontsize=9)


def intervals(axes, value, low, high, colour):
    """A point per row with its interval, if it has one."""
    value, low, high = (np.asarray(one, float) for one in (value, low, high))
    errors = np.nan_to_num(np.maximum([value - low, high - value], 0))
    axes.errorbar(value, np.arange(len(value)), xerr=errors, fmt="o", color=colour, elinewidth=1.2)
    axes.grid(True)
    axes.set_axisbelow(True)


def paint_errors(figure, axes, table, rows):
    """Colour = share of a true class's samples in a group that are wrong; cells: wrong / all, and mistaken for what."""
    wrong, total, taken = errors_of(rows, list(table.index))
    columns = list(wrong.columns)
    shares = np.ma.masked_invalid(np.divide(wrong, total, out=np.full(wrong.shape, np.nan), where=total > 0))
    mesh = axes.pcolormesh(
        np.arange(len(columns) + 1),
        np.arange(len(table) + 1) - 0.5,
        shares,
        cmap="Oranges",
        vmin=0,
        vmax=1,
        edgecolors="white",
        linewidth=0.4,
    )
    texts = len(columns) <= TEXTS
    for row, column in zip(*np.nonzero(total.to_numpy()), strict=True):
        count = f"{wrong.iat[row, column]}/{total.iat[row, column]}"
        confused = taken.iat[row, column]
        said = f"\n→ {shorten([confused], 10)[0]}" if texts and confused and rows["label"].nunique() > 2 else ""
        dark = shares[row, column] > 0.6
        axes.text(
            column + 0.5,
            row,
            count + said if texts else f"{100 * shares[row, column]:.0f}",
            ha="center",
            va="center",
            fontsize=7 if texts else 5.5,
            color="white" if dark else "black",
        )
    axes.set_xticks(np.arange(len(columns)) + 0.5, shorten(columns, 16), rotation=45, ha="right", fontsize=8)
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{'wrong / all' if texts else '% wrong'}, by true class", fontsize=9)
    bar = figure.colorbar(mesh, ax=axes, ticks=[0, 0.5, 1], fraction=0.05, aspect=30)
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=7)
    bar.outline.set_visible(False)


def errors_of(rows, groups):
    """Per group (row) and true class (column): samples that are wrong, all samples, and the most common wrong answer.

    Returns
    -------
    three DataFrames; the classes with the most errors, at most CLASSES, by name
    """
    wrong = rows[rows["label"] != rows["predicted"]]
    errors = wrong["label"].value_counts().reindex(sorted(rows["label"].unique()), fill_value=0)
    classes = sorted(errors.sort_values(ascending=False, kind="stable").index[:CLASSES])
    counts = [
        pd.crosstab(part["group"], part["label"]).reindex(index=groups, columns=classes, fill_value=0)
        for part in (wrong, rows)
    ]
    commonest = wrong.groupby(["group", "label"])["predicted"].agg(lambda names: names.value_counts().index[0])
    taken = commonest.unstack("label").reindex(index=groups, columns=classes).astype(object)
    return *counts, taken.where(taken.notna(), None)
