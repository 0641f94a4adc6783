"""Draw the learning curve of each target of a data set, and its forecast."""

from pathlib import Path

from graft.curves.table import read_curves
from graft.evaluation.tables import METRIC_NAMES, printable
from graft.report.plots import GREY, MARKERS, PALETTE, draw, legend_beside, say_empty

COLOURS = {"validation": PALETTE[0], "test": PALETTE[1]}


def plot(source, path):
    """Draw a panel per target; a table is called as its target."""
    panels = [(Path(table).stem, read_curves(table)) for table in sorted(source.files["curves"], key=str)]
    title = f"{source.dataset}: more labels"
    words = " ".join(describe(target, curves) for target, curves in panels)
    draw(path, (8.6, 0.5 + 3.4 * len(panels)), title, words, lambda figure: paint(figure, panels, title))


def describe(target, curves):
    """A panel in words."""
    said = []
    for (model, split), curve in curves.items():
        found = [f"{row.median:.3f} from {row.labels:.0f}" for row in curve.medians.itertuples()]
        ahead = f"no forecast: {curve.why}" if curve.why else foretold(curve)
        said.append(f"{model}, {split}, {METRIC_NAMES.get(curve.metric, '')}: {', '.join([*found, ahead])}.")
    return f"{target}: {' '.join(said)}"


def foretold(curve):
    last = curve.forecast.iloc[-1]
    return f"{last['low']:.3f} to {last['high']:.3f} expected from {last['labels']:.0f}"


def paint(figure, panels, title):
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    grid = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
    for axes, (target, curves) in zip(grid, panels, strict=True):
        models = dict.fromkeys(model for model, _ in curves)
        axes.set_title(f"{printable(target)}; {', '.join(filter(None, models))}", color=GREY, fontsize=8.5)
        drawn = {key: curve for key, curve in curves.items() if len(curve.measured)}
        if not drawn:
            say_empty(axes, next(iter(curves.values())).why)
            continue
        for (model, split), curve in drawn.items():
            name = f"{model}, {split}" if len(models) > 1 else split
            paint_curve(axes, curve, name, COLOURS[split], MARKERS[list(models).index(model) % len(MARKERS)])
        metric = next(iter(drawn.values())).metric
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, position: f"{value:,.0f}")
        axes.set(xlabel="labelled train samples", ylabel=METRIC_NAMES[metric])
        axes.grid(True)
        legend_beside(axes, fontsize=8)


def paint_curve(axes, curve, name, colour, marker):
    """Single measurements as small points, their median as a line with the range of the draws; ahead a dashed line and its band."""
    axes.plot(
        curve.measured["labels"], curve.measured["value"], marker, color=colour, alpha=0.35, markersize=3, linewidth=0
    )
    medians = curve.medians
    axes.plot(medians["labels"], medians["median"], color=colour, marker=marker, label=f"{name}, measured")
    axes.fill_between(medians["labels"], medians["least"], medians["most"], color=colour, alpha=0.12, linewidth=0)
    if curve.why:
        axes.plot([], [], " ", label=f"{name}: no forecast")
        return
    ahead = curve.forecast
    axes.plot(ahead["labels"], ahead["value"], color=colour, linestyle="--", label=f"{name}, forecast")
    axes.fill_between(ahead["labels"], ahead["low"], ahead["high"], color=colour, alpha=0.2, linewidth=0)
