"""`make new`: the config that it guesses for data that nobody has tidied is valid, right, and never overwrites."""

import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.config import load
from graft.data.prepare import prepare
from graft.data.survey import survey
from graft.data.survey.folders import levels_of
from new_config import main
from tiny_data import class_folders, encoded, image_folder, pixels, tiff


def entry_of(path, monkeypatch):
    """The one data set's entry of the config that `make new` writes for a path, checked and prepared."""
    monkeypatch.chdir(path.parent)
    said = main(path.name, "mine.yaml")
    config = load(yaml.safe_load((path.parent / "mine.yaml").read_text()))
    ((name, entry),) = config["datasets"].items()
    prepare(name, entry, (path.parent / entry["source"]["path"]).resolve())
    return entry, config, said


def test_a_folder_per_class_needs_no_more_than_its_path(tmp_path, monkeypatch):
    entry, config, said = entry_of(image_folder(tmp_path / "My Photos!", per_class=12), monkeypatch)
    assert list(config["datasets"]) == ["My-Photos"] and entry["folders"] is None
    assert "cat 12, dog 12" in said and "make check CONFIG=mine.yaml" in said


@pytest.mark.parametrize(
    ("folders", "levels"),
    [
        (["cat", "dog"], ["label"]),
        (["site-1/cat", "site-1/dog", "site-2/cat", "site-2/dog"], ["group", "label"]),
        (["cat/patient7", "cat/patient8", "dog/patient7", "dog/patient9"], ["label", "group"]),
        (["train/cat", "train/dog", "test/cat", "test/dog"], ["split", "label"]),
        (["train/cat/p1", "train/dog/p2", "test/cat/p3", "test/dog/p4"], ["split", "label"]),
        (["plate_A/x/treated", "plate_B/x/control", "plate_B/x/treated"], ["group", "skip", "label"]),
        (["cat/indoor", "cat/outdoor", "dog/park"], ["label"]),
    ],
)
def test_levels_of_folders_are_told_apart(folders, levels):
    assert levels_of([folder.split("/") for folder in folders for _ in range(3)])[0] == levels


def test_sites_above_the_classes_become_groups(tmp_path, monkeypatch):
    for number, place in enumerate(f"site-{site}/{kind}" for site in range(5) for kind in ("sick", "well")):
        (tmp_path / "cells" / place).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "cells" / place / f"{i}.png").write_bytes(encoded(pixels(10 * number + i)))
    entry, _, said = entry_of(tmp_path / "cells", monkeypatch)
    assert entry["folders"] == ["group", "label"] and "5 groups" in said


def test_broken_files_and_contradicting_copies_are_met_with_the_keys_that_let_the_next_command_work(
    tmp_path, monkeypatch
):
    folder = image_folder(tmp_path / "cells", per_class=12)
    (folder / "cat" / "broken.png").write_bytes(b"<html>")
    (folder / "dog" / "copy.png").write_bytes((folder / "cat" / "1.png").read_bytes())
    entry, _, said = entry_of(folder, monkeypatch)
    assert entry["on_bad"] == "skip" and entry["duplicates"] == "drop"
    assert "1 of 26 samples cannot be used" in said and "cat/broken.png" in said


def test_a_german_spreadsheet_is_read_with_its_separator_encoding_id_and_patients(tmp_path, monkeypatch):
    lines = ["Nr;Patient;Befund;Fach"]
    lines += [
        f"N{i};P{i // 3};Der Befund für Fall {i} ist groß und unklar;{('Chirurgie', 'Innere', '')[i // 3 % 3]}"
        for i in range(90)
    ]
    (tmp_path / "befunde.csv").write_bytes("\r\n".join(lines).encode("latin-1"))
    entry, _, said = entry_of(tmp_path / "befunde.csv", monkeypatch)
    assert (entry["separator"], entry["encoding"]) == ("semicolon", "cp1252")
    named = {key: column for key, column in entry["columns"].items() if column}
    assert named == {"text": "Befund", "id": "Nr", "group": "Patient"}
    assert list(entry["targets"]) == ["Fach"] and "pool 30" in said


