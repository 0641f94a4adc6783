"""Draw which classes a trained model mistakes for which: the confusion matrix of its test samples."""

import numpy as np

from graft.report.plots import GREY, draw, say_empty, shorten, thin

FULL, SHARES = 12, 50  # up to so many classes: counts and shares in the cells, then shares alone, then colour alone


def plot(source, path):
    """Draw the confusion matrix of a classifier."""
    judged = source.judged
    classes, split, name = judged.classes, judged.split, judged.name
    counts = confusion(judged.rows["label"], judged.rows["predicted"], classes)
    title = f"{judged.target}: true and predicted class"
    side = max(2.6, len(classes) * cell_size(len(classes)))
    draw(
        path,
        (side + 2.4, side + 1.6),
        title,
        describe(counts, classes, split, name),
        lambda figure: paint(figure, counts, classes, title, f"{name}, {split} split, {counts.sum()} samples"),
    )


def confusion(labels, predicted, classes):
    """Counts, shape (C, C): row = true class, column = predicted class, in the order of `classes`."""
    place = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), np.int64)
    np.add.at(counts, (labels.map(place).to_numpy(np.int64), predicted.map(place).to_numpy(np.int64)), 1)
    return counts


def shares_of(counts):
    """Each row divided by its sum; a class without samples has NaN."""
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full(counts.shape, np.nan), where=total > 0)


def cell_size(count):
    """Side of a cell in inches: room for the text in it."""
    return 0.55 if count <= FULL else 0.27 if count <= SHARES else 0.13


def paint(figure, counts, classes, title, subtitle):
    axes = figure.add_subplot()
    if not counts.sum():
        return say_empty(axes, "no labelled sample to judge by")
    count, shares = len(classes), shares_of(counts)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(shares), cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=0.4
    )
    mesh.set_rasterized(count > 2 * SHARES)
    annotate(axes, counts, shares)
    names = shorten(classes)
    places = thin(count, 120)
    size = 8 if count <= SHARES else 5
    axes.set_xticks(places + 0.5, [names[i] for i in places], rotation=45 if count <= SHARES else 90, fontsize=size)
    for label in axes.get_xticklabels():
        label.set(ha="right" if count <= SHARES else "center", rotation_mode="anchor" if count <= SHARES else "default")
    axes.set_yticks(places + 0.5, [names[i] for i in places], fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.set(xlabel="predicted class", ylabel="true class")
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes.set_title(subtitle, color=GREY, fontsize=8)
    bar = figure.colorbar(mesh, ax=axes, shrink=0.7, ticks=[0, 0.5, 1])
    bar.ax.set_yticklabels(["0 %", "50 %", "100 %"], fontsize=7)
    bar.set_label("share of the true class", fontsize=8)
    bar.outline.set_visible(False)


def annotate(axes, counts, shares):
    """Write counts and shares into the cells, as far as they stay readable."""
    if len(counts) > SHARES:
        return
    full = len(counts) <= FULL
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = f"{100 * shares[row, column]:.0f}"
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{counts[row, column]}\n{share} %" if full else share,
            ha="center",
            va="center",
            fontsize=7.5 if full else 6,
            color="white" if shares[row, column] > 0.55 else "black",
        )


def describe(counts, classes, split, name):
    """The matrix in words: overall, then how each class fared."""
    if not counts.sum():
        return f"{name}: no labelled sample."
    right = f"{counts.trace()} of {counts.sum()} {split} samples are right."
    each = [f"{c}: {counts[i, i]} of {counts[i].sum()}" for i, c in enumerate(classes)]
    return f"{name}. {right} Per class: {'; '.join(each)}."
