"""The page of `make check`: what it shows of a data set, and what it says the models will cost."""

import html
import re
import shutil

import numpy as np
import pytest

from assets import backbone
from check_data import main
from graft.costs import estimate
from graft.outputs import read_json, write_json
from graft.prepare import prepare, write
from graft.store import Store
from measure_speed import main as measure_speed
from tiny_data import THREE_WAY, encoded, image_folder, pixels, write_lines

MEASURED = {
    "library": "timm",
    "forwards": 10,
    "decoded_per_s": 100.0,
    "embedded_per_s": 10.0,
    "trained_per_s": 2.0,
    "operations": 10**9,
    "activation_bytes": 10**6,
    "parameters": 10**6,
    "width": 100,
    "bytes_decoded": 1000.0,
}
MODEL = {"stage": "finetune", "name": "solar.tiny.linear", "method": "linear", "backbone": "tiny", "seeds": [0]}
MODEL |= {"epochs": 5, "batch_size": 32}


def page_of(folder, models=(), speed=None, **entry):
    """The page of the data in folder/root, made as the rules make it."""
    entry = {**THREE_WAY, **entry}
    made = prepare("tiny", entry, folder / "root")
    paths = {key: folder / key for key in ("labels", "labelled", "pool")}
    paths |= {
        "samples": folder / "samples.parquet",
        "labels": folder / "labels.json",
        "card": folder / "data_card.json",
    }
    write(made, paths)
    write_json(folder / "dataset.json", {"root": "root"})
    main(folder / "samples.parquet", folder / "dataset.json", entry, dict(models), speed or {}, folder / "page.html")
    return html.unescape((folder / "page.html").read_text())


def test_every_class_and_split_shows_samples_and_counts(tmp_path):
    image_folder(tmp_path / "root", per_class=15)
    page = page_of(tmp_path)
    assert len(re.findall(r'<img src="data:image/png', page)) == 2 * 3 * 3  # classes, splits, samples of each
    assert re.search(r"<td>cat</td>\s*<td class=\"number\">9</td>", page)
    assert "No content stands in two rows" in page and "Every sample can be read" in page


def test_what_was_left_out_and_what_stands_twice_is_listed_with_its_place(tmp_path):
    root = image_folder(tmp_path / "root", per_class=15)
    (root / "cat" / "broken.png").write_bytes(b"<html>")
    (root / "dog" / "copy.png").write_bytes((root / "dog" / "3.png").read_bytes())
    page = page_of(tmp_path, on_bad="skip", duplicates="drop")
    assert "cat/broken.png" in page and "begins with '<html>'" in page
    assert "dog/copy.png: left out" in page or "dog/3.png: left out" in page


def test_deep_images_are_shown_within_their_own_range(tmp_path):
    for number, name in enumerate(("a", "b")):
        (tmp_path / "root" / name).mkdir(parents=True)
        for i in range(12):
            array = pixels(100 * number + i, channels=1).astype(np.uint16) // 4 + 1000  # 1000 to 1063 of 65535
            (tmp_path / "root" / name / f"{i}.png").write_bytes(encoded(array))
    page = page_of(tmp_path)
    assert "16-bit grey" in page and "values 1000 to 1063" in page


def test_texts_are_escaped(tmp_path):
    (tmp_path / "root").mkdir()
    lines = [f"{i},<script>alert({i})</script> text,{'ab'[i % 2]},p{i // 2}" for i in range(40)]
    write_lines(tmp_path / "root", "id,text,label,patient", *lines)
    page_of(tmp_path, table="t.csv", columns={"id": "id", "text": "text", "group": "patient"})
    page = (tmp_path / "page.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page and "none in two splits" in page


def test_a_frozen_network_costs_the_forwards_that_the_store_lacks_and_a_trained_one_its_epochs():
    counts = {"train": 60, "validation": 20, "test": 20, "pool": 100}
    frozen = estimate(MODEL, counts, MEASURED, trains=False)
    assert (frozen["forwards"], frozen["trained"]) == (10, 0)
    assert frozen["seconds"] == pytest.approx(10 / 100 + 10 / 10)
    trained = estimate(MODEL | {"seeds": [0, 1]}, counts, MEASURED, trains=True)
    assert trained["trained"] == 2 * 5 * 60 and trained["forwards"] == 10 + 2 * (200 + 5 * 20)
    folds = estimate(MODEL | {"folds": 3}, counts, MEASURED, trains=True)
    assert folds["trained"] == 3 * 5 * 60  # all rows, and three times two thirds of them
    assert folds["forwards"] == 10 + 200 + 4 * 5 * 20 + 60
    assert trained["memory_bytes"] > 32 * 10**6 and trained["disk_bytes"] > 2 * 4 * 10**6


def test_measuring_a_backbone_counts_what_the_store_lacks_and_fills_it_not(tmp_path):
    image_folder(tmp_path / "root", per_class=12)
    speed = tmp_path / "speed.json"
    page_of(tmp_path)
    folder = tmp_path / "backbone"
    shutil.copytree(backbone("effnet-lite0"), folder)
    spec = read_json(folder / "backbone.json")
    write_json(folder / "backbone.json", {**spec, "preprocessing": {**spec["preprocessing"], "size": 32}})
    store = Store(tmp_path / "store")
    measure_speed(
        tmp_path / "samples.parquet", tmp_path / "dataset.json", dict(THREE_WAY), folder, store, speed, "fp32"
    )
    measured = read_json(speed)
    assert measured["forwards"] == 24 and not list(store.root.rglob("*.arrow"))
    assert measured["operations"] > 10**6 and measured["activation_bytes"] > measured["width"] * 4
    page = page_of(tmp_path, {"solar.tiny.linear": MODEL}, {"tiny": measured})
    assert re.search(r"solar\.tiny\.linear</td><td class=\"number\">24</td>", page)
