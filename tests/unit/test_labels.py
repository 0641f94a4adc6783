"""Labels and values: decimal commas, values far from the others, classes with too few rows."""

import numpy as np
import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.data.readers import complete, list_samples, opener
from graft.data.tables.numbers import stands_apart
from tiny_data import image_folder, prepared, write_lines

VECTORS = {"table": "t.csv", "columns": {"features": "f*"}}
VALUE = {"targets": {"y": {"kind": "regression"}}, "columns": {"features": "f*"}, "table": "t.csv"}


def refusal(root, **entry):
    with pytest.raises(UserError) as error:
        prepared(root, **entry)
    return str(error.value)


def european(root, rows, head="f0;f1;y"):
    write_lines(root, head, *(";".join(row) for row in rows))


def comma(number, digits=2):
    return f"{number:.{digits}f}".replace(".", ",")


VALUES = np.random.default_rng(0).normal(size=(30, 3)).round(2) * 10 + 50


@pytest.mark.parametrize("digits", [1, 2, 4])
def test_decimal_commas_are_read_in_features_and_values(tmp_path, digits):
    european(tmp_path, [[comma(v, digits) for v in row] for row in VALUES])
    found = prepared(tmp_path, **VALUE)
    rows = found.frame.sort_values("row")
    assert np.allclose(rows["y"], VALUES[:, 2].round(digits))
    load = opener(complete(VALUE), tmp_path)
    assert np.allclose([load(r.path, r.row, r.content_sha256) for r in rows.itertuples()], VALUES[:, :2].round(digits))
    assert any("commas" in note for note in found.card["notes"])


def test_whole_numbers_exponents_and_points_stand_beside_decimal_commas(tmp_path):
    rows = [["-1,5e-3", "7", f"{i}"] for i in range(28)] + [[",5", "2.25", "3"], ["+3,", "8.5", "4"]]
    european(tmp_path, rows)
    frame = list_samples(VALUE, tmp_path).frame
    load = opener(complete(VALUE), tmp_path)
    found = np.array([load(row.path, row.row) for row in frame.itertuples()])
    assert np.allclose(found[[0, 28, 29]], [[-0.0015, 7], [0.5, 2.25], [3, 8.5]])


def test_commas_that_may_divide_thousands_are_asked_about_and_the_hint_works(tmp_path):
    european(tmp_path, [[f"{i},234", "12,345", f"{i}"] for i in range(1, 31)])
    message = refusal(tmp_path, duplicates="allow", **VALUE)
    assert "'1,234' in column 'f0' may mean a fraction or thousands" in message and "decimal: comma" in message
    entry = {**VALUE, "decimal": "comma"}
    frame = prepared(tmp_path, **entry).frame
    assert np.allclose(opener(complete(entry), tmp_path)("t.csv", 0), [1.234, 12.345]) and len(frame) == 30
    assert "is missing, NaN" in refusal(tmp_path, **{**VALUE, "decimal": "point"})
    european(tmp_path, [[f"{i},234", "0,345", f"{i}"] for i in range(1, 31)])  # no thousand begins with 0
    assert np.allclose(opener(complete(VALUE), tmp_path)("t.csv", 0), [1.234, 0.345])


def german(number, digits=0):
    return f"{number:,.{digits}f}".translate(str.maketrans(",.", ".,"))


LARGE = [1400, 950, 23, 12500, 1250, 2000000, *range(800, 3200, 100)]  # 30 values


@pytest.mark.parametrize(
    ("digits", "decimal"), [(0, "comma"), (1, "comma"), (1, "auto")], ids=["told", "told, with fractions", "seen"]
)
def test_points_divide_thousands_where_the_comma_is_the_decimal_mark(tmp_path, digits, decimal):
    european(tmp_path, [[german(n, digits), comma(i / 7), german(-n, digits)] for i, n in enumerate(LARGE)])
    entry = {**VALUE, "decimal": decimal}
    found = prepared(tmp_path, **entry)
    assert sorted(found.frame["y"]) == sorted(-n for n in LARGE)
    assert any("points in its numbers divide thousands: '-1.400" in note for note in found.card["notes"])
    load = opener(complete(entry), tmp_path)
    assert [load("t.csv", row)[0] for row in range(30)] == LARGE


