"""Draw predicted against measured values of a regression model, and how often its error bars hold."""

import numpy as np
from scipy.stats import norm

from graft.evaluation.tables import printable
from graft.report.plots import GREY, PALETTE, draw, say_empty

LEVELS = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99])


def plot(source, path):
    """Draw the scatter and the coverage of a regression model."""
    judged = source.judged
    value, predicted, std = (judged.rows[name].to_numpy(float) for name in ("value", "predicted", "std"))
    covered = coverage(value, predicted, std)
    title = f"{judged.target}: predicted and measured values"
    subtitle = f"{judged.name}, {judged.split} split"
    words = f"{subtitle}, {len(value)} samples."
    if len(value):
        spread = f"{np.sqrt(np.mean((predicted - value) ** 2)):.3g}"
        words += f" Root mean square error {spread}. The 90 % intervals hold {100 * covered[LEVELS == 0.9][0]:.0f} %."
    draw(
        path,
        (8.4, 4.2),
        title,
        words,
        lambda figure: paint(figure, value, predicted, std, judged.target, title, subtitle),
    )


def coverage(value, predicted, std):
    """Share of values within the central normal interval of each of LEVELS."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.abs(predicted - value) / std
    return np.array([np.mean(distance <= norm.ppf(0.5 + level / 2)) if len(value) else np.nan for level in LEVELS])


def paint(figure, value, predicted, std, target, title, subtitle):
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    if not len(value):
        return say_empty(figure.add_subplot(), "no labelled sample to judge by")
    left, right = figure.subplots(1, 2)
    many = len(value) > 2000
    left.scatter(value, predicted, s=5 if many else 14, alpha=0.35, color=PALETTE[0], linewidth=0, rasterized=many)
    low, high = min(value.min(), predicted.min()), max(value.max(), predicted.max())
    pad = 0.05 * (high - low) or 1.0
    low, high = low - pad, high + pad
    left.plot([low, high], [low, high], color=GREY, linewidth=1)
    width = norm.ppf(0.95) * float(np.median(std))
    if np.isfinite(width):
        left.fill_between([low, high], [low - width, high - width], [low + width, high + width], color=GREY, alpha=0.12)
    left.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    left.set(xlabel=f"measured {printable(target)}", ylabel=f"predicted {printable(target)}")
    left.set_title(subtitle, color=GREY, fontsize=8)
    right.plot([0, 1], [0, 1], color=GREY, linewidth=1)
    right.plot(LEVELS, coverage(value, predicted, std), color=PALETTE[1], marker="o")
    right.set(xlim=(0.45, 1.02), ylim=(0, 1.02), xlabel="interval that the model claims")
    right.set(ylabel="share of test values within it")
    right.set_title("error bars", color=GREY, fontsize=8)
    right.grid(True)
