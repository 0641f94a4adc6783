"""What README says of results is on the page of all results."""

import re

from repository import ROOT

NUMBER = re.compile(r"[+-]?\d\.\d{3} \[[+-]?\d\.\d{3}, [+-]?\d\.\d{3}\]|(?<=alone |pting )\d\.\d{3}")


def test_every_result_in_readme_is_on_the_page_of_results():
    readme, page = ((ROOT / path).read_text(encoding="utf-8") for path in ("README.md", "docs/results.md"))
    rows = [line for line in readme.split("## How good, how fast")[1].split("<!-- speed: begin -->")[0].splitlines()]
    found = [number for row in rows if row.startswith("| ") for number in NUMBER.findall(row)]
    assert len(found) >= 6
    assert [number for number in found if number not in page] == []


def test_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120