def spectra(rows=120):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        draw.normal(size=(rows, 12)).astype(np.float32), columns=[f"nm_{900 + 4 * i}" for i in range(12)]
    )
    frame.insert(0, "sample", [f"S{i}" for i in range(rows)])
    frame.insert(1, "batch", [f"B{i // 6}" for i in range(rows)])
    frame["protein"], frame["gain"] = draw.normal(12, 2, rows), 1.0
    frame["variety"] = np.array(["Apollo", "Bussard", "Cubus"])[np.arange(rows) // 6 % 3]
    return frame


def test_a_table_of_spectra_has_a_pattern_of_features_and_both_targets(tmp_path, monkeypatch):
    spectra().to_parquet(tmp_path / "spectra.parquet")
    entry, config, said = entry_of(tmp_path / "spectra.parquet", monkeypatch)
    assert entry["columns"]["features"] == "nm_*" and entry["columns"]["group"] == "batch"
    assert {name: target["kind"] for name, target in entry["targets"].items()} == {
        "protein": "regression",
        "variety": "classification",
    }
    assert set(config["finetune"]) == {"protein", "variety"} and "column 'gain' is always '1'" in said
    text = (tmp_path / "mine.yaml").read_text()
    assert "# The columns are an axis (900 to 944, nm)" in text
    told = yaml.safe_load(text.replace("# backbones:", "backbones:").replace("#   snv:", "  snv:"))
    assert load(told)["backbones"]["snv"]["preprocess"] == [{"snv": {}}]


def test_parts_that_are_only_numbered_are_no_axis(tmp_path, monkeypatch):
    frame = spectra().rename(columns={f"nm_{900 + 4 * i}": f"embedding_{i}" for i in range(12)})
    frame.to_parquet(tmp_path / "parts.parquet")
    entry, _, _ = entry_of(tmp_path / "parts.parquet", monkeypatch)
    assert entry["columns"]["features"] == "embedding_*" and "axis" not in (tmp_path / "mine.yaml").read_text()


def test_a_label_by_name_does_not_hide_the_value_beside_the_spectrum(tmp_path, monkeypatch):
    frame = spectra().rename(columns={"variety": "species", "batch": "instrument"})
    frame.to_parquet(tmp_path / "spectra.parquet")
    entry, _, _ = entry_of(tmp_path / "spectra.parquet", monkeypatch)
    assert list(entry["targets"]) == ["species", "protein"] and entry["columns"]["group"] == "instrument"


def test_arrays_are_found_by_their_shapes(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(60, 9)).astype(np.float32)
    np.savez(tmp_path / "tiles.npz", emb=x, label=np.arange(60) // 3 % 2, slide=np.arange(60) // 3, noise=x[0])
    entry, _, _ = entry_of(tmp_path / "tiles.npz", monkeypatch)
    assert entry["columns"]["features"] == "emb" and entry["columns"]["group"] == "slide"


@pytest.mark.parametrize(
    ("axes", "count", "key", "value"),
    [("CYX", 3, "bands", [1, 2, 3]), ("CYX", 2, "bands", [1]), ("ZYX", 4, "frames", "first")],
)
def test_files_of_several_pages_get_the_key_that_reads_them(tmp_path, monkeypatch, axes, count, key, value):
    images = [np.stack([pixels(100 * i + c, channels=1, dtype=np.uint16) for c in range(count)]) for i in range(24)]
    files = [tiff(image, ome=True, photometric="minisblack", metadata={"axes": axes}) for image in images]
    class_folders(tmp_path / "d", files)
    entry, _, said = entry_of(tmp_path / "d", monkeypatch)
    assert entry[key] == value and f"  {key}: " in said
    assert ("colour" in said.splitlines()[0]) == (count == 3)


def test_a_table_of_image_files_and_labels(tmp_path, monkeypatch):
    image_folder(tmp_path / "scans", per_class=12)
    rows = [f"{kind}/{i}.png,{kind},{i}" for kind in ("cat", "dog") for i in range(12)]
    (tmp_path / "scans" / "labels.csv").write_text("\n".join(["file,diagnosis,slice", *rows]) + "\n")
    entry, _, _ = entry_of(tmp_path / "scans", monkeypatch)
    assert entry["columns"]["path"] == "file" and list(entry["targets"]) == ["diagnosis"]


def test_a_config_that_stands_there_is_never_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image_folder(tmp_path / "cells")
    (tmp_path / "cells.yaml").write_text("mine")
    with pytest.raises(UserError, match="not overwritten"):
        main("cells")
    assert (tmp_path / "cells.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "no file"),
        ({"a.docx": b"x"}, "1 x .docx"),
        ({"a.png": encoded(pixels(0)), "b.png": encoded(pixels(1))}, "which class"),
        ({"t.csv": b"1,2,3\n4,5,6\n"}, "no header row"),
        ({"t.csv": b"id,when\na,2020-01-01\nb,2020-01-02\n"}, "which column holds the samples"),
        (
            {"t.csv": b"id,text\n" + b"".join(b"%d,this is text number %d here\n" % (i, i) for i in range(30))},
            "no column looks like a label",
        ),
    ],
)
def test_what_cannot_be_guessed_is_said_with_what_would_do(tmp_path, files, said):
    (tmp_path / "data").mkdir()
    for name, content in files.items():
        (tmp_path / "data" / name).write_bytes(content)
    with pytest.raises(UserError, match=said) as error:
        survey(tmp_path / "data")
    assert error.value.allowed or error.value.hint


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(["train", "test", "a", "b", "p1", "p2", "site 3"]), min_size=0, max_size=4), min_size=1
    )
)
def test_any_tree_has_levels_with_one_label_or_none_at_all(folders):
    if any(folders):
        levels, why = levels_of(folders)
        assert levels.count("label") == 1 and levels.count("group") <= 1 and why


