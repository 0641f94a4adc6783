"""Several labels per sample: from cells of every form to the manifest, and from there to 1, 0 and NaN."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graft.common.errors import UserError
from graft.data import label_sets
from graft.data.labels import read_targets
from graft.data.listing.rows import MISSING
from graft.data.prepare import digests_of, prepare
from graft.data.readers import arrays
from graft.data.samples import Manifest
from graft.data.splitting import splits
from graft.data.splitting.copies import find_copies
from tiny_data import encoded, pixels

WORDS = st.text(st.characters(codec="utf-8", exclude_characters=";\0", exclude_categories=["C", "Z", "M"]), min_size=1)
WORDS = WORDS.filter(lambda word: word[0] not in "[{" and word.upper() not in {one.upper() for one in MISSING})
SETS = st.lists(st.sets(WORDS, max_size=4), min_size=1, max_size=8)


def read(cells, **target):
    """The manifest's column and the classes of some cells."""
    frame = pd.DataFrame({"label:x": pd.Series(cells, dtype="str"), "path": "t.csv", "row": range(len(cells))})
    frame = frame.assign(table="t.csv", table_row=frame["row"], split=None)
    columns, described, notes = read_targets(frame, {"x": {"kind": "multilabel", **target}}, MISSING)
    return columns["x"], described["x"]["classes"], notes


def answers(values, classes):
    targets = {"x": {"kind": "multilabel", "classes": classes}}
    return Manifest(pd.DataFrame({"x": values}), targets, {}).codes("x")


def expected(sets, classes):
    return np.array([[float(word in one) for word in classes] for one in sets]).reshape(len(sets), len(classes))


@given(SETS)
def test_any_set_of_words_survives_the_way_to_codes(sets):
    sets = [{label_sets.nfc(word) for word in one} for one in sets]
    classes = sorted({word for one in sets for word in one})
    forms = {
        ";": [" ; ".join(one) or ";" for one in sets],
        None: [json.dumps(sorted(one)) for one in sets],
    }
    found = [answers(read(cells, separator=mark)[0], classes) for mark, cells in forms.items()]
    for one in found:
        np.testing.assert_array_equal(one, expected(sets, classes))


@given(
    st.lists(
        st.lists(st.sampled_from(["1", "0", "yes", "N", "True", "false", "1.0", "", None]), min_size=3, max_size=3)
    )
)
def test_cells_of_classes_are_yes_no_or_not_known(rows):
    said = {"1": 1, "0": 0, "yes": 1, "N": 0, "True": 1, "false": 0, "1.0": 1, "": np.nan, None: np.nan}
    cells = [json.dumps(dict(zip("abc", row, strict=True))) for row in rows]
    values, classes, _ = read(cells, columns=["a", "b", "c"])
    np.testing.assert_array_equal(
        answers(values, classes), np.array([[said[c] for c in row] for row in rows]).reshape(-1, 3)
    )
    assert [pd.isna(value) for value in values] == [all(c in ("", None) for c in row) for row in rows]


def test_the_order_of_words_and_of_rows_changes_no_text():
    values, classes, _ = read(["b;a", "a; b ;a", "['b', 'a']", '["a", "b"]', ";", "[]", "", "NA"], separator=";")
    assert values[:6].tolist() == ['["a", "b"]'] * 4 + ["[]"] * 2
    assert values[6:].isna().all() and classes is None
    assert read(["x10;x2"], separator=";")[0][0] == '["x2", "x10"]'


def test_named_classes_are_all_that_there_are():
    with pytest.raises(UserError, match=r"'c' \(2 rows, such as t.csv, row 2\)"):
        read(["a;b", "c", "c;a"], separator=";", classes=["a", "b"])


@pytest.mark.parametrize("cell", ["['a' 'b']", "a;b", "__import__('os').getcwd()", "[['a']]", "[None]"])
def test_what_is_no_list_is_said_with_its_place_and_nothing_is_run(cell):
    with pytest.raises(UserError, match="t.csv, row 2") as error:
        read(["[]", cell])
    assert "separator: ';'" in str(error.value)


def test_a_cell_that_is_neither_yes_nor_no_is_said_with_its_class():
    with pytest.raises(UserError, match=r"row 1: has 'maybe' for 'b'") as error:
        read([json.dumps({"a": "1", "b": "maybe"})], columns=["a", "b"])
    assert "yes or no" in str(error.value)


def sets_of(labels, split):
    frame = pd.DataFrame({"x": [None if one is None else label_sets.canonical(one) for one in labels], "split": split})
    return label_sets.check_sets(frame, "x", {"kind": "multilabel", "classes": None})


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["ab", "a", "ab", "a", "ab", "a"], "all 6 rows that are labelled have label 'a'"),
        (["a", "", "ab", "a", "", "b"], r"no row of the train split has label 'b' \(2 rows in all have it\)"),
        (["ab", "a", "", "a", "b", "b"], "all 2 rows of the train split have label 'a'"),
    ],
)
def test_a_label_that_cannot_be_learned_is_an_error(labels, said):
    with pytest.raises(UserError, match=said) as error:
        sets_of([list(one) for one in labels], ["train", "train", "validation", "validation", "test", "test"])
    assert "the separator alone" in str(error.value)


