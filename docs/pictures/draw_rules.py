"""Draw docs/pictures/rules.svg from the rules of the workflow: `make docs`, or python docs/pictures/draw_rules.py [FILE]."""

import re
import sys
from html import escape
from pathlib import Path

from lay_out import DOWN, GAP, LINE, MARGIN, PAD, RAIL, SPINE, WIDTH, arrows, boxes, ports, rails, short
from read_rules import read_rooms

NEAR = 60  # names whose places differ by less are above each other
OUT = Path(__file__).with_name("rules.svg")
STYLE = """
text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #475569; }
.title { font-size: 17px; font-weight: 600; fill: #0f172a; }
.room { font-size: 14px; font-weight: 600; fill: #0f172a; }
.rule { font: 600 12px ui-monospace, Menlo, Consolas, "Liberation Mono", monospace; fill: #1d4ed8; }
.file { fill: #0f172a; paint-order: stroke; stroke: #f8fafc; stroke-width: 5px; }
.made { fill: #15803d; }
.box { fill: #ffffff; stroke: #94a3b8; }
.spine { fill: #eff6ff; stroke: #60a5fa; }
.arrow { fill: none; stroke: #475569; stroke-width: 1.5; marker-end: url(#head); }
.back { stroke: #c2410c; stroke-dasharray: 5 4; marker-end: url(#backhead); }
.joins { marker-end: none; }
.file.back { fill: #c2410c; stroke: #f8fafc; stroke-dasharray: none; }
"""


def draw():
    """The text of the SVG file."""
    rooms, goal = read_rooms()
    edges = arrows(rooms)
    order = list(rooms)
    forward = {(a, b): files for (a, b), files in edges.items() if order.index(a) < order.index(b)}
    found, spine, beside = boxes(rooms, forward)
    crossed = {(spine.index(a), beside[b]) for a, b in forward if a in spine and b in beside}
    drawn_rails = rails(spine, edges, crossed)
    heights = ports(found, spine, drawn_rails, crossed)
    parts = list(draw_rails(drawn_rails, found, spine, heights))
    for (a, b), files in forward.items():
        parts += draw_arrow(a, b, files, found, spine, beside)
    names = [part for part in parts if 'class="file' in part]
    parts = [part for part in parts if part not in names]
    parts += [line for box in found.values() for line in draw_box(box, box.room.name in spine)]
    last = found[spine[-1]]
    return page(header(goal, found[spine[0]]) + parts + apart(names), last.bottom + MARGIN)


def apart(names):
    """The names of files, each moved down until it covers no other one."""
    found, taken = [], []
    for name in names:
        x, y = map(int, re.search(r'x="(\d+)" y="(\d+)"', name).groups())
        low = y
        while any(abs(x - x2) < NEAR and abs(low - y2) < LINE for x2, y2 in taken):
            low += LINE
        taken.append((x, low))
        found.append(name.replace(f'y="{y}"', f'y="{low}"'))
    return found


def page(parts, height):
    heads = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
        f'<path d="M0 0L8 4L0 8z" fill="{colour}"/></marker>'
        for name, colour in (("head", "#475569"), ("backhead", "#c2410c"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}">',
            "<title>The rules of graft and the files between them</title>",
            f"<style>{STYLE}</style><defs>{heads}</defs>",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#f8fafc"/>',
            *parts,
            "</svg>\n",
        ]
    )


def header(goal, first):
    """The title, how to read the picture, what rule `all` is, and what the first box needs."""
    x = first.x + DOWN
    return [
        text(MARGIN, 30, "From your data to the report", "title"),
        text(MARGIN, 52, "A box is a file of rules/. Blue: its rules. Green: what is left for you."),
        text(MARGIN, 68, "Beside the arrows: the files passed on."),
        text(WIDTH - MARGIN, 52, "Dashed: back to a rule of an earlier box.", anchor="end"),
        text(WIDTH - MARGIN, 68, f"Rule all: {goal[0].lower()}{goal[1:]}.", anchor="end"),
        path(f"M{x} {first.y - 26}V{first.y}"),
        text(x + 10, first.y - 10, first.room.needs, "file"),
    ]


