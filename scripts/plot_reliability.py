"""Draw how far a model's confidence can be taken at its word, before and after temperature scaling."""

import numpy as np

from graft.calibration import probabilities, reliability
from graft.job import job
from graft.plots import GREY, PALETTE, draw, head, judged_rows, say_empty
from graft.tables import read_predictions

BINS = 15


def main(predictions, output):
    """Draw the reliability diagram of one prediction table."""
    table, facts = read_predictions(predictions)
    rows, split = judged_rows(table)
    classes = facts["classes"]
    place = {name: i for i, name in enumerate(classes)}
    labels = rows["label"].map(place).to_numpy(np.int64)
    logits = rows[[f"logit_{name}" for name in classes]].to_numpy(float)
    calibrated = rows[[f"prob_{name}" for name in classes]].to_numpy(float)
    temperature = float(table["temperature"].iloc[0]) if len(table) else 1.0
    panels = [
        ("as trained (temperature 1)", reliability(labels, probabilities(logits), BINS)),
        (f"calibrated (temperature {temperature:.3g})", reliability(labels, calibrated, BINS)),
    ]
    name = f"{table['model'].iloc[0]}, seed {table['seed'].iloc[0]}" if len(table) else "no model"
    title = f"{facts['target']}: is the confidence right?"
    words = f"{name}, {split} split, {len(rows)} samples. " + " ".join(
        f"{panel}: expected calibration error {calibration_error(bins):.3f}." for panel, bins in panels
    )
    subtitle = f"{name}, {split} split, {len(rows)} samples"
    draw(output, (7.6, 4.6), title, words, lambda figure: paint(figure, panels, title, subtitle))


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


if "snakemake" in globals():
    with job(snakemake):
        main(predictions=snakemake.input.predictions, output=snakemake.output.figure)