def test_points_that_may_divide_thousands_are_asked_about_and_both_answers_work(tmp_path):
    european(tmp_path, [[str(i), str(i / 8), f"{n:,}".replace(",", ".")] for i, n in enumerate([950, 1400, 2350] * 10)])
    message = refusal(tmp_path, **VALUE)
    assert "'1.400' in column 'y' may mean a fraction or thousands" in message and "decimal: point" in message
    for decimal, values in (("comma", {950, 1400, 2350}), ("point", {950, 1.4, 2.35})):
        assert set(prepared(tmp_path, decimal=decimal, **VALUE).frame["y"]) == values


@pytest.mark.parametrize("decimal", ["auto", "comma"])
@pytest.mark.parametrize(
    "values",
    [
        ["0.125", "1.250", "12.500"],
        ["1.250", "12.5", "3"],
        ["12.345", "1.25", "1234.567"],
    ],
)
def test_three_decimals_beside_other_numbers_of_them_are_decimals(tmp_path, values, decimal):
    european(tmp_path, [[value, str(i), value] for i, value in enumerate(values * 10)])
    entry = {**VALUE, "decimal": decimal}
    assert set(prepared(tmp_path, **entry).frame["y"]) == {float(value) for value in values}
    load = opener(complete(entry), tmp_path)
    assert [load("t.csv", row)[0] for row in range(3)] == [np.float32(value) for value in values]


def test_three_decimals_in_every_row_are_not_asked_about_though_zero_or_a_filler_stands_among_them(tmp_path):
    european(tmp_path, [[f"{i}.250", str(i), f"{i}.125"] for i in range(1, 30)] + [["-999", "3", "0"]])
    assert prepared(tmp_path, **VALUE).frame["y"].max() == 29.125


def test_numbers_that_are_no_text_have_no_points_between_thousands(tmp_path):
    values = np.array([950, 1.125, 12.375] * 10)
    table = pd.DataFrame({"f0": np.arange(30.0), "f1": values, "y": values})
    table.to_parquet(tmp_path / "t.parquet")
    np.savez(tmp_path / "t.npz", X=table[["f0", "f1"]], y=values)
    for decimal in ("auto", "comma"):
        made = prepared(tmp_path, **{**VALUE, "table": "t.parquet", "decimal": decimal})
        assert set(made.frame["y"]) == {950, 1.125, 12.375}
        made = prepared(tmp_path, targets=VALUE["targets"], table="t.npz", decimal=decimal)
        assert set(made.frame["y"]) == {950, 1.125, 12.375}


def test_a_comma_among_points_is_named_and_a_point_among_commas_too(tmp_path):
    european(tmp_path, [[f"{a:.2f}", f"{b:.2f}", f"{c:.1f}"] for a, b, c in VALUES[:-1]] + [["1.0", "2.0", "3,5"]])
    assert "1 values are no number:\n      t.csv, row 30: '3,5'" in refusal(tmp_path, **VALUE)
    european(tmp_path, [[comma(v) for v in row] for row in VALUES[:-1]] + [["1", "2", "1.23,5"]])
    assert "1 values are no number:\n      t.csv, row 30: '1.23,5'" in refusal(tmp_path, **VALUE)


@pytest.mark.parametrize(("value", "word"), [(-999, "-999"), (9999, "9999.0"), (-1e30, "-1e+30"), (0, "0")])
def test_a_value_that_stands_apart_in_many_rows_is_noted_and_the_hint_works(tmp_path, value, word):
    rows = [f"{i},{i * 7 % 11},{word if i % 10 == 0 else 10 + i * 37 % 50 / 10}" for i in range(100)]
    write_lines(tmp_path, "f0,f1,y", *rows)
    found = prepared(tmp_path, **VALUE)
    (note,) = [note for note in found.card["notes"] if "far from all others" in note]
    assert f"10 of 100 values are {value:g}, far from all others (10." in note
    assert f"missing: ['{word}']" in note
    found = prepared(tmp_path, missing=[word], **VALUE)
    assert found.card["counts"]["pool"] == 10 and found.frame["y"].min() >= 10


