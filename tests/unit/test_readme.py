"""What README says of results is on the page of all results; it is short; and no placeholder is without a word on it."""

import re

from repository import ROOT

NUMBER = re.compile(r"[+-]?\d\.\d{3} \[[+-]?\d\.\d{3}, [+-]?\d\.\d{3}\]|(?<=alone |pting )\d\.\d{3}")

PUBLISHED = [
    *ROOT.glob("*.md"),
    ROOT / ".snakemake-workflow-catalog.yml",
    *(path for path in (ROOT / "docs").rglob("*.md") if "copied" not in path.parts),
    *(path for room in ("config", "profiles", "rules") for path in (ROOT / room).rglob("*") if path.is_file()),
]


def test_every_result_in_readme_is_on_the_page_of_results():
    readme, page = ((ROOT / path).read_text(encoding="utf-8") for path in ("README.md", "docs/results.md"))
    rows = [line for line in readme.split("## How good, how fast")[1].split("<!-- speed: begin -->")[0].splitlines()]
    found = [number for row in rows if row.startswith("| ") for number in NUMBER.findall(row)]
    assert len(found) >= 6
    assert [number for number in found if number not in page] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_each_place_with_a_placeholder_says_what_to_write_there():
    places = [path for path in PUBLISHED if "OWNER/graft" in path.read_text(encoding="utf-8", errors="ignore")]
    assert len(places) >= 4
    said = re.compile(r"for\s+OWNER\b.*?for\s+TAG\b|here OWNER and TAG", re.S)
    assert [path for path in places if not said.search(path.read_text(encoding="utf-8"))] == []
