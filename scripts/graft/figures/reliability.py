"""Draw how far a model's confidence can be taken at its word, before and after temperature scaling."""

import numpy as np

from graft.calibration import probabilities, reliability
from graft.plots import GREY, PALETTE, draw, head, say_empty

BINS = 15


def plot(judged, path):
    """Draw the reliability diagram of a classifier (plots.Judged)."""
    rows, classes = judged.rows, judged.classes
    place = {name: i for i, name in enumerate(classes)}
    labels = rows["label"].map(place).to_numpy(np.int64)
    logits = rows[[f"logit_{name}" for name in classes]].to_numpy(float)
    calibrated = rows[[f"prob_{name}" for name in classes]].to_numpy(float)
    temperature = float(rows["temperature"].iloc[0]) if len(rows) else 1.0
    how = f"temperature {temperature:.3g}" + (", class weights taken off" if f"intercept_{classes[0]}" in rows else "")
    panels = [
        ("as trained (temperature 1)", reliability(labels, probabilities(logits), BINS)),
        (f"calibrated ({how})", reliability(labels, calibrated, BINS)),
    ]
    title = f"{judged.target}: is the confidence right?"
    subtitle = f"{judged.name}, {judged.split} split, {len(rows)} samples"
    words = f"{subtitle}. " + " ".join(
        f"{panel}: expected calibration error {calibration_error(bins):.3f}." for panel, bins in panels
    )
    draw(path, (7.6, 4.6), title, words, lambda figure: paint(figure, panels, title, subtitle))


def calibration_error(bins):
    """Expected calibration error (Guo et al. 2017) of a table of `reliability`; NaN without samples."""
    total = bins["count"].sum()
    return float((bins["count"] * (bins["accuracy"] - bins["confidence"]).abs()).sum() / total) if total else np.nan


def paint(figure, panels, title, subtitle):
    head(figure, title, subtitle)
    if not len(panels[0][1]):
        return say_empty(figure.add_subplot(), "no labelled sample to judge by")
    axes = figure.subplots(2, 2, sharex=True, sharey="row", height_ratios=[3, 1])
    for (name, bins), (upper, lower) in zip(panels, axes.T, strict=True):
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
        upper.set_title(f"{name}: ECE {calibration_error(bins):.3f}")
        lower.bar(middle, bins["count"], width, color=GREY)
        lower.set(xlabel="confidence", xlim=(0, 1))
        upper.set_ylim(0, 1.02)
    axes[0, 0].set_ylabel("share that is right")
    axes[1, 0].set_ylabel("samples")
    axes[0, 0].legend(loc="upper left", fontsize=7.5)
