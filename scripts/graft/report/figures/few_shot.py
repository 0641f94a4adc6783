"""Draw how few-shot accuracy grows with the examples per class, one line per task of a data set."""

from itertools import cycle, product
from pathlib import Path

from graft.common.outputs import read_json
from graft.report.plots import GREY, MARKERS, PALETTE, draw, legend_beside, say_empty, shorten


def plot(source, path):
    """Draw the metrics.json of every task; a task is called as its folder."""
    lines = lines_of(source.files["metrics"])
    title = f"{source.dataset}: accuracy from a few examples"
    words = "; ".join(describe(line) for line in lines) or "no task"
    size = (8.6, max(3.8, 1.2 + 0.24 * len(lines)))
    draw(path, size, title, f"{words}.", lambda figure: paint(figure, lines, title))


def lines_of(metrics):
    """One dict per task and number of classes: name, ways, and the settings by rising shots."""
    lines = []
    for path in sorted(metrics, key=str):
        settings = read_json(path)["settings"]
        for ways in sorted({one["ways"] for one in settings}):
            points = sorted((one for one in settings if one["ways"] == ways), key=lambda one: one["shots"])
            lines.append({"name": f"{Path(path).parent.name} ({ways} ways)", "ways": ways, "points": points})
    return lines


def describe(line):
    points = [f"{100 * one['accuracy']['value']:.1f} % from {one['shots']}" for one in line["points"]]
    return f"{line['name']}: {', '.join(points)}"


def paint(figure, lines, title):
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes = figure.add_subplot()
    if not lines:
        return say_empty(axes, "no few-shot task on this data set")
    shots = sorted({one["shots"] for line in lines for one in line["points"]})
    place = {count: i for i, count in enumerate(shots)}
    looks = cycle(
        (dash, marker, colour)
        for dash, (marker, colour) in product(("-", ":", "-."), zip(MARKERS, PALETTE, strict=True))
    )
    names = shorten([line["name"] for line in lines], width=60)
    for i, (line, name, (dash, marker, colour)) in enumerate(zip(lines, names, looks, strict=False)):
        # Lines are a little apart, so that their intervals do not hide each other.
        x = [place[one["shots"]] + 0.025 * (i - (len(lines) - 1) / 2) for one in line["points"]]
        accuracy = [one["accuracy"] for one in line["points"]]
        values = [one["value"] for one in accuracy]
        errors = [
            [one["value"] - _or(one["low"], one["value"]) for one in accuracy],
            [_or(one["high"], one["value"]) - one["value"] for one in accuracy],
        ]
        axes.errorbar(x, values, errors, color=colour, marker=marker, linestyle=dash, capsize=2.5, label=name)
    for i, ways in enumerate(sorted({line["ways"] for line in lines})):
        label = "chance" if i == 0 else None
        axes.axhline(1 / ways, color=GREY, linewidth=1, linestyle=(0, (5, 4)), label=label)
    axes.set_xticks(range(len(shots)), shots)
    axes.set(xlabel="examples per class (shots)", ylabel="accuracy", ylim=(0, 1.02), xlim=(-0.35, len(shots) - 0.65))
    axes.grid(True, axis="y")
    legend_beside(axes, fontsize=8)


def _or(value, fallback):
    return fallback if value is None else value
