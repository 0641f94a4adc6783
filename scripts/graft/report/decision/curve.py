"""A learning curve with its forecast as inline SVG, small enough that its words can be read on a phone."""

import math

from graft.evaluation.tables import METRIC_NAMES
from graft.report.decision.ticks import round_values

WIDTH, HEIGHT = 360, 210
LEFT, RIGHT, TOP, BOTTOM = 44, 10, 20, 36  # margins


def curve_svg(curve):
    """The SVG of a curves.table.Curve: measured draws, their median, and the forecast with its band."""
    measured, forecast, medians = curve.measured, curve.forecast, curve.medians
    sizes = [*measured["labels"], *forecast["labels"]]
    values = [*measured["value"], *forecast["low"], *forecast["high"]]
    x, y = _axis(map(math.log, sizes), LEFT, WIDTH - RIGHT), _axis(values, HEIGHT - BOTTOM, TOP)
    parts = [_band(forecast, x, y)] if len(forecast) else []
    parts += [
        f'<circle class="draw" cx="{x(math.log(row.labels)):.1f}" cy="{y(row.value):.1f}" r="1.8"/>'
        for row in measured.itertuples()
    ]
    parts.append(_line("median", [(x(math.log(row.labels)), y(row.median)) for row in medians.itertuples()]))
    parts += [_tick_below(x(math.log(count)), count) for count in _counts(min(sizes), max(sizes))]
    parts += [_tick_left(y(value), value) for value in round_values(min(values), max(values))]
    words = f"{METRIC_NAMES[curve.metric]} of {curve.model} against the number of labels"
    named = f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 4}">labelled train samples</text>'
    named += f'<text class="axis name" x="4" y="10">{METRIC_NAMES[curve.metric]} on validation rows</text>'
    return f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}">{"".join(parts)}{named}</svg>'


def _axis(values, start, end):
    """A function from a value to its place between two ends."""
    values = list(values)
    low, high = min(values), max(values)
    margin = 0.04 * (high - low or 1.0)
    low, high = low - margin, high + margin
    return lambda value: start + (value - low) / (high - low) * (end - start)


def _band(forecast, x, y):
    upper = [(x(math.log(row.labels)), y(row.high)) for row in forecast.itertuples()]
    lower = [(x(math.log(row.labels)), y(row.low)) for row in forecast.itertuples()]
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in [*upper, *reversed(lower)])
    middle = [(x(math.log(row.labels)), y(row.value)) for row in forecast.itertuples()]
    return f'<polygon class="band" points="{points}"/>{_line("foretold", middle)}'


def _line(name, points):
    return f'<polyline class="{name}" points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}"/>'


def _tick_below(place, count):
    low = HEIGHT - BOTTOM
    return (
        f'<line class="grid" x1="{place:.1f}" x2="{place:.1f}" y1="{TOP}" y2="{low}"/>'
        f'<text class="axis" x="{place:.1f}" y="{low + 14}">{count:,}</text>'
    )


def _tick_left(place, value):
    return (
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{place:.1f}" y2="{place:.1f}"/>'
        f'<text class="left" x="{LEFT - 5}" y="{place + 4:.1f}">{value:g}</text>'
    )


def _counts(low, high):
    """Round numbers of labels, at most six."""
    found = [part * 10**power for power in range(8) for part in (1, 2, 5) if low <= part * 10**power <= high]
    return found if len(found) <= 6 else [one for one in found if str(one)[0] == "1"]
