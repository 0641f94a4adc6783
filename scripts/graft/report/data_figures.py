"""Figures of a data card: what the samples of a data set are like, as SVG text."""

import numpy as np

from graft.data.tables.axis import axis_of
from graft.report.plots import GREY, PALETTE, legend_beside, shorten, svg

MOST_CLASSES = len(PALETTE)
BINS = 40


def drawn_classes(labels, classes):
    """The classes that a figure draws, in their order, or [None]; and in words how many that leaves out ("" if none)."""
    there = [name for name in classes if name in set(labels)]
    shown = there[:MOST_CLASSES] or [None]
    left_out = len(classes) - len(shown) if classes else 0
    return shown, f"the first {len(shown)} of {len(classes)} classes" if left_out > 0 and shown != [None] else ""


def places_of(names, width):
    """Where the columns are on an axis, and what the axis is called.

    Parameters
    ----------
    names : list of str or None; names with numbers which rise or fall (wavelengths, masses) give the places
    width : int, number of columns
    """
    word, places = axis_of(names) or ("", [])
    if len(places) == width and (np.all(np.diff(places) > 0) or np.all(np.diff(places) < 0)):
        return np.array(places), word or "number in the column's name"
    ends = f" ({shorten([names[0]])[0]} to {shorten([names[-1]])[0]})" if names and len(names) == width else ""
    return np.arange(1, width + 1), f"feature, in the order of the columns{ends}"


def sizes(frame):
    """Width against height of the images, larger dots where many have the same size.

    Parameters
    ----------
    frame : DataFrame with height and width
    """
    counts = frame.groupby(["width", "height"]).size()
    widths, heights = (np.array([size[i] for size in counts.index]) for i in (0, 1))

    def paint(figure):
        axes = figure.add_subplot()
        axes.scatter(widths, heights, s=12 + 180 * counts.to_numpy() / counts.max(), color=PALETTE[0], alpha=0.6, lw=0)
        top = 1.15 * max(widths.max(), heights.max())
        axes.plot([0, top], [0, top], color=GREY, linestyle=":", label="square")
        axes.set(xlabel="width, pixels", ylabel="height, pixels", xlim=(0, top), ylim=(0, top))
        axes.legend()

    words = f"{len(counts)} different sizes; the most common is {counts.idxmax()[0]} x {counts.idxmax()[1]}."
    return svg((4.6, 3.6), "sizes of the images", words, paint)


def intensities(pixels, labels, classes, low, high):
    """Histogram of the pixel values of a few images per class.

    Parameters
    ----------
    pixels : list of arrays or masked arrays, any shape
    labels : list of str, one per array
    classes : list of str, in their order; the first few are drawn
    low, high : float, the values that become black and white
    """
    shown, said = drawn_classes(labels, classes)
    margin = (high - low) / 20
    edges = np.linspace(low - margin, high + margin, BINS + 1)

    def paint(figure):
        axes = figure.add_subplot()
        for name, colour in zip(shown, PALETTE, strict=False):
            chosen = [np.ma.compressed(p) for p, label in zip(pixels, labels, strict=True) if name in (None, label)]
            heights, _ = np.histogram(np.concatenate(chosen).clip(edges[0], edges[-1]), edges)
            label = "all images" if name is None else shorten([name])[0]
            axes.stairs(heights / max(1, heights.sum()), edges, color=colour, label=label)
        axes.set_title(said)
        for border in (low, high):
            axes.axvline(border, color=GREY, linestyle=":")
        axes.set(
            xlabel="pixel value (dotted: black and white for the network; values beyond are at the ends)",
            ylabel="share of pixels",
        )
        legend_beside(axes)

    return svg((6.4, 3.2), "intensities", f"Pixel values of {len(pixels)} images. {said}", paint)


def lengths(words, splits, limit=None):
    """Histogram of the words per text, by split; `limit` marks where texts are cut, in words."""
    top = float(np.quantile(words, 0.99)) or 1.0
    edges = np.linspace(0, max(top, limit or 0), BINS + 1)

    def paint(figure):
        axes = figure.add_subplot()
        names = [name for name in ("train", "validation", "test", "pool") if (splits == name).any()]
        values = [np.minimum(words[splits == name], edges[-1]) for name in names]
        axes.hist(values, edges, stacked=True, color=PALETTE[: len(names)], label=names)
        if limit:
            axes.axvline(limit, color=GREY, linestyle=":", label="cut about here")
        axes.set(xlabel="words per text (the longest 1 % are at the end)", ylabel="texts")
        legend_beside(axes)

    return svg((6.4, 3.0), "lengths of the texts", f"The median is {np.median(words):.0f} words.", paint)


def profiles(vectors, labels, classes, names=None):
    """Mean and spread of the vectors of each class, feature by feature.

    Parameters
    ----------
    vectors : array, shape (n, width)
    labels : array of str, shape (n,)
    classes : list of str, in their order; the first few are drawn
    names : list of str, of the columns, if they are known
    """
    shown, said = drawn_classes(labels, classes)
    places, axis = places_of(names, vectors.shape[1])

    def paint(figure):
        axes = figure.add_subplot()
        for name, colour in zip(shown, PALETTE, strict=False):
            rows = vectors if name is None else vectors[labels == name]
            mean, spread = rows.mean(0), rows.std(0)
            axes.fill_between(places, mean - spread, mean + spread, color=colour, alpha=0.15, lw=0)
            axes.plot(places, mean, color=colour, lw=1.1, label="all" if name is None else shorten([name])[0])
        axes.set(xlabel=axis, ylabel="mean and one standard deviation", title=said)
        if places[0] > places[-1]:
            axes.invert_xaxis()  # in the order of the columns: wavenumbers fall
        legend_beside(axes)

    return svg((7.2, 3.2), "features", f"{vectors.shape[0]} vectors of {vectors.shape[1]} features. {said}", paint)
