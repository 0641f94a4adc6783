"""SD files that are cut short or damaged are refused, with the molecules and their lines."""

import pytest

from graft.common.errors import UserError
from tiny_data import prepared

BLOCK = """methane

comment
  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
M  END
"""
ENTRY = {"table": "t.sdf", "columns": {"text": "smiles"}, "targets": {"y": {}}}


def written(tmp_path, change=lambda text: text):
    parts = [f"{BLOCK}> <smiles>\n{'C' * (i + 1)}\n\n> <y>\n{'ab'[i % 2]}\n\n$$$$\n" for i in range(24)]
    (tmp_path / "t.sdf").write_text(change("".join(parts)))
    return tmp_path


def test_the_file_is_read_as_long_as_it_is_whole(tmp_path):
    assert len(prepared(written(tmp_path), **ENTRY).frame) == 24


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[:-5], r"molecule 24 \(line 300\): it has no line '\$\$\$\$'"),
        (lambda text: text[:-60], r"molecule 24 \(line 300\)"),
        (lambda text: text.replace("M  END\n", "", 1), r"molecule 1 \(line 1\): it has no line 'M  END'"),
        (lambda text: text.replace("<y>", "<smiles>", 1), "molecule 1 .*: it has the field smiles twice"),
        (lambda text: text.replace("> <y>", "> y", 1), "molecule 1 .*: '> y' names no field"),
        (lambda text: text.replace("M  END", ""), "and 19 more"),
    ],
)
def test_a_damaged_file_is_refused_with_the_molecule_and_its_line(tmp_path, change, says):
    with pytest.raises(UserError, match=f"t.sdf: a damaged SD file: .*{says}"):
        prepared(written(tmp_path, change), **ENTRY)


def test_a_field_that_no_molecule_has_is_named_with_those_that_there_are(tmp_path):
    with pytest.raises(UserError, match="no column 'SMILE'(.|\n)*smiles, y"):
        prepared(written(tmp_path), **{**ENTRY, "columns": {"text": "SMILE"}})


def test_a_molecule_without_the_field_is_a_sample_without_content(tmp_path):
    change = lambda text: text.replace("> <smiles>\nCC\n\n", "", 1)  # noqa: E731
    with pytest.raises(UserError, match="row 2"):
        prepared(written(tmp_path, change), **ENTRY)
