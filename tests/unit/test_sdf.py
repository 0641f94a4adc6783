"""SD files of molecules are tables: a row per molecule, a column per field."""

import gzip

import pytest

import assets
from graft.common.errors import UserError
from graft.data.readers import complete, list_samples, opener
from graft.data.tables.sdf import is_sdf, read_sdf
from tiny_data import prepared

BLOCK = """{title}
     RDKit          2D

  1  0  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0  0  0  0  0  0  0  0  0  0  0
M  END
"""


def molecule(title="methane", **fields):
    return (
        BLOCK.format(title=title) + "".join(f">  <{name}>  (1) \n{one}\n\n" for name, one in fields.items()) + "$$$$\n"
    )


MOLECULES = [molecule(smiles="C" * (i + 1), y="ab"[i % 2], id=f"m{i}") for i in range(24)]


def test_real_files_of_two_writers_give_what_their_lines_say():
    root = assets.dataset("solubility") / "root"
    for name, count, field in (("train", 1025, "smiles"), ("test", 257, "SMILES")):
        text = (root / f"solubility.{name}.sdf").read_text(encoding="utf-8")
        assert is_sdf(text.encode()[:600])
        table, _ = read_sdf(text, name)
        assert table.num_rows == count == text.count("$$$$")
        lines = text.split("\n")
        for column in (field, "SOL", "SOL_classification"):
            expected = [lines[i + 1] for i, line in enumerate(lines) if line.startswith(">") and f"<{column}>" in line]
            assert table[column].to_pylist() == [value.rstrip("\r") for value in expected]


def test_the_official_split_of_two_files_is_read_whatever_the_capitals_of_a_field():
    entry = {
        "table": {"train": "solubility.train.sdf", "test": "solubility.test.sdf"},
        "columns": {"text": "smiles"},
        "targets": {"class": {"column": "SOL_classification"}, "logS": {"column": "SOL", "kind": "regression"}},
        "split": {"validation": 0.15},
        "duplicates": "drop",
    }
    root = assets.dataset("solubility") / "root"
    found = prepared(root, **entry)
    assert found.frame["split"].value_counts().to_dict() == {"train": 868, "validation": 153, "test": 257}
    assert "solubility.test.sdf: field SMILES is read as smiles" in found.card["notes"]
    row = found.frame[found.frame["sample_id"] == "solubility.test.sdf#256"].iloc[0]
    assert opener(entry, root)(row.path, row.row, row.content_sha256).startswith("C1C(O)CC2=CCC3C4CC")
    assert (row["logS"], row["class"]) == (-7.32, "(A) low")


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: data.replace(b"\n", b"\r\n")])
def test_an_sd_file_is_known_by_its_first_bytes(tmp_path, pack):
    (tmp_path / "t").write_bytes(pack("".join(MOLECULES).encode()))
    entry = complete({"table": "t", "columns": {"text": "smiles", "id": "id"}, "targets": {"y": {}}})
    found = list_samples(entry, tmp_path)
    assert found.frame["sample_id"].tolist() == [f"m{i}" for i in range(24)]
    assert found.frame["label:y"].tolist() == list("ab") * 12
    assert opener(entry, tmp_path)("t", 2) == "CCC"


def test_an_sd_file_is_found_by_its_name(tmp_path):
    (tmp_path / "molecules.sdf").write_text("".join(MOLECULES))
    assert list_samples({"columns": {"text": "smiles"}, "targets": {"y": {}}}, tmp_path).facts["reader"] == "table"


def test_fields_of_every_form_are_read():
    fields = ">  25 <MELTING.POINT>\n179.0\n\n> <two lines> DT12\na\n b\n\n> <none>\n\n> <odd>\n> no field\n\n"
    text = BLOCK.format(title="x") + fields + "$$$$\n" + molecule(other="1")
    table, notes = read_sdf(text, "t")
    assert table.to_pylist() == [
        {"MELTING.POINT": "179.0", "two lines": "a\n b", "none": "", "odd": "> no field", "other": None},
        {"MELTING.POINT": None, "two lines": None, "none": None, "odd": None, "other": "1"},
    ]
    assert notes == []


def test_a_field_is_renamed_only_where_one_alone_fits():
    text = molecule(Smiles="C", SMILES="CC", LOGS="1")
    table, notes = read_sdf(text, "t", ("smiles", "logS"))
    assert table.column_names == ["Smiles", "SMILES", "logS"]
    assert notes == ["field LOGS is read as logS"]
    assert read_sdf(text, "t", ("SMILES", "LOGS"))[0].column_names == ["Smiles", "SMILES", "LOGS"]


def test_a_table_of_text_is_no_sd_file():
    assert not is_sdf(b"a,b\n1,2\n3,4\n  version V2000\n")
    assert not is_sdf(b"")
    with pytest.raises(UserError):
        read_sdf("smiles,y\nC,a\n", "t")