def test_targets_keep_different_names_where_the_columns_names_have_no_ascii_letters(tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(draw.normal(size=(120, 5)).round(4), columns=[f"nm_{900 + i}" for i in range(5)])
    words = {"类别": ["甲", "乙"], "等级": ["高", "低"], "类型": ["A", "B"]}
    for name, values in words.items():
        frame[name] = draw.choice(values, len(frame))
    frame.to_csv(tmp_path / "t.csv", index=False)
    entry, config, _ = entry_of(tmp_path / "t.csv", monkeypatch)
    assert [target["column"] for target in entry["targets"].values()] == list(words)
    assert {one["target"] for one in config["finetune"].values()} == set(entry["targets"])


@pytest.mark.parametrize(
    ("suffix", "start", "hint"),
    [
        (".xlsx", b"PK\x03\x04", "save it as CSV"),
        (".ods", b"PK\x03\x04", "save it as CSV"),
        (".h5", b"\x89HDF\r\n\x1a\n", "to_parquet"),
        (".xls", b"\xd0\xcf\x11\xe0", "save it as CSV"),
        (".zip", b"PK\x03\x04", "DATA="),
        (".rds", b"RDX3", "write.csv"),
    ],
)
def test_a_folder_with_one_file_that_is_not_read_gets_the_hint_of_that_file(tmp_path, suffix, start, hint):
    (tmp_path / "study").mkdir()
    file = tmp_path / "study" / f"data{suffix}"
    if suffix in (".xlsx", ".ods", ".zip"):
        inside = {".xlsx": "[Content_Types].xml", ".ods": "mimetype", ".zip": "a.csv"}[suffix]
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(inside, "a,b\n1,2\n")
    else:
        file.write_bytes(start + bytes(600))
    with pytest.raises(UserError, match="nothing here that graft reads") as error:
        survey(tmp_path / "study")
    assert file.name in str(error.value.hint) and hint in error.value.hint
