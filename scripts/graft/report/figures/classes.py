"""Draw how many labelled samples each class of a data set has in each split."""

import numpy as np

from graft.evaluation.tables import printable
from graft.report.plots import GREY, PALETTE, draw, legend_beside, say_empty, shorten, thin

SPLITS = {"train": PALETTE[0], "validation": PALETTE[4], "test": PALETTE[2]}


def plot(source, path):
    """Draw every target of a data set below the other."""
    manifest = source.manifest
    panels = [(name, panel_of(manifest, name)) for name in manifest.targets]
    heights = [height_of(panel) for _, panel in panels]
    title = f"{source.dataset}: labelled samples per split"
    words = " ".join(describe(name, panel) for name, panel in panels)
    draw(
        path,
        (7.6, 0.7 + sum(heights)),
        title,
        words,
        lambda figure: paint(figure, panels, heights, title),
    )


def panel_of(manifest, target):
    """Classes and counts per split, or values per split, and the number of samples without this label."""
    facts = manifest.targets[target]
    frame = manifest.frame
    labelled = frame[target].notna()
    panel = {"unlabelled": int((~labelled).sum())}
    parts = {split: frame[labelled & (frame["split"] == split)] for split in SPLITS}
    codes = {split: np.asarray(manifest.codes(target, part)) for split, part in parts.items()}
    if facts["kind"] == "regression":
        return panel | {"values": codes}
    width = len(facts["classes"])
    if facts["kind"] == "multilabel":
        counts = {split: (found == 1).sum(0) for split, found in codes.items()}
    else:
        counts = {split: np.bincount(found[found >= 0], minlength=width) for split, found in codes.items()}
    return panel | {"classes": facts["classes"], "counts": counts}


def height_of(panel):
    """Inches for a panel: room for each class's name, up to where names are thinned out."""
    return 2.4 if "values" in panel else 0.8 + max(1.2, min(14.0, 0.24 * len(panel["classes"])))


def describe(name, panel):
    """A panel in words."""
    if "values" in panel:
        each = [f"{split} {len(values)}" for split, values in panel["values"].items()]
    else:
        counts = panel["counts"]
        each = [
            f"{label} {' + '.join(str(counts[split][i]) for split in SPLITS)}"
            for i, label in enumerate(panel["classes"])
        ]
    return f"{name} ({' + '.join(SPLITS)}): {'; '.join(each)}. Without this label: {panel['unlabelled']}."


def paint(figure, panels, heights, title):
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    if not panels:
        return say_empty(figure.add_subplot(), "the data set has no target")
    axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for one, (name, panel) in zip(axes, panels, strict=True):
        (paint_values if "values" in panel else paint_classes)(one, panel)
        unlabelled = f"; {panel['unlabelled']} samples without this label" if panel["unlabelled"] else ""
        one.set_title(f"{printable(name)}{unlabelled}", color=GREY, fontsize=8.5)
        legend_beside(one)


def paint_classes(axes, panel):
    """A bar per class, stacked over the splits, with the total at its end."""
    count = len(panel["classes"])
    start = np.zeros(count, np.int64)
    for split, colour in SPLITS.items():
        axes.barh(range(count), panel["counts"][split], left=start, height=0.78, color=colour, label=split)
        start = start + panel["counts"][split]
    places = thin(count, 60)
    names = shorten(panel["classes"])
    axes.set_yticks(places, [names[i] for i in places], fontsize=8)
    if len(places) == count:
        for i, total in enumerate(start):
            axes.text(total, i, f" {total}", va="center", fontsize=7, color=GREY)
    axes.set_ylim(count - 0.4, -0.6)
    axes.set_xlim(0, 1.12 * max(1, start.max()))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("samples")


def paint_values(axes, panel):
    """Histograms of the values, stacked over the splits."""
    values = [panel["values"][split] for split in SPLITS]
    if sum(map(len, values)):
        axes.hist(values, bins=30, stacked=True, color=list(SPLITS.values()), label=list(SPLITS))
    axes.set(xlabel="value", ylabel="samples")
