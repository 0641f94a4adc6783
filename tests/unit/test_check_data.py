"""The page of `make check`: what it shows of a data set, and what it says the models will cost."""

import html
import re
import shutil

import numpy as np
import pytest
import yaml

from assets import backbone
from check_data import main, one_after_the_other
from graft.common.outputs import read_json, write_json
from graft.config import load, make_plan
from graft.data.prepare import prepare, write
from graft.evaluation.caveats import cut, unknown
from graft.networks.backbones import longest_input
from graft.report.costs import estimate
from graft.store import Store
from measure_lengths import main as measure_lengths
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


def page_of(folder, models=(), speed=None, lengths=(), nearness=None, **entry):
    """The page of the data in folder/root, made as the rules make it; with `nearness` as it is once models are trained."""
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
    speed, page = None if nearness else speed or {}, folder / "page.html"
    paths = (folder / "samples.parquet", folder / "dataset.json")
    main(*paths, entry, dict(models), speed, page, lengths, nearness, folder / "words.txt")
    return html.unescape((folder / "page.html").read_text())


def test_every_class_and_split_shows_samples_and_counts(tmp_path):
    image_folder(tmp_path / "root", per_class=15)
    page = page_of(tmp_path)
    assert len(re.findall(r'<img src="data:image/png', page)) == 2 * 3 * 3  # classes, splits, samples of each
    assert re.search(r"<td>cat</td>\s*<td class=\"number\">9</td>", page)
    assert "No content is in two rows" in page and "Every sample can be read" in page


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
    curve = estimate(MODEL | {"curve": [0.25, 0.5], "curve_draws": 2, "seeds": [0, 1]}, counts, MEASURED, trains=True)
    assert curve["trained"] == trained["trained"] + 2 * 5 * 45  # a quarter and a half of the rows, of one seed
    assert curve["forwards"] == trained["forwards"] + 4 * (5 * 20 + 40)
    assert trained["memory_bytes"] > 32 * 10**6 and trained["disk_bytes"] > 2 * 4 * 10**6


def test_a_student_costs_its_epochs_over_train_and_pool_rows_and_its_teachers_passes():
    counts = {"train": 60, "validation": 20, "test": 20, "pool": 100}
    teacher = MEASURED | {"embedded_per_s": 2.0}
    student = MODEL | {"stage": "distill", "seeds": [0, 1], "augment": "none", "views": None, "pool": None}
    plain = estimate(student, counts, MEASURED, True, teacher)
    assert plain["trained"] == 2 * 5 * 160 and plain["forwards"] == 10 + 2 * (200 + 5 * 20)
    assert estimate(student | {"pool": False}, counts, MEASURED, True, teacher)["trained"] == 2 * 5 * 60
    changed = estimate(student | {"augment": "standard"}, counts, MEASURED, True, teacher)
    assert changed["forwards"] == plain["forwards"] + 5 * 160
    assert changed["seconds"] == pytest.approx(plain["seconds"] + 5 * 160 / 2)
    two = estimate(student | {"augment": "standard", "views": 2}, counts, MEASURED, True, teacher)
    assert two["forwards"] == plain["forwards"] + 2 * 160


def test_an_ensemble_that_teaches_costs_what_its_members_take_one_after_the_other():
    slow = {"embedded_per_s": 2.0, "operations": 30}
    found = one_after_the_other([slow, {"embedded_per_s": 1.0, "operations": 4}])
    assert found == {"embedded_per_s": pytest.approx(2 / 3), "operations": 34}
    assert one_after_the_other([slow]) == slow


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


def spectra(folder, rows=60):
    """A table of spectra by wavenumber with a value to learn."""
    (folder / "root").mkdir()
    columns = [str(number) for number in range(4000, 3900, -10)]
    lines = [
        ",".join([f"s{i}", f"{i / 7:.4f}", *(f"{np.sin(i + j):.3f}" for j in range(len(columns)))]) for i in range(rows)
    ]
    write_lines(folder / "root", ",".join(["id", "protein", *columns]), *lines)
    columns = {"features": "[0-9]*", "id": "id"}
    return {"table": "t.csv", "columns": columns, "targets": {"protein": {"kind": "regression"}}}


def test_spectra_are_drawn_by_wavenumber_and_samples_of_values_show_them(tmp_path):
    page = page_of(tmp_path, **spectra(tmp_path))
    assert "number in the column's name" in page and ">4000<" in page and ">feature<" not in page
    assert "Are they what their value says?" in page and "class says" not in page
    assert re.search(r"<b>\d[\d.]*</b>:", page)


def test_who_gave_which_split_is_said(tmp_path):
    for split, count in (("train", 30), ("test", 20)):
        image_folder(tmp_path / "root" / split, per_class=count)
    page = page_of(tmp_path, duplicates="drop", split={"validation": 0.2})
    assert "train and test given by the data; validation drawn from train" in page
    drawn = tmp_path / "drawn"
    image_folder(drawn / "root", per_class=20)
    assert "drawn at random, stratified" in page_of(drawn)


def test_a_look_says_how_many_of_the_classes_it_shows(tmp_path):
    image_folder(tmp_path / "root", per_class=10, classes=[f"c{i:02d}" for i in range(18)])
    page = page_of(tmp_path)
    assert "The first 16 of 18 classes." in page and "the first 7 of 18 classes" in page


