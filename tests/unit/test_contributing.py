"""What CONTRIBUTING.md says of the plug-ins is so: every kind, its folder, and how many lines a short one has."""

import re

from graft.common import plugins
from running import ROOT

ROW = re.compile(r"^\| [^|]+ \| `scripts/graft/(\S+)/`[^|]* \| `(\w+\.py)`, (\d+) \|$", re.MULTILINE)


def test_every_kind_of_plug_in_has_a_row_with_a_file_that_has_so_many_lines():
    rows = ROW.findall((ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
    assert {folder for folder, *_ in rows} == set(plugins.FOLDERS.values())
    for folder, name, lines in rows:
        text = (ROOT / "scripts/graft" / folder / name).read_text(encoding="utf-8")
        assert len(text.splitlines()) == int(lines), name
