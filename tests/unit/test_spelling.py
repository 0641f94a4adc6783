"""Names that look the same are the same, however a system composes their letters."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graft.common.errors import UserError
from graft.common.fingerprint import fingerprint
from graft.common.spelling import look_alike, nfc, on_disk, plain
from graft.data.readers import complete, opener
from tiny_data import encoded, pixels, prepared, write_lines


def apart(text):
    """As some systems write it: letters, then their dots and accents."""
    return unicodedata.normalize("NFD", text)


@pytest.mark.parametrize(("on_the_disk", "in_the_table"), [(apart, nfc), (nfc, apart)])
def test_files_ids_labels_and_columns_are_found_in_either_spelling(tmp_path, on_the_disk, in_the_table):
    folder = tmp_path / on_the_disk("Zürich é")
    folder.mkdir()
    rows = []
    for i in range(12):
        (folder / on_the_disk(f"ö{i}.png")).write_bytes(encoded(pixels(i)))
        label, spell = ("größer", "straße")[i % 2], (nfc, apart)[i // 2 % 2]
        rows.append(f"é{i},Zürich é/ö{i}.png,{spell(label)},{spell('Ärzte')},ja,{spell('kéep')}")
    rows.append("é99,Zürich é/none.png,unbekännt,,ja,drop")
    lines = ["né,päth,läbel,gröup,splät,kéy", *rows]
    write_lines(
        tmp_path,
        *(in_the_table(line) if i in (0, 3) else line for i, line in enumerate(lines)),
        name=on_the_disk("Tabelle ü.csv"),
    )
    spell = on_the_disk  # what the config says is spelled unlike the table
    columns = {"path": spell("päth"), "id": spell("né")}
    targets = {"label": {"column": spell("läbel"), "classes": [spell("straße"), spell("größer")]}}
    found = prepared(
        tmp_path,
        table=in_the_table("Tabelle ü.csv"),
        columns=columns,
        targets=targets,
        missing=[spell("unbekännt")],
        keep={spell("kéy"): spell("ké*")},
    )
    assert found.targets["label"]["classes"] == ["straße", "größer"]
    assert sorted(found.frame["sample_id"]) == sorted(nfc(f"é{i}") for i in range(12))
    assert all(nfc(path) == path for path in found.frame["path"])
    load = opener(complete({"table": "x.csv"}), tmp_path)
    for row in found.frame.itertuples():
        assert (load(row.path, -1, row.content_sha256) == pixels(int(row.sample_id[1:]))).all()


@pytest.mark.parametrize("spell", [apart, nfc])
def test_folders_of_classes_are_composed(tmp_path, spell):
    for name in ("größe", "maß"):
        (tmp_path / spell(name)).mkdir()
        for i in range(6):
            (tmp_path / spell(name) / spell(f"é{i}.png")).write_bytes(encoded(pixels(i + 10 * len(name))))
    found = prepared(tmp_path, targets={"label": {"classes": [apart("maß"), apart("größe")]}})
    assert found.targets["label"]["classes"] == ["maß", "größe"]
    assert found.frame["sample_id"].str.startswith(("größe/é", "maß/é")).all()


def test_two_files_of_one_name_are_refused(tmp_path):
    for spell in (apart, nfc):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / spell("é.png")).write_bytes(encoded(pixels(len(spell("é")))))
    with pytest.raises(UserError, match="1 files have two spellings that look the same"):
        prepared(tmp_path)


def test_two_rows_of_one_id_are_refused_and_two_columns_of_one_name(tmp_path):
    write_lines(tmp_path, "id,text,label", f"{nfc('é')},one,a", f"{apart('é')},two,b")
    with pytest.raises(UserError, match="the same id is in several rows"):
        prepared(tmp_path, columns={"id": "id", "text": "text"})
    for name, write in (("t.csv", None), ("t.parquet", pq.write_table)):
        table = pa.table([["x"], ["y"], ["a"]], [nfc("é"), apart("é"), "label"])
        write_lines(tmp_path, ",".join(table.column_names), "x,y,a") if write is None else write(table, tmp_path / name)
        with pytest.raises(UserError, match="columns with the same name: é"):
            prepared(tmp_path, table=name, columns={"text": "é"})


@pytest.mark.parametrize("spell", [apart, nfc])
def test_columns_of_parquet_of_the_hub_and_arrays_are_composed(tmp_path, spell):
    feature = {spell("öff"): {"_type": "ClassLabel", "names": [spell("größe"), "b"]}}
    table = pa.table({spell("täxt"): [f"text {i}" for i in range(24)], spell("öff"): [0, 1] * 12})
    table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": feature}}).encode()})
    (tmp_path / "h" / "data").mkdir(parents=True)
    pq.write_table(table, tmp_path / "h" / "data" / "train-00000-of-00001.parquet")
    pq.write_table(table, tmp_path / "t.parquet")
    entry = {"columns": {"text": "täxt"}, "targets": {"label": {"column": "öff"}}}
    assert prepared(tmp_path / "h", reader="hub", **entry).targets["label"]["classes"] == ["b", "größe"]
    assert len(prepared(tmp_path, table="t.parquet", **entry).frame) == 24
    np.savez(tmp_path / "a.npz", **{spell("é"): np.eye(24), spell("ö"): np.arange(24) % 2})
    entry = {"columns": {"features": apart("é")}, "targets": {"label": {"column": apart("ö")}}}
    assert len(prepared(tmp_path, table="a.npz", **entry).frame) == 24


def test_a_watched_table_is_seen_to_change_in_either_spelling(tmp_path):
    (tmp_path / apart("ü.csv")).write_text("a")
    entry = {"source": {"path": str(tmp_path)}, "table": nfc("ü.csv"), "watch": "table"}
    before = fingerprint(entry)
    (tmp_path / apart("ü.csv")).write_text("ab")
    assert fingerprint(entry) != before


def test_a_path_is_found_as_the_disk_spells_it(tmp_path):
    (tmp_path / apart("é") / apart("ü")).mkdir(parents=True)
    assert on_disk(tmp_path, nfc("é/ü")) == str(tmp_path / apart("é") / apart("ü"))
    assert on_disk(tmp_path, "é/x") is None and on_disk(Path("/nowhere"), "x") is None


def test_letters_lose_their_accents_in_names_of_the_config():
    assert plain("Zürich Straße é ø ł") == "Zurich Strasse e o l"


@pytest.mark.parametrize(
    "words",
    [
        ["10 \N{MICRO SIGN}M", "10 \N{GREEK SMALL LETTER MU}M"],
        ["Tumor", "Tumor\N{ZERO WIDTH SPACE}"],
        ["YES", "Yes", "yes"],
        ["\N{FULLWIDTH DIGIT FIVE}um", "5um"],
        ["grade 1", "grade\N{NO-BREAK SPACE}1"],
        ["0.1", "0.10"],
        [".5", "0.5", "5e-1"],
        ["01", "1"],
    ],
)
def test_classes_that_people_take_for_one_are_noted_with_their_rows(tmp_path, words):
    rows = [f't{i},"{words[i % len(words)]}"' for i in range(18)] + [f"o{i},other" for i in range(6)]
    write_lines(tmp_path, "text,label", *rows)
    (note,) = [note for note in prepared(tmp_path, table="t.csv").card["notes"] if "look alike" in note]
    assert all(f"{word!r} ({18 // len(words)} rows)" in note for word in words) and "other" not in note


def test_classes_that_differ_in_a_letter_or_a_sign_are_not_said_to_look_alike():
    assert look_alike(["a", "b", "+", "-", "a+", "0", "O", "H2O", "é", "e", "1", "1.1", "1.01", "-1", "1e", "1a"]) == []
    assert look_alike([f"1234567890123456789{i}" for i in range(10)]) == []


@pytest.mark.parametrize("words", [["P1", "p1"], ["Ulm", "Ulm\N{ZERO WIDTH SPACE}"], ["01", "1"], ["P 1", "P1"]])
def test_groups_that_people_take_for_one_are_noted(tmp_path, words):
    names = [*words, *(f"other {i}" for i in range(8))]
    rows = [f't{i},{"qr"[i // 10 % 2]},"{names[i % 10]}"' for i in range(60)]
    write_lines(tmp_path, "text,label,patient", *rows)
    notes = prepared(tmp_path, table="t.csv", columns={"group": "patient"}).card["notes"]
    (note,) = [note for note in notes if "look alike" in note]
    assert note.startswith("groups ") and all(f"'{word}'" in note for word in words) and "other" not in note
