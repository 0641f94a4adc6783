"""Where the boxes of the picture of the rules are, which arrows it has, and which way they take.

The longest way of the data is the spine of the picture, from top to bottom; other rooms (files of rules/) are beside it. An
arrow is left out where other arrows lead there, too, unless it is the only one that shows what a rule gives to other rooms.
"""

import itertools
import textwrap
from collections import defaultdict
from dataclasses import dataclass
from functools import cache

WIDTH, MARGIN = 900, 12
SPINE = (280, 300)  # x and width
LEFT, RIGHT = (MARGIN, 148), (704, 168)  # between them and the spine are the rails; right of RIGHT, an outer rail
HEADER, GAP, LINE, PAD = 90, 38, 16, 12
RAIL = 16  # from one rail to the next
DOWN = 30  # from a box's left side to the arrow that leaves it below
LISTED = 3  # a room of more rules shows only their names
LETTER = 6.4  # a letter's mean width in a sans-serif font of 12 px, rather too much


@dataclass
class Box:
    room: object
    x: int
    width: int
    y: int = 0
    lines: tuple = ()

    @property
    def height(self):
        return 2 * PAD + 4 + LINE * len(self.lines)

    @property
    def bottom(self):
        return self.y + self.height

    @property
    def middle(self):
        return self.y + self.height // 2


@dataclass
class Rail:
    """An arrow that passes boxes of the spine: from the boxes `sources` to the box `target` (numbers on the spine)."""

    sources: list
    target: int
    files: tuple
    side: int = 0  # -1 left, 1 right
    track: int = 0

    @property
    def ends(self):
        return min(*self.sources, self.target), max(*self.sources, self.target)

    @property
    def is_back(self):
        return self.target < self.ends[1]


# Which arrows there are


def arrows(rooms):
    """(room, room that reads) -> names of files; those against the order of the rooms as well."""
    order = list(rooms)
    reads = defaultdict(set)
    for room in rooms.values():
        for number, reader in room.gives:
            reads[room.name, reader].add(number)
    forward = {(a, b) for a, b in reads if order.index(a) < order.index(b)}
    kept = {(a, b) for a, b in forward if not is_implied(a, b, frozenset(forward))} | (set(reads) - forward)
    for room in rooms.values():
        for number in range(len(room.rules)):
            readers = [b for b in order if (room.name, b) in forward and number in reads[room.name, b]]
            if readers and not any((room.name, b) in kept for b in readers):
                kept.add((room.name, readers[0]))
    return {
        (a, b): tuple(dict.fromkeys(rooms[a].gives[number, b][0] for number in sorted(reads[a, b])))
        for a, b in sorted(kept, key=lambda pair: (order.index(pair[0]), order.index(pair[1])))
    }


def is_implied(start, end, edges):
    """Whether other edges lead from start to end, too."""
    others = edges - {(start, end)}
    return any(reaches(b, end, others) for a, b in others if a == start)


@cache
def reaches(start, end, edges):
    return start == end or any(reaches(b, end, edges) for a, b in edges if a == start)


def longest_way(order, edges):
    """The longest chain of rooms; of several, that which ends last in the order."""
    ways = {}
    for room in order:
        before = [ways[a] for a, b in edges if b == room and a in ways]
        ways[room] = [*max(before, key=len, default=[]), room]
    return max(reversed(ways.values()), key=len)


# Where the boxes are


def boxes(rooms, edges):
    """Boxes by room, the spine's names, and those beside it: {name: side}."""
    spine = longest_way(list(rooms), edges)
    beside = sides([name for name in rooms if name not in spine], edges)
    found = {}
    for name, room in rooms.items():
        x, width = SPINE if name in spine else LEFT if beside[name] < 0 else RIGHT
        if name == spine[-1]:
            x, width = MARGIN, WIDTH - 2 * MARGIN
        found[name] = Box(room, x, width, lines=tuple(lines_of(room, width - 2 * PAD)))
    y = HEADER
    for name in spine:
        found[name].y, y = y, y + found[name].height + GAP
    for number, name in enumerate(beside):
        place_beside(found, name, spine, edges, [found[other] for other in list(beside)[:number]])
    lowest = max(found[name].bottom for name in beside) + GAP
    found[spine[-1]].y = max(found[spine[-1]].y, lowest)
    return found, spine, beside


def sides(names, edges):
    """1 (right) or -1 (left) for each room beside the spine: those with arrows between them on one side."""
    groups = []
    for name in names:
        joined = [group for group in groups if any((a, name) in edges or (name, a) in edges for a in group)]
        groups = [group for group in groups if group not in joined] + [sum(joined, []) + [name]]
    groups.sort(key=len, reverse=True)
    return {name: -1 if number % 2 else 1 for number, group in enumerate(groups) for name in group}


