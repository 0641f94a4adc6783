"""Draw how accuracy grows with the examples per class, one line per few-shot task of a data set, beside zero-shot tasks."""

from itertools import cycle, product
from pathlib import Path

from graft.common.outputs import read_json
from graft.report.plots import GREY, MARKERS, PALETTE, draw, legend_beside, say_empty, shorten


def plot(source, path):
    """Draw the metrics.json of every task; a task is called as its folder.

    A zero-shot task is a point at no example, with a thin line across the numbers of examples.
    """
    lines = lines_of(source.files["metrics"]) + zero_shot_of(source.files.get("zero_shot", ()))
    title = f"{source.dataset}: accuracy from few or no examples"
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


def zero_shot_of(metrics):
    """One dict per zero-shot task, with one point, at 0 shots."""
    lines = []
    for path in sorted(metrics, key=str):
        found = read_json(path)
        accuracy = found.get("test", {}).get("balanced_accuracy")  # queries, too, are as many of each class
        if accuracy:
            worth = "".join(f", worth {one['words']} shots" for one in found["shots_worth"][:1])
            points = [{"shots": 0, "accuracy": accuracy}]
            name = f"{Path(path).parent.name} (zero-shot{worth})"
            lines.append({"name": name, "ways": len(found["texts"]), "points": points})
    return lines


def describe(line):
    points = [f"{100 * one['accuracy']['value']:.1f} % from {one['shots']}" for one in line["points"]]
    return f"{line['name']}: {', '.join(points)}"


def paint(figure, lines, title):
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    axes = figure.add_subplot()
    if not lines:
        return say_empty(axes, "no task on this data set")
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
        if line["points"][0]["shots"] == 0:
            axes.axhline(values[0], color=colour, linewidth=0.8, linestyle=":")
    for i, ways in enumerate(sorted({line["ways"] for line in lines})):
        label = "chance" if i == 0 else None
        axes.axhline(1 / ways, color=GREY, linewidth=1, linestyle=(0, (5, 4)), label=label)
    axes.set_xticks(range(len(shots)), shots)
    axes.set(xlabel="examples per class (shots)", ylabel="accuracy", ylim=(0, 1.02), xlim=(-0.35, len(shots) - 0.65))
    axes.grid(True, axis="y")
    legend_beside(axes, fontsize=8)


def _or(value, fallback):
    return fallback if value is None else value