def test_a_label_that_a_later_split_lacks_is_noted():
    notes = sets_of([["a", "b"], [], ["a"], ["b"], ["a", "b"]], ["train", "train", "validation", "test", "test"])
    assert notes == ["target x: no row of the validation split has label 'b'"]


def test_rows_are_stratified_by_their_rarest_label():
    values = pd.Series([label_sets.canonical(one) for one in (["a", "b"], ["a"], ["a", "c"], ["b", "a"], [])] + [None])
    codes = splits.strata(values, "multilabel")
    assert codes[0] == codes[3] and len(set(codes)) == 5 and codes[5] == -1


def test_other_labels_of_one_content_contradict_each_other():
    frame = pd.DataFrame({"same_sha256": list("uuvv"), "split": "train", "x": ['["a"]', '["a", "b"]', "[]", "[]"]})
    found = find_copies(frame, {"x": {"kind": "multilabel"}})
    assert found["contradicting"].tolist() == [True, True, False, False]


@pytest.mark.parametrize(
    ("cells", "noted"),
    [
        (["a", "b", "a;b", "b;a", "c"], "separator: ';'"),
        (["a|b", "b|c", "a|c"], "separator: '|'"),
        (["cat", "dog", "cat, dog", "dog, cat"], "separator: ','"),
        (["['a']", "['a', 'b']"], "kind: multilabel"),
        (["Smith, John", "Smith, Jane", "Miller, John", "Miller, Jane"], None),
        (["alive, well", "dead", "alive, ill"], None),
        (["1,5", "2,5", "3"], None),
        (["low", "high"], None),
    ],
)
def test_classes_that_look_like_lists_are_pointed_out(cells, noted):
    notes = label_sets.note_on_lists("x", pd.Series(cells * 2, dtype="str"))
    assert (noted in notes[0] and "look like lists" in notes[0]) if noted else not notes


def prepared(folder, table, target, **settings):
    """A data set of images with a table, prepared."""
    for i in range(len(table)):
        (folder / f"{i}.png").write_bytes(encoded(pixels(i)))
    table = table.assign(file=[f"{i}.png" for i in range(len(table))])
    if isinstance(table.iloc[0, 0], list):
        table.to_parquet(folder / "t.parquet")
    else:
        table.to_csv(folder / "t.csv", index=False)
    entry = {"columns": {"path": "file"}, "targets": {"x": {"kind": "multilabel", **target}}, **settings}
    return prepare("d", entry, folder)


def drawn(rows=40, seed=0):
    return (np.random.default_rng(seed).random((rows, 2)) < [0.5, 0.3]).astype(int)


def test_columns_words_and_lists_of_one_data_set_give_the_same_manifest(tmp_path):
    has = drawn()
    words = [[word for word, yes in zip("ab", row, strict=True) if yes] for row in has]
    forms = {
        "columns": (pd.DataFrame(has, columns=["a", "b"]), {"columns": ["a", "b"]}),
        "mapping": (pd.DataFrame(has, columns=["is a", "is b"]), {"columns": {"a": "is a", "b": "is b"}}),
        "words": (pd.DataFrame({"x": [";".join(one) or ";" for one in words]}), {"separator": ";"}),
        "lists": (pd.DataFrame({"x": words}), {}),
        "python": (pd.DataFrame({"x": [str(one) for one in words]}), {}),
    }
    found = []
    for name, (table, target) in forms.items():
        (tmp_path / name).mkdir()
        found.append(prepared(tmp_path / name, table, target))
    for one in found:
        assert one.targets == {"x": {"kind": "multilabel", "classes": ["a", "b"]}}
        frame = one.frame.assign(place=[int(path[:-4]) for path in one.frame["path"]]).sort_values("place")
        np.testing.assert_array_equal(answers(frame["x"], ["a", "b"]), has)
        assert sum(one.card["classes"]["x"][part]["a"] for part in ("train", "validation", "test")) == has[:, 0].sum()
        assert digests_of(one)["training"] == digests_of(found[0])["training"]


def test_another_label_of_a_train_row_is_another_training(tmp_path):
    found, has = [], drawn()
    for flip in (False, True):
        table = pd.DataFrame(has, columns=["a", "b"])
        folder = tmp_path / str(flip)
        folder.mkdir()
        table["split"] = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
        table.loc[0, "a"] ^= flip
        columns = {"path": "file", "split": "split"}
        found.append(digests_of(prepared(folder, table, {"columns": ["a", "b"]}, columns=columns)))
    assert found[0]["training"] != found[1]["training"] and found[0]["contents"] == found[1]["contents"]


@pytest.mark.parametrize("form", ["matrix", "columns"])
def test_arrays_hold_several_labels(tmp_path, form):
    has = drawn(12).astype(float)
    has[3, 1] = np.nan
    held = {"y": has} if form == "matrix" else {"a": has[:, 0], "b": has[:, 1]}
    np.savez(tmp_path / "d.npz", X=np.zeros((12, 4)), **held)
    target = {"column": "y", "classes": ["a", "b"]} if form == "matrix" else {"columns": ["a", "b"]}
    entry = {"columns": {}, "targets": {"x": {"kind": "multilabel", **target}}, "table": None, "modality": None}
    frame = arrays.list_samples({**entry, "keep": {}, "subgroups": []}, tmp_path).frame
    columns, _, _ = read_targets(frame, entry["targets"], MISSING)
    np.testing.assert_array_equal(answers(columns["x"], ["a", "b"]), has)
