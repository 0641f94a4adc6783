"""docs/troubleshooting.md quotes what graft really says, and names commands that exist."""

import re

from running import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
SOURCES = "".join(
    path.read_text() for path in [ROOT / "Makefile", *ROOT.glob("rules/*.smk"), *ROOT.glob("scripts/**/*.py")]
)


def test_every_message_on_the_page_is_one_of_graft():
    quoted = re.findall(r'"([^"]+)"', "".join(re.findall(r"^\|(.*?)\|", PAGE, re.MULTILINE)))
    pieces = [piece for quote in quoted for piece in re.split(r"\.\.\.|\d+|\$\w+|'~\w+'", quote) if len(piece) > 3]
    assert len(pieces) > 10
    assert [piece for piece in pieces if piece.strip() not in SOURCES] == []


def test_every_target_on_the_page_is_one_of_the_makefile():
    targets = set(re.findall(r"`make ([a-z-]+)", PAGE))
    assert targets and targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
