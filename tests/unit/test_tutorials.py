"""What the tests of the tutorials call the same, and what not."""

import pytest

from running import ROOT
from tutorials.pages import Command, File, same, steps, unseen
from tutorials.reader import TUTORIALS, Terminal, not_as_shown


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("AUROC 0.885 [0.728, 0.957]", "AUROC 0.891 [0.70, 0.96]", True),
        ("AUROC 0.885", "AUROC 0.585", False),
        ("AUROC 0.885", "accuracy 0.885", False),
        ("train 156, test 48", "train 156, test 48", True),
        ("train 156, test 48", "train 157, test 48", False),
        ("took 2 min, 2.1 GB", "took 17 min, 0.4 GB", True),
        ("12:00:24 160 samples", "09:10:11 160 samples", True),
        ("12:00:24 160 samples", "09:10:11 161 samples", False),
        ("a   b", "a b", True),
        ("score 1e-06", "score 0.00", True),
        ("RMSE 16.5", "RMSE 17.1", True),
        ("RMSE 16.5", "RMSE 26.5", False),
        ("1,092 vectors", "1,093 vectors", False),
    ],
)
def test_counts_are_equal_and_measurements_near(shown, printed, alike):
    assert same(shown, printed) == alike


@pytest.mark.parametrize(
    ("shown", "printed", "missing"),
    [
        ("ab", "ab", None),
        ("ab", "axb", "b"),
        ("a..b", "axyb", None),
        ("..b", "ab", None),
        ("a..", "axy", None),
        ("a..", "a", None),
        ("a", "ab", "after the last line: b"),
        ("..c", "ab", "c"),
        ("..b..a", "aba", None),
        ("..b..a", "ab", "a"),
    ],
)
def test_every_shown_line_is_printed_in_this_order_and_only_a_gap_leaves_some_out(shown, printed, missing):
    lines = shown.replace("..", "\0")
    assert unseen([".." if one == "\0" else one for one in lines], list(printed)) == missing


def test_a_page_has_its_files_and_commands_in_their_order(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```yaml\n# a.yaml\nb: 1\n```\ntext\n```python\nnot_typed\n```\n```console\n$ one \\\n  two\nseen\n$ three\n```\n"
    )
    assert steps(page) == [File("a.yaml", "# a.yaml\nb: 1\n"), Command("one   two", ["seen"]), Command("three", [])]


def test_a_terminal_keeps_its_folder_and_tells_the_code_and_lines_without_an_end(tmp_path):
    terminal = Terminal(tmp_path)
    assert terminal.type("mkdir a && cd a && printf 'x\\ny'") == (["x", "y"], 0)
    assert terminal.type("pwd; false") == ([str(tmp_path / "a")], 1)
    assert terminal.type("true") == ([], 0)
    terminal.close()


def test_a_terminal_does_not_know_the_make_that_started_the_tests(tmp_path, monkeypatch):
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("VENV", "elsewhere")
    terminal = Terminal(tmp_path)
    assert terminal.type("echo $MAKELEVEL$VENV-") == (["-"], 0)
    terminal.close()


def test_a_failed_command_is_not_as_shown():
    assert "ended with 2" in not_as_shown(Command("x", []), ["x"], 2)
    assert not_as_shown(Command("x", []), ["anything"], 0) == ""


@pytest.mark.parametrize("page", sorted(TUTORIALS.glob("*.md")), ids=lambda page: page.stem)
def test_a_tutorial_begins_with_the_installation_and_shows_what_is_printed(page):
    commands = [step for step in steps(page) if isinstance(step, Command)]
    assert [step.typed for step in commands[:2]] == ["make env", ". .venv/bin/activate"]
    assert sum(bool(step.shown) for step in commands) >= 3
    assert f"tutorials/{page.stem}" in (ROOT / "docs/index.md").read_text()