@pytest.mark.parametrize(("word", "end"), [("-999", "lowest"), ("9999.0", "highest"), ("-1e30", "lowest")])
def test_a_number_that_stands_apart_in_many_vectors_is_noted_and_the_hint_works(tmp_path, word, end):
    measured = [[f"{10 + i * 37 % 50 / 10}", f"{i * 7 % 11}"] for i in range(100)]
    entry = {"table": "t.csv", "columns": {"features": "f*"}, "targets": {"y": {"kind": "regression"}}}
    for missing, at in ((word, 0), (word, 1), ("12.5", 0)):  # 12.5: the column's median, as the note says
        rows = [
            [missing if (k == at and i % 10 == 0) else one for k, one in enumerate(row)]
            for i, row in enumerate(measured)
        ]
        write_lines(tmp_path, "f0,f1,y", *(f"{a},{b},{i % 17}" for i, (a, b) in enumerate(rows)))
        notes = [note for note in prepared(tmp_path, **entry).card["notes"] if "vectors hold" in note]
        if missing == "12.5":
            assert not notes
        else:
            assert len(notes) == 1 and f"10 of 100 vectors hold {float(word):g}, such as " in notes[0]
            assert f"the {end} number of the others is " in notes[0]


@pytest.mark.parametrize(
    ("values", "apart"),
    [
        (np.r_[np.linspace(4, 16, 90), [-999] * 10], [-999]),
        (np.r_[np.linspace(4, 16, 90), [-999] * 5, [9999] * 5], [-999, 9999]),
        (np.r_[np.linspace(-6, 6, 90), [-999] * 5, [999] * 5], [-999, 999]),
        (np.r_[np.linspace(4, 16, 90), [-9999] * 5, [-999] * 5], [-9999, -999]),
        (np.r_[np.linspace(4, 16, 30), [-999] * 70], [-999]),
        (np.r_[np.linspace(4, 16, 98), [-999] * 2], []),  # two rows may be measured
        (np.r_[np.linspace(0, 1, 90), [0] * 10], []),
        (np.repeat([0.0, 1.0], 50), []),
        (np.full(100, 3.0), []),
        (np.random.default_rng(0).normal(size=500), []),
        (np.random.default_rng(0).lognormal(0, 3, 500), []),
        (np.random.default_rng(0).poisson(3, 500), []),
        (np.r_[np.zeros(300), np.random.default_rng(0).lognormal(0, 1, 300)], []),
        (np.full(5, np.nan), []),
    ],
)
def test_what_stands_apart(values, apart):
    assert stands_apart(np.random.default_rng(1).permutation(values))[0] == apart


def test_classes_with_few_rows_can_be_left_out(tmp_path):
    write_lines(
        tmp_path, "f0,f1,label", *(f"{i},{i * 7 % 11},{'ab'[i % 2] if i < 36 else f'rare{i % 3}'}" for i in range(40))
    )
    found = prepared(tmp_path, targets={"label": {"min_per_class": 2}}, **VECTORS)
    assert found.targets["label"]["classes"] == ["a", "b", "rare0"]
    (note,) = [note for note in found.card["notes"] if "left out" in note]
    assert note.endswith("2 classes with fewer than 2 rows to train on are left out (2 rows): 'rare1' (1), 'rare2' (1)")
    assert found.card["counts"]["pool"] == 2
    classes = ["b", "rare1", "a", "none"]
    with pytest.raises(UserError, match="not among the classes"):
        prepared(tmp_path, targets={"label": {"min_per_class": 3, "classes": classes}}, **VECTORS)
    found = prepared(
        tmp_path, targets={"label": {"min_per_class": 3, "classes": [*classes, "rare0", "rare2"]}}, **VECTORS
    )
    assert found.targets["label"]["classes"] == ["b", "a"]


def follow(message):
    """The setting that a message's hint proposes."""
    return {"label": {"min_per_class": int(message.split("min_per_class: ")[1].split("}")[0].split(" ")[0])}}