def test_texts_that_a_backbone_cuts_are_counted_on_the_page_and_on_the_terminal(tmp_path):
    """Case 40 of the texts that are cut: the label is behind what the network reads."""
    (tmp_path / "root").mkdir()
    lines = [f"s{i},{'cell ' * (20 if i % 3 else 300)}end {i},{'ab'[i % 2]}" for i in range(60)]
    write_lines(tmp_path / "root", "id,text,label", *lines)
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}
    page_of(tmp_path, **entry)
    path, folder = tmp_path / "lengths.json", backbone("minilm")
    measure_lengths(tmp_path / "samples.parquet", tmp_path / "dataset.json", THREE_WAY | entry, folder, path)
    found = read_json(path)
    assert (found["texts"], found["cut"], found["longest"], found["max_length"]) == (60, 20, 304, 128)
    assert found["seen"] == pytest.approx((40 * 24 + 20 * 128) / (40 * 24 + 20 * 304))
    page = page_of(tmp_path, lengths=[found], **entry)
    assert "20 of 60 texts are longer than the 128 tokens" in page
    assert "20 of 60 texts are longer than the 128 tokens" in (tmp_path / "words.txt").read_text()
    assert found["proposed"] == 320 and f"max_length: {found['proposed']}" in page and "reads all of them" in page


def test_the_length_that_is_proposed_is_taken_and_cuts_nothing(tmp_path):
    """The hint is followed: the entry that the sentence writes out is valid, and with it no text is cut."""
    said = cut(
        {"backbone": "minilm", "max_length": 128, "texts": 60, "cut": 20, "longest": 303, "seen": 0.5}
        | {"proposed": 320, "still_cut": 0}
    )
    entry = yaml.safe_load(re.search(r"`(backbones: .*?)` and", said).group(1))
    (name,) = entry["backbones"]
    config = {"datasets": {"d": {"source": {"path": str(tmp_path)}}}, **entry}
    config["finetune"] = {"m": {"dataset": "d", "backbone": name, "method": "linear"}}
    made = make_plan(load(config, [])).backbones[name]
    assert made["max_length"] == 320 and made["library"] == "transformers"
    (tmp_path / "root").mkdir()
    write_lines(tmp_path / "root", "id,text,label", *(f"s{i},{'cell ' * 300}end {i},{'ab'[i % 2]}" for i in range(20)))
    table = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}
    page_of(tmp_path, duplicates="allow", **table)
    folder = tmp_path / "backbone"
    shutil.copytree(backbone("minilm"), folder)
    spec = read_json(folder / "backbone.json")
    for length, cut_texts in ((128, 20), (320, 0)):
        write_json(folder / "backbone.json", {**spec, "preprocessing": {**spec["preprocessing"], "max_length": length}})
        measure_lengths(
            tmp_path / "samples.parquet", tmp_path / "dataset.json", THREE_WAY | table, folder, tmp_path / "l.json"
        )
        assert read_json(tmp_path / "l.json")["cut"] == cut_texts
    assert longest_input(spec) == 512


def test_unknown_tokens_are_counted_by_the_rule_that_counts_lengths_and_said_where_they_are_worth_it(tmp_path):
    (tmp_path / "root").mkdir()
    texts = [*("C" * (i + 1) + "O" for i in range(20)), "The cell wall is thick", "Bacteria are small", "CC(H)O"]
    write_lines(tmp_path / "root", "id,text,label", *(f"s{i},{text},{'ab'[i % 2]}" for i, text in enumerate(texts)))
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text"}}
    page_of(tmp_path, **entry)
    path = tmp_path / "lengths.json"
    measure_lengths(tmp_path / "samples.parquet", tmp_path / "dataset.json", THREE_WAY | entry, backbone("rxnfp"), path)
    found = read_json(path)
    assert (found["unknown"]["texts"], found["unknown"]["mostly"]) == (3, 2)
    said = "3 of 23 texts have tokens that the vocabulary of rxnfp lacks"
    assert unknown(found).startswith(said) and unknown(found, brief=True).startswith(said)
    assert "2 are mostly such tokens" in unknown(found) and "'T' in t.csv, row 21" in unknown(found)
    assert said in page_of(tmp_path, lengths=[found], **entry)
    found["texts"] = 1000
    assert unknown(found) and not unknown(found, brief=True)
    found["unknown"]["texts"] = 0
    assert not unknown(found)


def test_once_models_are_trained_the_page_says_how_near_the_splits_lie_instead_of_what_they_will_cost(tmp_path):
    image_folder(tmp_path / "root", per_class=15)
    near = {"value": 0.8, "low": 0.7, "high": 0.9}
    nearness = {
        "backbone": "b",
        "measure": "cosine",
        "median": {"validation": 0.825, "test": 0.58},
        "farther": {"test": near},
    }
    page = page_of(tmp_path, nearness=nearness)
    assert "validation rows are much nearer to the train rows than test rows are" in page
    assert "validation 0.825, test 0.580 (embeddings by b)" in page
    assert "What the models will cost" not in page and "Nothing has been trained yet" not in page
