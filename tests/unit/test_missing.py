"""Words for "there is none": what was not measured is no class, and what somebody named is one."""

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from pandas._libs.parsers import STR_NA_VALUES

from graft.data.listing.rows import MISSING, in_words, is_missing
from tiny_data import encoded, image_folder, pixels, prepared, write_lines

TEXT = {"table": "t.csv", "columns": {"text": "text", "id": "id"}}


def table_of(root, words, other="ab"):
    """24 labelled rows and one for each of `words`."""
    lines = [f"s{i},text {i},{other[i % len(other)]}" for i in range(24)]
    lines += [f'p{i},pool {i},"{word}"' for i, word in enumerate(words)]
    write_lines(root, "id,text,label", *lines)


def test_the_words_are_those_of_pandas():
    assert {word.casefold() for word in MISSING} == {word.casefold() for word in STR_NA_VALUES}
    assert len(MISSING) == len({word.casefold() for word in MISSING})


@pytest.mark.parametrize("word", sorted(STR_NA_VALUES | {"NAN", "Null", "none", "N/a", "na", " NaN "}))
def test_a_word_for_missing_is_no_class_in_any_case(tmp_path, word):
    table_of(tmp_path, [word] * 6)
    found = prepared(tmp_path, **TEXT)
    assert found.targets["label"]["classes"] == ["a", "b"]
    assert found.card["counts"]["pool"] == 6
    shown = f"6 '{word.strip()}'" if word else "6 empty"
    assert any("6 of 30 labels are missing: " + shown in note for note in found.card["notes"])


@pytest.mark.parametrize("kind", ["npz", "parquet", "float32", "float16", "hub", "npy"])
def test_nan_of_a_column_of_numbers_is_no_class(tmp_path, kind):
    values, labels = np.random.default_rng(0).normal(size=(36, 4)).astype(np.float32), np.arange(36) % 2.0 + 1
    labels[24:] = np.nan
    entry = {}
    if kind == "npz":
        np.savez(tmp_path / "a.npz", X=values, label=labels)
    elif kind == "npy":
        np.save(tmp_path / "X.npy", values)
        np.save(tmp_path / "label.npy", labels)
    else:
        dtype = {"float32": np.float32, "float16": np.float16}.get(kind, np.float64)
        columns = {f"f{i}": values[:, i] for i in range(4)}
        if kind == "hub":
            (tmp_path / "data").mkdir()
        name = "data/train-00000-of-00001.parquet" if kind == "hub" else "a.parquet"
        pq.write_table(pa.table({**columns, "label": pa.array(labels.astype(dtype))}), tmp_path / name)
        entry = {"columns": {"features": "f*"}}
    found = prepared(tmp_path, **entry) if kind != "hub" else prepared(tmp_path, reader="hub", **entry)
    assert found.targets["label"]["classes"] == ["1", "2"]
    assert found.card["counts"]["pool"] == 12
    assert any("12 of 36 labels are missing: 12 empty" in note for note in found.card["notes"])


def test_values_that_are_not_whole_keep_their_digits_beside_nan(tmp_path):
    labels = pa.array([0.5, 1.0] * 12 + [float("nan")] * 4)
    text = [f"t{i}" for i in range(28)]
    pq.write_table(pa.table({"text": text, "label": labels}), tmp_path / "a.parquet")
    assert prepared(tmp_path).targets["label"]["classes"] == ["0.5", "1"]


def test_a_folders_name_is_never_missing(tmp_path):
    image_folder(tmp_path, classes=("None", "NA", "nan"))
    found = prepared(tmp_path)
    assert found.targets["label"]["classes"] == ["NA", "None", "nan"]
    assert "pool" not in found.card["counts"]


def test_a_folder_of_a_group_is_one_whatever_it_is_called(tmp_path):
    for number, site in enumerate(("NA", "1", "1.0")):
        for i in range(12):
            path = tmp_path / site / "ab"[i % 2] / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(pixels(100 * number + i)))
    found = prepared(tmp_path, folders=["group", "label"])
    assert sorted(found.frame["group"].unique()) == ["1", "1.0", "NA"]
    assert (found.frame.groupby("group")["split"].nunique() == 1).all()


def test_a_class_that_the_hub_names_is_never_missing(tmp_path):
    feature = {"_type": "ClassLabel", "names": ["none", "scratch"]}
    meta = {b"huggingface": json.dumps({"info": {"features": {"label": feature}}}).encode()}
    labels = pa.array([0, 1] * 12 + [-1] * 3)
    table = pa.table({"text": [f"text {i}" for i in range(27)], "label": labels}).replace_schema_metadata(meta)
    (tmp_path / "data").mkdir()
    pq.write_table(table, tmp_path / "data" / "train-00000-of-00001.parquet")
    found = prepared(tmp_path, reader="hub")
    assert found.targets["label"]["classes"] == ["none", "scratch"]
    assert found.card["counts"]["pool"] == 3


