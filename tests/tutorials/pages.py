"""A page of the docs as its reader works through it: the files that it says to write, the commands, and what is seen after each.

A block of ``console`` has commands after ``$`` and below each what it prints; a line of ``..`` is for any lines, also none. A block of
another language whose first line is a comment with a path is a file to write.
"""

import math
import re
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PATH = re.compile(r"# (\S+)\n")
GAP = ".."
NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?")
CLOCK = re.compile(r"\d\d:\d\d:\d\d")
VARIES = re.compile(r"\s*(s|min|h|GB|MB|ms|/s)\b")  # times and memory are the machine's
CLOSE = 0.1  # decimals: metrics of small test sets, whose arithmetic differs between processors


@dataclass
class File:
    path: str
    text: str


@dataclass
class Command:
    typed: str
    shown: list


def steps(page):
    """The files and commands of a page, in its order."""
    found = []
    for language, text in BLOCK.findall(Path(page).read_text(encoding="utf-8")):
        if language == "console":
            found += commands(text)
        elif path := PATH.match(text):
            found.append(File(path[1], text))
    return found


def commands(text):
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
    found = []
    for part in parts:
        typed, _, shown = re.sub(r"\\\n", "", part).partition("\n")
        found.append(Command(typed, shown.splitlines()))
    return found


def unseen(shown, printed):
    """The first line of `shown` that `printed` does not have where it belongs; None if the page shows what is seen.

    Parameters
    ----------
    shown, printed : lists of lines. Without a gap (``..``) before it, a line must follow the one before
    """
    place, gap = 0, False
    for line in shown:
        if line.strip() == GAP:
            gap = True
            continue
        places = range(place, len(printed)) if gap else range(place, min(place + 1, len(printed)))
        found = next((number for number in places if same(line, printed[number])), None)
        if found is None:
            return line
        place, gap = found + 1, False
    return None if gap or place == len(printed) else f"after the last line: {printed[place]}"


def same(shown, printed):
    """If a printed line is the shown one, but for spaces, for times, and for the last digits of what was measured."""
    shown, printed = (CLOCK.sub("clock", " ".join(line.split())) for line in (shown, printed))
    if NUMBER.sub("#", shown) != NUMBER.sub("#", printed):
        return False
    return all(map(alike, NUMBER.finditer(shown), NUMBER.finditer(printed)))


def alike(shown, printed):
    """If a printed number is the shown one: the same where it counts something, near it where it was measured."""
    if VARIES.match(shown.string, shown.end()):
        return True
    if "." in shown[0] or "." in printed[0]:
        values = [float(number[0].replace(",", "")) for number in (shown, printed)]
        return math.isclose(*values, rel_tol=CLOSE, abs_tol=CLOSE)
    return shown[0] == printed[0]
