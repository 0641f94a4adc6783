"""The manifest: the same files give the same bytes, and only what matters changes the digests."""

import json
import os
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.common.fingerprint import fingerprint
from graft.common.spelling import natural_sort
from graft.data import images
from graft.data.samples import Manifest, read_manifest
from prepare_data import main
from tiny_data import THREE_WAY, encoded, image_folder, pixels, prepared, text_table, write_lines

NAMES = ("samples", "labels", "card", "labelled", "pool")
FILES = ("samples.parquet", "labels.json", "data_card.json", "labelled.digest", "pool.digest")


def run(root, out, **entry):
    """The outputs of the whole script, as a dict of paths."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "dataset.json").write_text(json.dumps({"root": str(root), "source": {"path": "mine"}, "licence": "CC0-1.0"}))
    outputs = {name: out / file for name, file in zip(NAMES, FILES, strict=True)}
    main("tiny", out / "dataset.json", {**THREE_WAY, **entry}, outputs, threads=2)
    return outputs


def bytes_of(outputs):
    return {name: path.read_bytes() for name, path in outputs.items()}


def test_the_manifest_has_the_columns_and_types_of_its_contract(tmp_path):
    write_lines(tmp_path, "text,label,value", *(f"t{i},{'ab'[i % 2]},{i}" for i in range(12)))
    outputs = run(tmp_path, tmp_path / "out", table="t.csv", targets={"label": {}, "value": {"kind": "regression"}})
    schema = {field.name: str(field.type) for field in pq.read_schema(outputs["samples"])}
    assert schema == {
        "sample_id": "string",
        "path": "string",
        "row": "int64",
        "content_sha256": "string",
        "split": "string",
        "fold": "int16",
        "group": "string",
        "sampling_unit": "string",
        "labelled_copy": "bool",
        "weight": "double",
        "label": "string",
        "value": "double",
    }
    manifest = read_manifest(outputs["samples"])
    assert manifest.frame["sample_id"].is_monotonic_increasing
    assert set(manifest.frame.loc[manifest.frame["split"] == "train", "fold"]) == {0, 1}
    assert (manifest.frame.loc[manifest.frame["split"] != "train", "fold"] == -1).all()
    assert manifest.targets["label"] == {"kind": "classification", "classes": ["a", "b"]}
    assert manifest.targets["value"] == {"kind": "regression"}
    assert manifest.card["counts"] == {"train": 7, "validation": 2, "test": 3}
    assert manifest.card["licence"] == "CC0-1.0"


def test_codes_follow_labels_json_and_missing_ones_are_told():
    frame = pd.DataFrame({"y": pd.Series(["10", None, "2"], dtype="str"), "v": [1.5, np.nan, 2.0]})
    targets = {"y": {"kind": "classification", "classes": ["2", "10"]}, "v": {"kind": "regression"}}
    manifest = Manifest(frame, targets, {})
    assert manifest.codes("y").tolist() == [1, -1, 0]
    assert manifest.codes("y", frame.iloc[:1]).tolist() == [1]
    assert np.isnan(manifest.codes("v")[1])
    with pytest.raises(UserError, match="label '10'"):
        Manifest(frame, {"y": {"kind": "classification", "classes": ["2", "3"]}}, {}).codes("y")


@pytest.mark.parametrize(
    ("words", "order"),
    [
        (["10", "9", "1"], ["1", "9", "10"]),
        (["class10", "class9", "Class1"], ["Class1", "class9", "class10"]),
        (["-1", "1", "0.5"], ["-1", "0.5", "1"]),
        (["a", "10", "2b"], ["2b", "10", "a"]),
    ],
)
def test_classes_stand_in_natural_order(words, order):
    assert natural_sort(words) == order


@given(st.lists(st.text(min_size=1), unique=True))
def test_natural_order_loses_nothing_and_does_not_depend_on_the_order_given(words):
    assert sorted(natural_sort(words)) == sorted(words)
    assert natural_sort(words) == natural_sort(reversed(words))


def test_two_runs_and_a_copy_elsewhere_give_the_same_bytes(tmp_path):
    root = image_folder(tmp_path / "a" / "d")
    (root / "loose.png").write_bytes(encoded(pixels(9)))
    first = bytes_of(run(root, tmp_path / "a" / "out"))
    assert bytes_of(run(root, tmp_path / "a" / "out")) == first
    shutil.copytree(root, tmp_path / "b" / "d")
    assert bytes_of(run(tmp_path / "b" / "d", tmp_path / "b" / "out")) == first


@settings(max_examples=10, deadline=None)
@given(st.randoms(use_true_random=False), st.booleans())
def test_the_order_of_a_tables_rows_does_not_matter(tmp_path_factory, random, growth_stable):
    tmp_path = tmp_path_factory.mktemp("order")
    lines = [f"s{i},text {i},{'abc'[i % 3]},g{i // 2}" for i in range(60)]
    shares = {"validation": 0.3, "test": 0.3, "growth_stable": growth_stable}
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text", "group": "group"}, "split": shares}
    frames = []
    for _ in range(2):
        write_lines(tmp_path, "id,text,label,group", *lines)
        frames.append(prepared(tmp_path, **entry).frame.drop(columns=["row", "table_row"]))
        random.shuffle(lines)
    pd.testing.assert_frame_equal(*frames)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["a", "b", "", "NA"]), st.integers(0, 60)), min_size=60, max_size=90))
def test_every_row_is_in_the_manifest_or_listed_as_left_out(tmp_path_factory, rows):
    tmp_path = tmp_path_factory.mktemp("partition")
    lines = [f"s{i},{f'text {text}' if text else ''},{label}" for i, (label, text) in enumerate(rows)]
    write_lines(tmp_path, "id,text,label", *lines, *(f"t{i},own {i},{'ab'[i % 2]}" for i in range(30)))
    entry = {"table": "t.csv", "columns": {"id": "id", "text": "text"}, "on_bad": "skip", "duplicates": "drop"}
    found = prepared(tmp_path, **entry)
    kept = found.frame["sample_id"].tolist()
    skipped = [row["sample_id"] for row in found.card["skipped"]]
    dropped = [name for row in found.card["duplicates"] for name in row["dropped"]]
    assert sorted(kept + skipped + dropped) == sorted(
        [f"s{i}" for i in range(len(rows))] + [f"t{i}" for i in range(30)]
    )
    labelled = found.frame[found.frame["split"] != "pool"]
    assert labelled["content_sha256"].is_unique
    assert set(found.frame.loc[found.frame["label"].isna(), "split"]) <= {"pool"}


def test_a_touch_changes_no_output_and_a_corrected_label_only_the_labelled_digest(tmp_path):
    entry = text_table(tmp_path, rows=20)
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text() + "p1,only text,\n")
    before = bytes_of(run(tmp_path, tmp_path / "out", **entry))
    os.utime(tmp_path / "t.csv", (1, 1))
    assert bytes_of(run(tmp_path, tmp_path / "out", **entry)) == before
    text = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(text.replace("s4,text number 4,a", "s4,text number 4,b"))
    after = bytes_of(run(tmp_path, tmp_path / "out", **entry))
    assert after["labelled"] != before["labelled"]
    assert after["pool"] == before["pool"]


def test_new_pool_rows_change_the_pools_digest_alone(tmp_path):
    root = image_folder(tmp_path / "d")
    before = bytes_of(run(root, tmp_path / "out"))
    (root / "pool").mkdir()
    (root / "pool" / "new.png").write_bytes(encoded(pixels(70)))
    after = bytes_of(run(root, tmp_path / "out"))
    assert after["labelled"] == before["labelled"]
    assert after["pool"] != before["pool"]


@pytest.mark.parametrize("change", ["content", "id", "group", "classes", "split_seed", "folds", "range"])
def test_whatever_training_sees_changes_the_labelled_digest(tmp_path, change):
    write_lines(tmp_path, "id,path,label,who", *(f"s{i},{i}.png,{'ab'[i % 2]},g{i}" for i in range(20)))
    for i in range(20):
        (tmp_path / f"{i}.png").write_bytes(encoded(pixels(i, channels=1, dtype=np.uint16)))
    entry = {"table": "t.csv", "columns": {"id": "id", "path": "path", "group": "who"}}
    before = bytes_of(run(tmp_path, tmp_path / "out", **entry))
    table = (tmp_path / "t.csv").read_text()
    if change == "content":
        (tmp_path / "3.png").write_bytes(encoded(pixels(300, channels=1, dtype=np.uint16)))
    elif change == "id":
        (tmp_path / "t.csv").write_text(table.replace("s7,", "s007,"))
    elif change == "group":
        (tmp_path / "t.csv").write_text(table.replace("g7", "g70"))
    else:
        value = {"classes": None, "split_seed": 3, "folds": 3, "range": [0, 1000]}[change]
        entry |= {"targets": {"label": {"classes": ["b", "a"]}}} if change == "classes" else {change: value}
    assert bytes_of(run(tmp_path, tmp_path / "out", **entry))["labelled"] != before["labelled"]


def test_only_new_and_changed_images_are_decoded_again(tmp_path, monkeypatch):
    root = image_folder(tmp_path / "d")
    for file in root.rglob("*.png"):
        os.utime(file, (1_000_000, 1_000_000))
    run(root, tmp_path / "out")
    decoded = []
    real = images.read
    monkeypatch.setattr(images, "read", lambda *args: decoded.append(1) or real(*args))
    run(root, tmp_path / "out")
    assert len(decoded) == 0
    (root / "cat" / "new.png").write_bytes(encoded(pixels(40)))
    run(root, tmp_path / "out")
    assert len(decoded) == 1
    (root / "cat" / "1.png").write_bytes(encoded(pixels(41)))
    os.utime(root / "cat" / "1.png", (900_000, 900_000))  # older than before, as cp -p makes it
    frame = read_manifest(run(root, tmp_path / "out")["samples"]).frame
    assert len(decoded) == 2
    os.utime(root / "cat" / "2.png")
    assert read_manifest(run(root, tmp_path / "out")["samples"]).frame.equals(frame)
    assert len(decoded) == 2  # a touched file is read and hashed, its content is known


def test_a_file_that_changed_just_now_is_not_trusted_to_stay_so(tmp_path):
    root = image_folder(tmp_path / "d")
    run(root, tmp_path / "out")
    time = (root / "cat" / "1.png").stat().st_mtime_ns
    size = (root / "cat" / "1.png").stat().st_size
    data = bytearray((root / "cat" / "1.png").read_bytes())
    other = next(e for e in (encoded(pixels(s)) for s in range(500, 900)) if len(e) == len(data))
    (root / "cat" / "1.png").write_bytes(other)
    os.utime(root / "cat" / "1.png", ns=(time, time))
    assert (root / "cat" / "1.png").stat().st_size == size
    run(root, tmp_path / "out")
    fresh = run(root, tmp_path / "fresh")
    assert (tmp_path / "out" / "samples.parquet").read_bytes() == fresh["samples"].read_bytes()


@pytest.mark.parametrize("damage", [b"", b"PAR1 nonsense", None])
def test_a_damaged_memory_is_read_anew(tmp_path, damage):
    root = image_folder(tmp_path / "d")
    before = bytes_of(run(root, tmp_path / "out"))
    memory = tmp_path / "out" / ".checked.parquet"
    memory.write_bytes(memory.read_bytes()[:-40] if damage is None else damage)
    assert bytes_of(run(root, tmp_path / "out")) == before


def test_a_bad_image_is_remembered_as_bad(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "cat" / "bad.png").write_bytes(b"no image")
    for file in root.rglob("*.png"):
        os.utime(file, (1_000_000, 1_000_000))
    for _ in range(2):
        with pytest.raises(UserError, match="cat/bad.png"):
            run(root, tmp_path / "out")


def test_the_range_of_deep_images_is_measured_on_the_train_rows_or_given(tmp_path):
    for split, top in (("train", 4000), ("validation", 4000), ("test", 60_000)):
        for number, label in enumerate("ab"):
            (tmp_path / split / label).mkdir(parents=True)
            for i in range(4):
                array = np.full((5, 5), 100, np.uint16)
                array[i, number] = top - 10 * i
                array[4, 4] = len(split)
                (tmp_path / split / label / f"{i}.png").write_bytes(encoded(array))
    card = prepared(tmp_path).card["image"]
    assert (card["dtype"], card["range"], card["channels"]) == ("uint16", [0.0, 4000.0], 1)  # rounded outwards to 50
    assert prepared(tmp_path, range=[0, 65535]).card["image"]["range"] == [0.0, 65535.0]
    with pytest.raises(UserError, match="low < high"):
        prepared(tmp_path, range=[5, 5])


def test_a_limit_keeps_that_many_labelled_rows_a_third_as_many_of_the_pool_and_every_class(tmp_path):
    entry = text_table(tmp_path, rows=300)
    rare = [f"r{i},rare text {i},rare" for i in range(3)]
    pool = [f"p{i},pool text {i}," for i in range(40)]
    (tmp_path / "t.csv").write_text((tmp_path / "t.csv").read_text() + "\n".join([*rare, *pool]) + "\n")
    counts = prepared(tmp_path, limit=30, **entry).card
    assert sum(n for split, n in counts["counts"].items() if split != "pool") == 30
    assert counts["counts"]["pool"] == 10
    assert sum(part["rare"] for part in counts["classes"]["label"].values()) == 3


@pytest.mark.parametrize(("sites", "folds"), [(3, {-1}), (4, {0, 1})])
def test_there_are_never_more_folds_than_groups(tmp_path, sites, folds):
    lines = [f"{i},text {i},{'ab'[i // sites % 2]},site-{i % sites}" for i in range(12 * sites)]
    write_lines(tmp_path, "id,text,label,site", *lines)
    made = prepared(tmp_path, columns={"id": "id", "text": "text", "group": "site"}, folds=5)
    assert set(made.frame.loc[made.frame["split"] == "train", "fold"]) == folds
    assert any("fold" in note for note in made.card["notes"])


def test_the_card_counts_the_groups_of_labelled_rows_and_blanks_are_none(tmp_path):
    sites = ["north", " north ", "south", " ", ""]
    lines = [f"{i},text {i},{'ab'[i % 2]},{sites[i % 5]}" for i in range(60)]
    write_lines(tmp_path, "id,text,label,site", *lines, "99,text 99,,of the pool")
    columns = {"id": "id", "text": "text"}
    assert prepared(tmp_path, columns={**columns, "group": "site"}).card["groups"] == 2
    assert prepared(tmp_path, columns=columns).card["groups"] == 0


def test_target_names_of_the_manifests_own_columns_are_refused(tmp_path):
    with pytest.raises(UserError, match="targets called split"):
        prepared(tmp_path, targets={"split": {}}, **{k: v for k, v in text_table(tmp_path).items()})


def test_the_fingerprint_sees_names_sizes_and_times_and_no_litter(tmp_path):
    root = image_folder(tmp_path / "d")
    entry = {"source": {"path": "d"}, "watch": "files"}
    seen = [fingerprint(entry, tmp_path)]

    def changed():
        seen.append(fingerprint(entry, tmp_path))
        return seen[-1] != seen[-2]

    assert not changed()
    os.utime(root / "cat" / "1.png", (5, 5))
    assert changed()
    (root / "cat" / "deep").mkdir()
    (root / "cat" / "deep" / "1.png").write_bytes(b"x")
    assert changed()
    (root / "cat" / "deep" / "1.png").rename(root / "cat" / "deep" / "2.png")
    assert changed()
    (root / "cat" / "deep" / "2.png").unlink()
    assert changed()
    (root / ".cache").mkdir()
    (root / ".cache" / "x").touch()
    (root / "Thumbs.db").touch()
    (root / "cat" / "loop").symlink_to("..")
    assert not changed()
    (root / "dangling").symlink_to("nowhere")
    assert changed()
    shutil.rmtree(root)
    assert fingerprint(entry, tmp_path) == "absent"


def test_the_fingerprint_of_a_table_looks_at_the_table_alone(tmp_path):
    root = image_folder(tmp_path / "d")
    (root / "t.csv").write_text("x")
    entry = {"source": {"path": "d"}, "watch": "table", "table": "t.csv"}
    before = fingerprint(entry, tmp_path)
    (root / "cat" / "1.png").unlink()
    assert fingerprint(entry, tmp_path) == before
    (root / "t.csv").write_text("xy")
    assert fingerprint(entry, tmp_path) != before


@pytest.mark.parametrize("columns", [{"text": "t"}, {"features": "wl_*"}])
def test_a_table_that_holds_the_samples_themselves_is_all_that_is_looked_at(tmp_path, columns):
    (tmp_path / "t.csv").write_text("x")
    entry = {"source": {"path": "."}, "watch": "files", "table": "t.csv", "columns": columns}
    before = fingerprint(entry, tmp_path)
    (tmp_path / "other.csv").write_text("y")
    assert fingerprint(entry, tmp_path) == before
    assert fingerprint(entry | {"columns": {"path": "t"}}, tmp_path) != before  # files beside the table are data then


def test_data_where_snakemake_runs_are_told_from_what_it_makes(tmp_path):
    image_folder(tmp_path)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "index.html").touch()
    entry = {"source": {"path": "."}}
    with_results = fingerprint(entry, tmp_path)  # nothing says yet that this folder is the workflow's
    (tmp_path / ".snakemake").mkdir()
    before = fingerprint(entry, tmp_path)
    (tmp_path / "results" / "cat.png").write_bytes(b"x")
    (tmp_path / "logs").mkdir()
    assert fingerprint(entry, tmp_path) == before != with_results
    (tmp_path / "cat" / "results").mkdir()
    (tmp_path / "cat" / "results" / "cat.png").write_bytes(b"x")
    assert fingerprint(entry, tmp_path) != before


def test_the_fingerprint_of_fetched_data_is_the_same_before_and_after_the_fetch(tmp_path):
    entry = {"source": {"package": "p", "version": "1"}, "watch": "files"}
    before = fingerprint(entry, tmp_path)
    image_folder(tmp_path / "d")
    assert fingerprint(entry, tmp_path) == before