def place_beside(found, name, spine, edges, placed):
    """Beside the box of the spine that it reads from, and below what is `placed` there and what it reads on its own side."""
    box = found[name]
    before = [found[a] for a, b in edges if b == name]
    on_spine = [other for other in before if other.room.name in spine]
    box.y = max([HEADER, *(other.middle - box.height // 2 for other in on_spine)])
    for other in sorted(placed, key=lambda other: other.y):
        if other.x == box.x and (other in before or other.y < box.bottom + GAP and box.y < other.bottom + GAP):
            box.y = max(box.y, other.bottom + GAP)


def lines_of(room, width):
    """The text of a box as (class, text): the rules with their words, or the names of many; files that a run ends with."""
    yield "room", room.name.replace("_", " ")
    if len(room.rules) <= LISTED:
        for names, said in room.rules:
            yield "rule", " · ".join(names)
            yield from wrapped("", said, width / LETTER)
    else:
        names = [name for group, _ in room.rules for name in group]
        yield from wrapped("", f"{len(names)} rules make {room.makes}", width / LETTER)
        yield from wrapped("rule", ", ".join(names), width / 7.3)
    tops = [file.split("/")[0] for file in room.leaves]
    made = dict.fromkeys(
        f"{top}/" if tops.count(top) > 1 or LETTER * (len(file) + 2) > width else file
        for top, file in zip(tops, room.leaves, strict=True)
    )
    if made:
        yield from wrapped("made", "→ " + ", ".join(made), width / LETTER)


def wrapped(kind, words, letters):
    return ((kind, line) for line in textwrap.wrap(words, int(letters), break_long_words=False))


# The arrows that pass a box


def rails(spine, edges, crossed):
    """The rails, each on the side where the fewest lines cross; `crossed` are (number on the spine, side) of arrows aside."""
    found = {}
    for (a, b), files in edges.items():
        if a in spine and b in spine and spine.index(b) != spine.index(a) + 1:
            source, target = spine.index(a), spine.index(b)
            names = short(files)
            key = (target, names, source > target)
            found.setdefault(key, Rail([], target, names)).sources.append(source)
    found = list(found.values())
    best = min(itertools.product((1, -1), repeat=len(found)), key=lambda tried: cost(found, tried, crossed))
    for rail, side in zip(found, best, strict=True):
        rail.side = side
    for rail in sorted(found, key=lambda rail: rail.ends[1] - rail.ends[0]):
        inner = [r.track for r in found if r is not rail and r.side == rail.side and r.track and overlap(r, rail)]
        rail.track = max(inner, default=0) + 1
    return found


def short(files):
    """The names of files without their folders; or the first folder, where all names in it are wildcards."""
    parts = (file.split("/") for file in files)
    return tuple(dict.fromkeys(f"{one[0]}/" if one[-1].startswith("{target}") else one[-1] for one in parts))


def overlap(one, other):
    return one.ends[0] < other.ends[1] and other.ends[0] < one.ends[1]


def cost(found, tried, crossed):
    """How often lines cross; then how many arrows back are right or forward are left, where one does not expect them."""
    pairs = itertools.combinations(zip(found, tried, strict=True), 2)
    crossings = sum(side == other and interleave(a.ends, b.ends) for (a, side), (b, other) in pairs)
    crossings += sum(
        side == aside and rail.ends[0] < number < rail.ends[1]
        for rail, side in zip(found, tried, strict=True)
        for number, aside in crossed
    )
    return crossings, sum(rail.is_back == (side > 0) for rail, side in zip(found, tried, strict=True))


def interleave(one, other):
    (a, b), (c, d) = sorted((one, other))
    return a < c < b < d


def ports(found, spine, drawn_rails, crossed):
    """Height of every line's end at the side of a box: {(number on the spine, side, rail's id or None): y}.

    From top to bottom: lines that go up, inner ones first; the arrow to a box beside; lines that go down, outer ones first.
    """
    heights = {}
    for number, name in enumerate(spine):
        for side in (-1, 1):
            up, down = [], []
            for rail in drawn_rails:
                if rail.side == side and number in (rail.target, *rail.sources):
                    (down if number == rail.ends[0] else up).append(rail)
            up.sort(key=lambda rail: rail.track)
            down.sort(key=lambda rail: -rail.track)
            aside = [None] if (number, side) in crossed else []
            middle = found[name].middle
            for place, rail in enumerate(up):
                heights[number, side, id(rail)] = middle - 14 * (len(up) - place)
            for place, rail in enumerate(down):
                heights[number, side, id(rail)] = middle + 14 * (place + 1)
            if aside:
                heights[number, side, None] = middle
    return heights