def test_the_hint_leaves_a_class_out_that_the_train_split_lacks(tmp_path):
    part = ["train", "validation", "test"]
    rows = [f"{i},{i * 7 % 11},{'ab'[i % 2]},{part[i // 2 % 3]}" for i in range(36)]
    rows += ["100,3,odd,test", "101,3,odd,test", "102,5,once,train", "103,4,late,validation"]
    write_lines(tmp_path, "f0,f1,label,part", *rows)
    entry = {"table": "t.csv", "columns": {"features": "f*", "split": "part"}}
    message = refusal(tmp_path, **entry)
    assert "'late' (1 rows in all), 'odd' (2 rows in all)" in message
    found = prepared(tmp_path, targets=follow(message), **entry)
    assert found.targets["label"]["classes"] == ["a", "b", "once"]


@pytest.mark.parametrize("seed", range(4))
def test_the_hint_leaves_a_class_out_that_a_growth_stable_split_lacks(tmp_path, seed):
    write_lines(
        tmp_path, "f0,f1,label", *(f"{i},{i * 7 % 11},{'ab'[i % 2] if i < 200 else 'rare'}" for i in range(202))
    )
    entry = {**VECTORS, "split": {"growth_stable": True, "validation": 0.2, "test": 0.2}, "split_seed": seed}
    message = refusal(tmp_path, **entry)
    assert prepared(tmp_path, targets=follow(message), **entry).targets["label"]["classes"] == ["a", "b"]


def test_a_folders_class_of_one_image_can_be_left_out(tmp_path):
    image_folder(tmp_path)
    image_folder(tmp_path, per_class=1, classes=("once",), height=13)
    found = prepared(tmp_path, targets={"label": {"min_per_class": 2}})
    assert found.targets["label"]["classes"] == ["cat", "dog"] and found.card["counts"]["pool"] == 1


GIVEN = {"table": "t.csv", "columns": {"features": "f*", "split": "part"}}


def given(folder, rows):
    """A table of vectors with the classes and splits that are named: [(class, split, how many), ..]."""
    rows = [(word, split) for word, split, count in rows for _ in range(count)]
    lines = (f"{i},{i * 7 % 11},{word},{split}" for i, (word, split) in enumerate(rows))
    write_lines(folder, "f0,f1,label,part", *lines)


def test_the_hint_counts_train_rows_alone_where_only_validation_is_drawn(tmp_path):
    small = [("rare", "train", 10), ("rare", "test", 5), ("new", "test", 25)]
    given(tmp_path, [(word, split, n) for split, n in (("train", 45), ("test", 15)) for word in "ab"] + small)
    message = refusal(tmp_path, **GIVEN)
    assert "class 'new' (25 rows in all)" in message and follow(message) == {"label": {"min_per_class": 1}}
    found = prepared(tmp_path, targets=follow(message), **GIVEN)
    assert found.targets["label"]["classes"] == ["a", "b", "rare"] and found.card["counts"]["test"] == 35


def test_rows_that_cannot_be_used_do_not_count_for_the_least_class_size_and_the_hint_works(tmp_path):
    rows = [f"{i},{i * 7 % 11},{'ab'[i % 2]},{['train', 'test'][i // 40]}" for i in range(60)]
    write_lines(tmp_path, "f0,f1,label,part", *rows, *(f",{i},rare,train" for i in range(3)), "1,5,rare,test")
    message = refusal(tmp_path, on_bad="skip", **GIVEN)
    assert follow(message) == {"label": {"min_per_class": 1}}
    found = prepared(tmp_path, on_bad="skip", targets=follow(message), **GIVEN)
    assert found.targets["label"]["classes"] == ["a", "b"]
    assert any("1 rows): 'rare' (0)" in note for note in found.card["notes"])


def test_a_limit_does_not_count_for_the_least_class_size(tmp_path):
    labels = ["ab"[i % 2] for i in range(90)] + ["rare"] * 10
    write_lines(tmp_path, "f0,f1,label", *(f"{i},{i * 7 % 11},{word}" for i, word in enumerate(labels)))
    found = prepared(tmp_path, limit=20, targets={"label": {"min_per_class": 10}}, **VECTORS)
    assert found.targets["label"]["classes"] == ["a", "b", "rare"]


def test_no_class_size_is_proposed_that_leaves_a_split_without_a_row(tmp_path):
    given(tmp_path, [("a", "train", 30), ("b", "train", 30), ("A", "test", 10), ("B", "test", 10)])
    message = refusal(tmp_path, **GIVEN)
    assert "min_per_class" not in message and "use the same class names in all splits" in message
    given(tmp_path, [("a", "train", 30), ("b", "train", 30), ("a", "test", 10), ("b", "test", 10)])
    assert prepared(tmp_path, **GIVEN).card["counts"]["test"] == 20