def test_what_classes_names_is_never_missing_and_the_notes_hint_works(tmp_path):
    table_of(tmp_path, ["NA"] * 8 + ["n/a"] * 2)
    found = prepared(tmp_path, **TEXT)
    (note,) = [note for note in found.card["notes"] if "missing" in note]
    assert "10 of 34 labels are missing: 8 'NA', 2 'n/a'; a word that is a class belongs into `classes`" in note
    found = prepared(tmp_path, targets={"label": {"classes": ["a", "b", "NA"]}}, **TEXT)
    assert found.targets["label"]["classes"] == ["a", "b", "NA"]
    assert found.card["counts"]["pool"] == 2


def test_other_words_may_be_named_and_blanks_stay_missing(tmp_path):
    table_of(tmp_path, ["-"] * 8 + [""] * 2 + ["NA"] * 8)
    found = prepared(tmp_path, missing=["-"], **TEXT)
    assert found.targets["label"]["classes"] == ["NA", "a", "b"]
    assert found.card["counts"]["pool"] == 10


@pytest.mark.parametrize("word", ["nan", "NA", None])
def test_rows_without_a_group_or_a_split_are_no_group_of_that_name(tmp_path, word):
    group = [f"g{i // 4}" if i < 24 else word for i in range(36)]
    text = [f"text {i}" for i in range(36)]
    table = pa.table({"text": text, "label": [str(i % 2) for i in range(36)], "patient": group})
    pq.write_table(table, tmp_path / "a.parquet")
    found = prepared(tmp_path, columns={"text": "text", "group": "patient"})
    assert found.card["groups"] == 6
    assert found.frame["group"].isna().sum() == 12
    assert any("columns.group: 12 of 36 rows have none" in n for n in found.card["notes"]) == (word is not None)


def test_groups_that_are_numbers_are_read_alike_with_and_without_nan(tmp_path):
    text = [f"text {i}" for i in range(36)]
    groups = np.repeat(np.arange(9.0), 4)
    groups[-4:] = np.nan
    pq.write_table(
        pa.table({"text": text, "label": [str(i % 2) for i in range(36)], "g": groups}), tmp_path / "a.parquet"
    )
    found = prepared(tmp_path, columns={"text": "text", "group": "g"})
    assert sorted(found.frame["group"].dropna().unique()) == [str(i) for i in range(8)]


@pytest.mark.parametrize(
    "word",
    ["-", "?", "unknown", "n.a.", "Not Measured", "#NV", "#N/D", "#WERT!", "#VALUE!", "k. A.", "k.A.", "keine Angabe"]
    + ["nicht bestimmt", "Unbekannt", "未知", "sin dato", "n/d", "n.n.", "-99", "-999"],
)
def test_a_class_that_looks_like_missing_is_noted_and_the_hint_works(tmp_path, word):
    table_of(tmp_path, [word] * 9)
    found = prepared(tmp_path, **TEXT)
    assert word in found.targets["label"]["classes"]
    (note,) = [note for note in found.card["notes"] if "looks like" in note]
    assert f"class '{word}' (9 rows) looks like 'not labelled'" in note
    assert f"missing: ['{word}']" in note
    found = prepared(tmp_path, missing=[word], **TEXT)
    assert found.targets["label"]["classes"] == ["a", "b"] and found.card["counts"]["pool"] == 9


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_hint_about_missing_words_keeps_those_that_are_missing_already(tmp_path, kind):
    words = ["-999", "NA", "n/a", ""] if kind == "regression" else ["-", "NA", "n/a", ""]
    labels = [words[i // 2 % 4] if i % 2 else ["1.5", "2.5", "3.5", "4.5"][i // 2 % 4] for i in range(80)]
    write_lines(tmp_path, "id,text,label", *(f"{i},text number {i},{label}" for i, label in enumerate(labels)))
    entry = {"columns": TEXT["columns"], "targets": {"label": {"kind": kind}}}
    (note,) = [note for note in prepared(tmp_path, **entry).card["notes"] if "if it" in note]
    hint = yaml.safe_load(note[note.index("missing: [") :])["missing"]
    assert set(hint) == set(words) - {""}
    found = prepared(tmp_path, missing=hint, **entry)
    assert found.card["counts"]["pool"] == 40 and not any("if it" in note for note in found.card["notes"])


def test_plus_and_minus_are_classes(tmp_path):
    table_of(tmp_path, [], other="+-")
    assert not any("looks like" in note for note in prepared(tmp_path, **TEXT).card["notes"])


def test_words_are_counted_the_commonest_first():
    words = pd.Series(["nan", "NA", "nan", "", None, " NA"], dtype="str")
    assert is_missing(words, MISSING).all()
    assert in_words(words) == "2 empty, 2 'NA', 2 'nan'"
    assert is_missing(words, (), ["NA"]).tolist() == [False, False, False, True, True, False]


def test_unlabelled_images_of_a_folder_are_not_said_to_have_missing_labels(tmp_path):
    image_folder(tmp_path)
    (tmp_path / "loose.png").write_bytes(encoded(pixels(77)))
    assert not any("missing" in note for note in prepared(tmp_path).card["notes"])
