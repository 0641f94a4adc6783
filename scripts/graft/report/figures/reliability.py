"""Draw how well a model's confidence agrees with its accuracy, before and after temperature scaling."""

import numpy as np

from graft.evaluation.calibration_error import BINS, top_label_error
from graft.evaluation.intervals import units_of
from graft.heads.calibration import probabilities, reliability
from graft.report.plots import GREY, PALETTE, draw, head, say_empty


def plot(source, path):
    """Draw the reliability diagram of a classifier."""
    judged = source.judged
    rows, classes = judged.rows, judged.classes
    place = {name: i for i, name in enumerate(classes)}
    labels = rows["label"].map(place).to_numpy(np.int64)
    units, answer = units_of(rows.get("group")), rows["predicted"].map(place).to_numpy(np.int64)
    panels = [
        (name, reliability(labels, chances, BINS, answer), error(labels, chances, answer, units))
        for name, chances in probabilities_of(rows, classes)
    ]
    title = f"{judged.target}: is the confidence right?"
    subtitle = f"{judged.name}, {judged.split} split, {len(rows)} samples"
    words = f"{subtitle}. " + " ".join(
        f"{panel}: expected calibration error {value:.3f}." for panel, _, value in panels
    )
    draw(path, (7.6, 4.6), title, words, lambda figure: paint(figure, panels, title, subtitle))


def probabilities_of(rows, classes):
    """(name, probabilities) as trained, where each class has a logit, and calibrated."""
    names = [f"logit_{name}" for name in classes]
    calibrated = rows[[f"prob_{name}" for name in classes]].to_numpy(float)
    if names[0] not in rows:  # of classes with an order, each step has a logit, and a temperature
        return [("calibrated", calibrated)]
    temperature = float(rows["temperature"].iloc[0]) if len(rows) else 1.0
    how = f"temperature {temperature:.3g}" + (", class weights removed" if f"intercept_{classes[0]}" in rows else "")
    plain = probabilities(rows[names].to_numpy(float))
    return [("as trained (temperature 1)", plain), (f"calibrated ({how})", calibrated)]


def error(labels, chances, answer, units):
    """The calibration error of metrics.json: debiased, of the class that the model decides for; NaN without samples."""
    if not len(labels):
        return np.nan
    return top_label_error(answer == labels, chances[np.arange(len(labels)), answer], units)["value"]


def paint(figure, panels, title, subtitle):
    head(figure, title, subtitle)
    if not len(panels[0][1]):
        return say_empty(figure.add_subplot(), "no labelled sample to judge by")
    axes = figure.subplots(2, len(panels), squeeze=False, sharex=True, sharey="row", height_ratios=[3, 1])
    for (name, bins, value), (upper, lower) in zip(panels, axes.T, strict=True):
        width = (bins["high"] - bins["low"]) * 0.92
        middle = (bins["low"] + bins["high"]) / 2
        upper.bar(middle, bins["accuracy"], width, color=PALETTE[5], label="accuracy of the bin")
        upper.bar(
            middle,
            bins["confidence"] - bins["accuracy"],
            width,
            bottom=bins["accuracy"],
            facecolor="none",
            edgecolor=PALETTE[1],
            linewidth=1,
            hatch="////",
            label="gap to its confidence",
        )
        upper.plot([0, 1], [0, 1], color="black", linewidth=1, linestyle="--", label="confidence = accuracy")
        upper.set_title(f"{name}: ECE {value:.3f}")
        lower.bar(middle, bins["count"], width, color=GREY)
        lower.set(xlabel="confidence", xlim=(0, 1))
        upper.set_ylim(0, 1.02)
    axes[0, 0].set_ylabel("share that is right")
    axes[1, 0].set_ylabel("samples")
    axes[0, 0].legend(loc="upper left", fontsize=7.5)