def draw_box(box, on_spine):
    yield f'<rect class="box{" spine" * on_spine}" x="{box.x}" y="{box.y}" width="{box.width}" height="{box.height}" rx="8"/>'
    for number, (kind, line) in enumerate(box.lines):
        yield text(box.x + PAD, box.y + PAD + 12 + LINE * number + 4 * (number > 0), line, kind)


def draw_arrow(a, b, files, found, spine, beside):
    """An arrow down to the next box, or to or from a box beside the spine."""
    source, target = found[a], found[b]
    names = short(files)
    if a in spine and b in spine:
        if spine.index(b) == spine.index(a) + 1:
            x = SPINE[0] + DOWN
            yield path(f"M{x} {source.bottom}V{target.y}")
            yield from label(x + 10, (source.bottom + target.y) // 2, files)
    elif a in spine:
        start, end = (source.x + source.width, target.x) if beside[b] > 0 else (source.x, target.x + target.width)
        if target.y < source.middle < target.bottom:
            yield path(f"M{start} {source.middle}H{end}")
            yield from label((start + end) // 2, source.middle + 12, names, anchor="middle")
        else:  # another box is in the way: round it
            x = end - beside[b] * RAIL
            yield path(f"M{start} {source.middle}H{x}V{target.middle}H{end}")
    elif b in spine and b != spine[-1]:
        x, y = source.x + DOWN, target.middle
        yield path(f"M{x} {source.bottom}V{y}H{target.x if beside[a] < 0 else target.x + target.width}")
        yield from label(x + 10, y + 12, names)
    elif any(found[name].x == source.x and target.y > found[name].y > source.y for name in beside):
        x = source.x + source.width
        yield path(f"M{x} {source.middle}H{x + RAIL}V{target.y}")
        yield from label(x + RAIL - 6, target.y - 16, names, anchor="end")
    else:
        x = source.x + DOWN
        yield path(f"M{x} {source.bottom}V{target.y}")
        # Below those of the rails, if there is room.
        yield from label(x + 10, min(source.bottom + 2 * GAP, (source.bottom + target.y) // 2), names)


def draw_rails(rails, found, spine, heights):
    """The lines of all rails, with their files: each in a gap between boxes of its own."""
    taken = set()
    for rail in sorted(rails, key=lambda rail: rail.ends[1] - rail.ends[0]):
        edge = SPINE[0] if rail.side < 0 else SPINE[0] + SPINE[1]
        x = edge + rail.side * RAIL * rail.track
        last = rail.target == len(spine) - 1  # it is as wide as the picture
        end = f"V{found[spine[-1]].y}" if last else f"V{heights[rail.target, rail.side, id(rail)]}H{edge}"
        kind = "back" if rail.is_back else ""
        far, *others = sorted(rail.sources, key=lambda source: -abs(source - rail.target))
        yield path(f"M{edge} {heights[far, rail.side, id(rail)]}H{x}{end}", f"arrow {kind}".strip())
        for source in others:
            yield path(f"M{edge} {heights[source, rail.side, id(rail)]}H{x}", f"arrow {kind} joins")
        gaps = list(range(*rail.ends))
        gap = next((gap for gap in gaps if (gap, rail.side) not in taken), gaps[-1])
        taken.add((gap, rail.side))
        y = (found[spine[gap]].bottom + found[spine[gap + 1]].y) // 2
        yield from label(x + rail.side * 6, y, rail.files, kind, "end" if rail.side < 0 else "start")


def label(x, y, files, kind="", anchor="start"):
    """Names of files, one below the other, the middle of them at height y."""
    for number, file in enumerate(files):
        yield text(x, y + 4 + LINE * number - LINE * (len(files) - 1) // 2, file, f"file {kind}".strip(), anchor)


def path(line, kind="arrow"):
    return f'<path class="{kind}" d="{line}"/>'


def text(x, y, words, kind="", anchor="start"):
    attributes = f' class="{kind}"' * bool(kind) + f' text-anchor="{anchor}"' * (anchor != "start")
    return f'<text x="{x}" y="{y}"{attributes}>{escape(words)}</text>'


if __name__ == "__main__":
    Path(sys.argv[1] if len(sys.argv) > 1 else OUT).write_text(draw(), encoding="utf-8")
