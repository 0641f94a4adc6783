"""The pictures in README show the workflow as it is."""

import itertools
import re
import subprocess
import sys
from xml.etree import ElementTree

import pytest

from running import ROOT

PICTURES = ROOT / "docs" / "pictures"
RULES = PICTURES / "rules.svg"
TEXT = "\n".join(path.read_text() for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))])
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("name", ["rules", "whole"])
def test_a_drawn_picture_is_what_the_script_draws_today(name, tmp_path):
    drawn = tmp_path / f"{name}.svg"
    subprocess.run([sys.executable, PICTURES / f"draw_{name}.py", drawn], check=True, cwd=tmp_path)
    assert drawn.read_text() == (PICTURES / f"{name}.svg").read_text(), "make docs draws it"


def test_every_rule_is_in_the_picture_of_the_rules():
    names = set(re.findall(r"^(?:rule|checkpoint|use rule \w+ as) (\w+)(?: with)?:", TEXT, re.MULTILINE))
    assert len(names) > 30
    shown = " ".join(text.text for text in ElementTree.parse(RULES).iter(f"{SVG}text"))
    assert names <= set(re.findall(r"\w+", shown))


def test_no_box_of_the_picture_of_the_rules_covers_another():
    page, *rects = [
        [int(rect.get(key, 0)) for key in ("x", "y", "width", "height")]
        for rect in ElementTree.parse(RULES).iter(f"{SVG}rect")
    ]
    assert len(rects) == len(set(re.findall(r'include: "rules/(\w+)', TEXT)) - {"common", "inputs", "params"})
    for x, y, width, height in rects:
        assert x >= 0 and y >= 0 and x + width <= page[2] and y + height <= page[3]
    for (x, y, width, height), (x2, y2, width2, height2) in itertools.combinations(rects, 2):
        assert x + width <= x2 or x2 + width2 <= x or y + height <= y2 or y2 + height2 <= y


@pytest.mark.parametrize(
    ("page", "name"),
    [
        *(("README.md", "whole.svg"), ("README.md", "report.png")),
        *(("docs/reference/architecture.md", "rules.svg"), ("docs/reference/architecture.md", "sample.svg")),
        ("docs/tutorials/images.md", "tutorial.png"),
    ],
)
def test_a_page_shows_its_picture_and_says_in_words_what_is_on_it(page, name):
    assert re.search(rf"!\[[^]]{{20,}}\]\([./a-z]*pictures/{name}\)", (ROOT / page).read_text())


def test_the_pictures_load_fast():
    sizes = [path.stat().st_size for path in PICTURES.rglob("*") if path.suffix in {".svg", ".png"}]
    assert max(sizes) < 100_000 and sum(sizes) < 1_500_000
