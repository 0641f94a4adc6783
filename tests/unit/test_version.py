"""The version and its date are the same wherever they are written."""

import re

import yaml

import graft
from repository import ROOT

CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
KINDS = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"]


def test_the_newest_version_of_the_changelog_is_that_of_the_library_and_of_the_citation():
    (version, date), *_ = re.findall(r"^## (\d\S*) - (\d{4}-\d\d-\d\d)$", CHANGELOG, re.M)
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert version == graft.__version__ == citation["version"]
    assert date == str(citation["date-released"])
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'version = { attr = "graft.__version__" }' in pyproject  # so the package has it, too


def test_the_changelog_has_the_usual_form():
    versions = re.split(r"^## ", CHANGELOG, flags=re.M)[1:]
    for entry in versions:
        assert re.match(r"(Unreleased|\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d)\n", entry)
        sections = re.split(r"^### ", entry, flags=re.M)[1:]
        assert sections and all(section.split("\n")[0] in KINDS for section in sections)
        assert all(re.search(r"^\* ", section, re.M) for section in sections), "a section without a change"
