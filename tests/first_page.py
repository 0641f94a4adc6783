"""The first page of Snakemake's report: what it shows of graft's page to decide by."""

import json
import re
from html.parser import HTMLParser


class _Frames(HTMLParser):
    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        if tag == "iframe":
            self.found.append(dict(attributes))


def decision_pages(report):
    """The pages, as HTML, that stand in frames on the first page of a report (path)."""
    described = re.search(r"^ *var workflow_desc = (.*);$", report.read_text(encoding="utf-8"), re.MULTILINE)[1]
    parser = _Frames()
    parser.feed(json.loads(described))
    return [one["srcdoc"] for one in parser.found if one["class"] == "decision"]


def without_links(page):
    """A page (path) as it stands there: its links lead to files that a report alone has not."""
    return page.read_text(encoding="utf-8").replace("<a href=", "<a data-file=")