def test_a_class_size_that_no_class_has_is_refused_by_name(tmp_path):
    write_lines(tmp_path, "f0,f1,label", *(f"{i},{i * 7 % 11},{'ab'[i % 2]}" for i in range(40)))
    message = refusal(tmp_path, targets={"label": {"min_per_class": 21}}, **VECTORS)
    assert "no class has 21 rows to train on: 'a' (20), 'b' (20)" in message
    assert prepared(tmp_path, targets={"label": {"min_per_class": 20}}, **VECTORS)


STABLE = {"growth_stable": True, "validation": 0.25, "test": 0.25}


@pytest.mark.parametrize("settings", [{}, {"validation": 0.3, "test": 0.3}, STABLE])
def test_classes_of_one_group_each_are_named_with_it_and_both_hints_work(tmp_path, settings):
    lines = [f"{i},{i * 7 % 11},{'abcd'[i // 30]},plate{i // 30},{i // 2}" for i in range(120)]
    write_lines(tmp_path, "f0,f1,label,plate,well", *lines)
    entry = {"table": "t.csv", "split": settings, "split_seed": 1}
    message = refusal(tmp_path, columns={"features": "f*", "group": "plate"}, **entry)
    assert "all rows of class 'b' are in one group: 'plate1'" in message and "columns.group: " in message
    assert "name a finer column; or leave `columns.group` out" in message and "min_per_class" not in message
    for columns in ({"features": "f*", "group": "well"}, VECTORS["columns"]):
        found = prepared(tmp_path, columns=columns, **entry)
        assert found.targets["label"]["classes"] == list("abcd") and min(found.card["counts"].values()) > 5


@pytest.mark.parametrize("blank", [" ", "\N{NO-BREAK SPACE}", "\N{NARROW NO-BREAK SPACE}", "\N{THIN SPACE}"])
@pytest.mark.parametrize("mark", [".", ","])
def test_typeset_minus_signs_and_blanks_between_thousands_are_read(tmp_path, blank, mark):
    values = [(-1) ** i * (i * 997 + i / 8) for i in range(40)]
    typeset = [f"{v:,.3f}".replace(",", blank).replace(".", mark).replace("-", "\N{MINUS SIGN}") for v in values]
    write_lines(tmp_path, "f0;f1;y", *(f"{text};{i};{text}" for i, text in enumerate(typeset)))
    found = prepared(tmp_path, **VALUE)
    assert sorted(found.frame["y"]) == sorted(values) and not found.card["skipped"]
    load = opener(complete({"reader": "table", **VALUE}), tmp_path)
    assert [load("t.csv", i)[0] for i in range(40)] == [np.float32(value) for value in values]


@pytest.mark.parametrize("text", ["1 2", "12 3456", "1 234 56", "0 123", "1  234"])
def test_other_numbers_with_blanks_in_them_are_none(tmp_path, text):
    write_lines(tmp_path, "f0,f1,y", *(f"{i},{i},{text if i == 3 else i}" for i in range(30)))
    assert f"1 values are no number:\n      t.csv, row 4: '{text}'" in refusal(tmp_path, **VALUE)


def graded(folder, grades):
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(60)], "grade": np.resize(grades, 60)})
    folder.mkdir()
    frame.to_csv(folder / "t.csv", index=False)
    return prepared(folder, columns={"text": "text"}, targets={"grade": {"kind": "ordinal"}})


def test_the_order_of_words_must_be_named_and_that_of_numbers_is_their_own(tmp_path):
    with pytest.raises(UserError, match="order of the classes is not known") as error:
        graded(tmp_path / "words", ["low", "mid", "high"])
    assert "classes: ['high', 'low', 'mid']" in str(error.value)
    found = graded(tmp_path / "numbers", ["2", "10", "0.5"])
    assert found.targets["grade"] == {"kind": "ordinal", "classes": ["0.5", "2", "10"]}
    assert found.card["classes"]["grade"]["train"].keys() == {"0.5", "2", "10"}
