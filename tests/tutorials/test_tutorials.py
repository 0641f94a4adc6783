"""Each tutorial's commands run in a fresh checkout, and show what its page shows."""

import pytest

from tutorials.reader import TUTORIALS, checkout, expect, warm, work_through

ON_A_CLUSTER = "cluster"  # tests/slurm works through it


@pytest.mark.parametrize("name", sorted(page.stem for page in TUTORIALS.glob("*.md") if page.stem != ON_A_CLUSTER))
def test_a_reader_who_types_what_the_page_says_sees_what_it_shows(name, tmp_path):
    work_through(TUTORIALS / f"{name}.md", checkout(tmp_path / "graft"), expect, warm())
