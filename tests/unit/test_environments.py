"""The conda environments of the rules pin what the files of requirements pin: one set of versions, however graft is installed."""

import re

import pytest

from channel import ON_THE_INDEX, pins, pip_pins
from running import ROOT

FILES = ("requirements.txt", "requirements-tracking.txt")
FREE = {"pip", "python"}  # requirements.txt names neither


@pytest.mark.parametrize("path", sorted((ROOT / "envs").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_env_file_pins_the_versions_of_the_requirements(path):
    lines = [line for file in FILES for line in (ROOT / file).read_text().splitlines()]
    required = dict(re.findall(r"^([\w.-]+)==(\S+)$", "\n".join(lines), flags=re.MULTILINE))
    pinned = {ON_THE_INDEX.get(name, name): version for name, version in pins(path).items() if name not in FREE}
    pinned |= pip_pins(path)
    assert pinned and pinned == {name: required.get(name) for name in pinned}
