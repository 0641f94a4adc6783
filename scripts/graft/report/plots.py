"""The look that all figures of the report share, and the SVG writer that makes equal figures equal bytes.

Text stays text in the SVG: it can be searched and read aloud, and is shown in the viewer's fonts where DejaVu lacks a
script. Every figure has a title and a description for those who cannot see it. Nothing depends on the clock.
"""

import io
import warnings
from xml.sax.saxutils import escape

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from graft.common.outputs import write_text
from graft.evaluation.tables import printable

# Okabe & Ito (2008), "Color universal design": distinct with every common colour blindness and in grey print.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
GREY = "#6B6B6B"

STYLE = {
    "font.family": ["DejaVu Sans"],
    "font.size": 9,
    "axes.titlesize": 10,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "text.parse_math": False,  # a class may be called "$5"
    "svg.fonttype": "none",
    "svg.hashsalt": "graft",
    "figure.facecolor": "white",
}


def draw(path, size, title, description, paint):
    """Make a figure in graft's style and write it as SVG; the rest as `svg`."""
    write_text(path, svg(size, title, description, paint))


def svg(size, title, description, paint):
    """Make a figure in graft's style.

    Parameters
    ----------
    size : (float, float)
        Width and height in inches.
    title, description : str
        What the figure shows and what its numbers say, for screen readers and search.
    paint : callable
        Gets the empty matplotlib Figure (constrained layout) and draws on it.

    Returns
    -------
    str, the SVG file's text
    """
    # rc_context also covers saving: fonts and ids are chosen then, not when the artists are made.
    with matplotlib.rc_context({**matplotlib.rcParamsDefault, **STYLE}), warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", message="Glyph .* missing from"
        )  # the viewer has the font, as text stays text
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        return svg_text(figure, title, description)


def svg_text(figure, title, description):
    """The figure as SVG text with role, title and description, and without dates or versions."""
    buffer = io.StringIO()
    metadata = {"Date": None, "Creator": "graft", "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=metadata, bbox_inches="tight", pad_inches=0.08)
    text = buffer.getvalue()
    start = text.index("<svg")
    end = text.index(">", start)
    words = f"\n <title>{escape(printable(title))}</title>\n <desc>{escape(printable(description))}</desc>"
    return f'{text[:end]} role="img"{text[end : end + 1]}{words}{text[end + 1 :]}'


def shorten(names, width=28):
    """Names that fit beside an axis: the middle of long ones is left out, and no two become the same."""
    short, seen = [], {}
    for name in map(printable, names):
        if len(name) > width:
            name = f"{name[: width // 2]}…{name[len(name) - width // 2 + 1 :]}"
        seen[name] = seen.get(name, 0) + 1
        short.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return short


def thin(count, most):
    """Positions of at most `most` evenly spaced labels out of `count`."""
    return np.arange(0, count, max(1, -(-count // most)))


def head(figure, title, *lines):
    """The figure's title, and below it smaller lines: a text, or (text, colour)."""
    figure.suptitle(title + "\n" * len(lines), x=0.01, ha="left", fontsize=11)
    height = figure.get_figheight()
    for place, line in enumerate(lines):
        text, colour = (line, GREY) if isinstance(line, str) else line
        figure.text(0.01, 1 - (0.29 + 0.17 * place) / height, printable(text), color=colour, fontsize=8, va="top")


def legend_beside(axes, **settings):
    """A legend to the right of the axes, where it hides no data."""
    axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0, **settings)


def beside(axes, x, y, text, **settings):
    """A text a little to the right of a bar's end (a leading blank would be lost in SVG)."""
    axes.annotate(text, (x, y), (4, 0), textcoords="offset points", va="center", color=GREY, **settings)


def say_empty(axes, message):
    """An axes that says why it shows nothing."""
    axes.set_axis_off()
    axes.text(0.5, 0.5, message, ha="center", va="center", color=GREY, transform=axes.transAxes)
