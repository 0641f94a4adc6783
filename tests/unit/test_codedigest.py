"""The code digest: what a rule's result depends on, and only that."""

import pytest

from graft.common import codedigest


@pytest.fixture
def scripts(tmp_path, monkeypatch):
    files = {
        "run.py": "from graft.a import f\n",
        "graft/__init__.py": "",
        "graft/a.py": "from graft import b\n\n\ndef f():\n    return b.X\n",
        "graft/b.py": "X = 1\n",
        "graft/unused.py": "Y = 1\n",
        "graft/training/methods/__init__.py": "",
        "graft/training/methods/linear.py": "USES_FEATURES = True\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(codedigest, "SCRIPTS", tmp_path)
    monkeypatch.setattr(codedigest, "KEPT", tmp_path / "cache")
    forget()
    yield tmp_path
    forget()


def forget():
    for cached in vars(codedigest).values():
        if hasattr(cached, "cache_clear"):
            cached.cache_clear()


def digest(*arguments):
    forget()
    return codedigest.code_digest(*arguments)


@pytest.mark.parametrize("file", ["run.py", "graft/a.py", "graft/b.py", "graft/__init__.py"])
def test_an_edited_line_in_what_a_script_imports_changes_its_digest(scripts, file):
    before = digest("run")
    (scripts / file).write_text((scripts / file).read_text() + "Z = 2\n")
    assert digest("run") != before


@pytest.mark.parametrize("addition", ["# a comment\n", "\n\n\n"])
def test_comments_and_layout_do_not_change_it(scripts, addition):
    before = digest("run")
    path = scripts / "graft/b.py"
    path.write_text('"""A docstring."""\n' + path.read_text() + addition)
    assert digest("run") == before


def test_a_module_that_is_not_imported_does_not_change_it(scripts):
    before = digest("run")
    (scripts / "graft/unused.py").write_text("Y = 2\n")
    assert digest("run") == before


def test_a_plug_in_found_by_name_belongs_to_it(scripts):
    named = frozenset({("method", "linear")})
    before, without = digest("run", named), digest("run")
    (scripts / "graft/training/methods/linear.py").write_text("USES_FEATURES = False\n")
    assert digest("run", named) != before and digest("run") == without


def test_the_kinds_of_plug_ins_that_a_script_loads_are_told_by_the_calls_in_all_that_it_imports(scripts):
    assert codedigest.kinds_of("run") == frozenset()
    (scripts / "graft/b.py").write_text("X = 1\n\n\ndef f(name):\n    return plugins.load('method', name).train\n")
    forget()
    assert codedigest.kinds_of("run") == {"method"}


def test_a_plug_in_that_loads_others_tells_their_kind(scripts):
    (scripts / "graft/training/methods/linear.py").write_text("plugins.load('reader', 'table')\n")
    forget()
    assert codedigest.kinds_of("run", frozenset({("method", "linear")})) == {"reader"}


def test_a_script_that_lies_elsewhere_than_the_library_has_the_same_digest(scripts, tmp_path_factory):
    before = digest("run")
    elsewhere = tmp_path_factory.mktemp("hosted") / "run.py"
    (scripts / "run.py").rename(elsewhere)
    assert digest("run", frozenset(), str(elsewhere)) == before
    elsewhere.write_text(elsewhere.read_text() + "Z = 2\n")
    assert digest("run", frozenset(), str(elsewhere)) != before


@pytest.fixture
def parsed(monkeypatch):
    """The files that are parsed while the test runs."""
    files, parse = [], codedigest.ast.parse
    monkeypatch.setattr(codedigest.ast, "parse", lambda text, *more: files.append(text) or parse(text, *more))
    return files


def test_the_next_run_parses_only_what_was_edited_and_finds_the_same(scripts, parsed):
    (scripts / "run.py").write_text("from graft.a import f\nplugins.load('method', f)\n")
    before, kinds = digest("run"), codedigest.kinds_of("run")
    codedigest._keep()
    parsed.clear()
    assert digest("run") == before and codedigest.kinds_of("run") == kinds == {"method"} and not parsed
    (scripts / "graft/b.py").write_text("X = 2\n")
    assert digest("run") != before and parsed == [b"X = 2\n"]
    (scripts / "graft/a.py").write_text("X = 1\n")  # no longer imports b, whose content is known
    (scripts / "graft/b.py").write_text("X = 3\n")
    smaller = digest("run")
    (scripts / "graft/b.py").write_text("X = 4\n")
    assert digest("run") == smaller


@pytest.mark.parametrize("spoil", ["cut", "gone"])
def test_a_cache_that_cannot_be_read_is_made_again(scripts, spoil):
    before = digest("run")
    codedigest._keep()
    file = codedigest._file_of_kept()
    file.write_text(file.read_text()[:40]) if spoil == "cut" else file.unlink()
    assert digest("run") == before
    codedigest._keep()
    assert file.read_text().endswith("}")


def test_a_home_folder_that_cannot_be_written_ends_nothing(scripts):
    (scripts / "cache").write_text("a file in the folder's place\n")
    assert digest("run")
    codedigest._keep()


def test_the_cache_does_not_grow_without_end(scripts, monkeypatch):
    monkeypatch.setattr(codedigest, "MOST", 3)
    digest("run")
    codedigest._keep()
    assert len(codedigest.json.loads(codedigest._file_of_kept().read_text())) == 3


def test_rules_that_share_a_module_read_it_once(scripts, parsed):
    (scripts / "other.py").write_text("from graft.a import f\n\nf()\n")
    codedigest.code_digest("run")
    assert len(parsed) == 4
    codedigest.code_digest("other")
    assert len(parsed) == 5
