"""What labs send is found, tables and images as they lie, and the config that `make new` writes reads all of it."""

import logging

import numpy as np
import pytest
import tifffile

from new_configs import SENTENCE, WAVES, images, new, table, vectors

logging.getLogger("tifffile").setLevel(logging.ERROR)
RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("bands", [2, 7])
def test_many_bands_get_the_key_that_the_refusal_names(tmp_path, monkeypatch, bands):
    for label in ("bare", "crop"):
        (tmp_path / "tiles" / label).mkdir(parents=True)
        for i in range(8):
            image = RANDOM.integers(0, 4000, (16, 16, bands)).astype(np.uint16)
            tifffile.imwrite(
                tmp_path / "tiles" / label / f"{i}.tif", image, photometric="minisblack", planarconfig="contig"
            )
    entry, seen, _, _ = new(tmp_path / "tiles", monkeypatch, tmp_path)
    assert entry["bands"] == "all" and seen.card["image"]["channels"] == bands and not seen.card["skipped"]


@pytest.mark.parametrize("layout", ["beside", "top", "deeper"])
def test_metadata_beside_images_in_folders_of_splits(tmp_path, monkeypatch, layout):
    sizes, folder = {"train": 30, "test": 10}, tmp_path / "set"
    at = "pictures/" if layout == "deeper" else ""
    images(folder, [f"{at}{split}/{i}.png" for split, n in sizes.items() for i in range(n)])
    if layout == "beside":
        for split, n in sizes.items():
            table(
                folder / split / "metadata.csv", ["file_name", "label"], [[f"{i}.png", "ab"[i % 2]] for i in range(n)]
            )
    else:
        rows = [[f"{at}{split}/{i}.png", "ab"[i % 2]] for split, n in sizes.items() for i in range(n)]
        table(folder / "metadata.csv", ["file_name", "label"], rows)
    _, seen, _, _ = new(folder, monkeypatch, tmp_path)
    assert seen.card["counts"]["test"] == 10


def test_names_without_suffix_are_files_where_such_stand(tmp_path, monkeypatch):
    images(tmp_path / "isic", [f"pictures/SK_{i:04}.jpg" for i in range(40)])
    rows = [[f"SK_{i:04}", ("nevus", "melanoma")[i % 2]] for i in range(40)]
    path = table(tmp_path / "isic" / "truth.csv", ["image", "dx"], rows)
    entry, _, _, _ = new(path, monkeypatch, tmp_path)
    assert entry["columns"]["path"] == "image" and list(entry["targets"]) == ["dx"]


def test_links_out_of_the_folder_are_followed_and_said(tmp_path, monkeypatch):
    images(tmp_path / "store", [f"{i}.png" for i in range(24)])
    for i in range(24):
        link = tmp_path / "links" / "ab"[i % 2] / f"{i}.png"
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(tmp_path / "store" / f"{i}.png")
    entry, _, said, _ = new(tmp_path / "links", monkeypatch, tmp_path)
    assert entry["source"]["links"] == "follow" and "lead out" in said


@pytest.mark.parametrize("before", [1, 3])
def test_lines_before_the_header_are_skipped(tmp_path, monkeypatch, before):
    path = table(
        tmp_path / "a" / "t.csv", [*WAVES, "label"], [[*row, "ab"[i % 2]] for i, row in enumerate(vectors(40))]
    )
    path.write_text("Instrument,Spectro 9\n" * before + path.read_text())
    assert new(path, monkeypatch, tmp_path)[0]["skip_lines"] == before


@pytest.mark.parametrize(("decimals", "mark"), [(4, ";"), (3, ";"), (3, "\t")])
def test_decimal_commas(tmp_path, monkeypatch, decimals, mark):
    rows = [
        [*(v.replace("-", "").replace(".", ",") for v in row), "ab"[i % 2]]
        for i, row in enumerate(vectors(40, 6, decimals))
    ]
    for row in rows:
        row[:6] = ["1" + v[1:] for v in row[:6]]
    path = table(tmp_path / "a" / "t.csv", [*WAVES, "label"], rows, mark)
    entry, seen, _, _ = new(path, monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == 6 and entry.get("decimal") == (None if decimals == 4 else "comma")


def test_many_columns_are_a_pattern_and_what_never_changes_is_one_line(tmp_path, monkeypatch):
    head = [f"pix_{i}" for i in range(60)] + ["label"]
    rows = [[*(0 if i % 3 else v for i, v in enumerate(row)), "ab"[k % 2]] for k, row in enumerate(vectors(40, 60))]
    entry, _, said, _ = new(table(tmp_path / "a" / "t.csv", head, rows), monkeypatch, tmp_path)
    assert entry["columns"]["features"] == "pix_*"
    assert "40 columns have one value" in said and said.count("pix_1 ") == 1 and "pix_59" not in said


def test_many_names_without_a_pattern_stand_on_several_lines(tmp_path, monkeypatch):
    letters = "bdfghkm"
    head = [a + e + b for a in letters for e in "aeiou" for b in "rst"] + ["label"]
    rows = [[*row, "xy"[i % 2]] for i, row in enumerate(vectors(30, len(head) - 1))]
    entry, seen, _, text = new(table(tmp_path / "a" / "genes.csv", head, rows), monkeypatch, tmp_path)
    assert seen.card["vector"]["width"] == len(head) - 1 and max(map(len, text.splitlines())) < 140


def test_class_folders_beside_a_table_of_something_else_are_read(tmp_path, monkeypatch):
    images(tmp_path / "set", [f"{kind}/{i}.png" for kind in "ab" for i in range(12)])
    table(tmp_path / "set" / "notes.csv", ["day", "who"], [["mon", "x"], ["tue", "y"]])
    entry, seen, said, _ = new(tmp_path / "set", monkeypatch, tmp_path)
    assert entry["reader"] == "folder" and seen.card["counts"]["train"] > 10 and "notes.csv" in said


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "sep=;\n# made by a program"])
def test_the_line_for_excel_before_a_table_is_passed_over(tmp_path, monkeypatch, first):
    rows = [[SENTENCE.format(i), "qr"[i % 2]] for i in range(30)]
    data = table(tmp_path / "d.csv", ["text", "label"], rows, mark=";")
    data.write_text(first + "\n" + data.read_text())
    entry, seen, _, _ = new(data, monkeypatch, tmp_path)
    assert entry["separator"] == "semicolon" and len(seen.frame) == 30
