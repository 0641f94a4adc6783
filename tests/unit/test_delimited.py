"""Text tables as instruments and spreadsheets write them: lines before the header, blank columns, ragged rows."""

import pytest

from graft.common.errors import UserError
from graft.data.tables.delimited import read_delimited
from tiny_data import prepared, write_lines

BODY = [f"{i},{i * 7 % 5},{'qr'[i % 2]}" for i in range(30)]
HEAD = "a1,a2,label"
VECTORS = {"table": "t.csv", "columns": {"features": "a*"}}


def refusal(root, **entry):
    with pytest.raises(UserError) as error:
        prepared(root, **entry)
    return str(error.value)


@pytest.mark.parametrize(
    "before",
    [
        ["# Instrument: Spectro 9", "# Date: 2024-05-01"],
        ["#one, two, three, four", "", "  # indented", '"# quoted, by a spreadsheet"'],
        ["# label: what the sample is, a1: a number"],
    ],
)
@pytest.mark.parametrize("mark", [",", "\t", ";"])
def test_lines_with_a_hash_before_the_header_are_passed_over(tmp_path, before, mark):
    write_lines(tmp_path, *before, *(line.replace(",", mark) for line in (HEAD, *BODY)))
    found = prepared(tmp_path, **VECTORS)
    assert len(found.frame) == 30
    assert found.targets["label"]["classes"] == ["q", "r"]
    (note,) = found.card["notes"]
    assert f"t.csv: {sum(bool(line.strip()) for line in before)} lines that begin with #" in note


@pytest.mark.parametrize("header", ["#a1,a2,label", "# a1,a2,label", '"#a1",a2,label', "##a1,a2,label"])
def test_a_header_that_begins_with_a_hash_is_the_header(tmp_path, header):
    write_lines(tmp_path, "## made by a sequencer", header, *BODY)
    assert len(prepared(tmp_path, **VECTORS).frame) == 30


def test_a_hash_that_is_a_part_of_a_name_stays():
    data = b"#id,label\n1,a\n2,b\n"
    assert read_delimited(data, "t.csv", wanted=("#id", "label"))[0].column_names == ["#id", "label"]
    assert read_delimited(data, "t.csv", wanted=("id", "label"))[0].column_names == ["id", "label"]
    assert read_delimited(data, "t.csv")[0].column_names == ["id", "label"]


def test_rows_may_begin_with_a_hash_where_the_columns_are_named_elsewhere():
    table, facts = read_delimited(b"#tag one,a\n#tag two,b\n", "t.csv", header=["text", "label"])
    assert table["text"].to_pylist() == ["#tag one", "#tag two"] and "notes" not in facts
    table, facts = read_delimited(b"# remark\n#tag one,a\n#tag two,b\n", "t.csv", header=["text", "label"])
    assert table.num_rows == 2 and "notes" in facts


@pytest.mark.parametrize(
    ("before", "line"),
    [
        (["Instrument,Spectro 9", "Operator,none", ""], 4),
        (["Instrument: Spectro 9"], 2),
        (["Title", "", "a,b,c,d,e", ""], 5),
        ([f"key {i},{i}" for i in range(60)], 61),
    ],
)
@pytest.mark.parametrize("separator", ["auto", "comma"])
def test_other_lines_before_the_header_are_named_and_the_hint_works(tmp_path, before, line, separator):
    write_lines(tmp_path, *before, HEAD, *BODY, *BODY, *BODY)
    message = refusal(tmp_path, separator=separator, **VECTORS)
    assert "line 1" in message or "line 2" in message
    assert f"if the table begins at line {line}: skip_lines: {line - 1}" in message
    found = prepared(tmp_path, separator=separator, skip_lines=line - 1, duplicates="allow", **VECTORS)
    assert len(found.frame) == 90


def test_blank_columns_at_the_end_are_left_out(tmp_path):
    for lines in (
        [HEAD + ",,", *(row + ",," for row in BODY)],
        [HEAD, *(row + "," for row in BODY)],
        [HEAD, BODY[0] + ",,", *BODY[1:]],
        [HEAD + ",,", *BODY],
        [HEAD + ", ,", *(row + ",,  " for row in BODY)],
    ):
        write_lines(tmp_path, *lines)
        found = prepared(tmp_path, **VECTORS)
        assert (len(found.frame), found.card["vector"]["width"]) == (30, 2)


def test_columns_without_a_name_that_hold_something_get_their_place_as_name():
    table, _ = read_delimited(b",a,,label,\n0,1,x,p,\n1,2,,q,\n", "t.csv")
    assert table.column_names == ["column 1", "a", "column 3", "label"]
    assert table["column 3"].to_pylist() == ["x", ""]


def test_ragged_rows_are_named_by_the_files_own_lines(tmp_path):
    rows = [*BODY[:3], "", '"3\n3",4,q', *BODY[3:8], "9", *BODY[8:]]
    write_lines(tmp_path, "# remark", "", HEAD, *rows)
    for separator in ("comma", "auto"):
        message = refusal(tmp_path, separator=separator, **VECTORS)
        assert "line 15" in message, message
    assert "line 15: 1 fields" in refusal(tmp_path, separator="comma", **VECTORS)


def test_a_ragged_row_far_below_is_named(tmp_path):
    write_lines(tmp_path, HEAD, *BODY * 4, "1,2", "1,2,q,4")
    message = refusal(tmp_path, **VECTORS)
    assert (
        "2 rows do not have the 3 fields that the header (line 1) has: line 122: 2 fields; line 123: 4 fields"
        in message
    )


def test_rows_with_one_field_more_than_the_header_are_not_shifted(tmp_path):
    write_lines(tmp_path, HEAD, *(f"row{i},{line}" for i, line in enumerate(BODY)))
    message = refusal(tmp_path, separator="comma", **VECTORS)
    assert "if the first column holds names of rows, give it a name in the header row" in message
    write_lines(tmp_path, "name," + HEAD, *(f"row{i},{line}" for i, line in enumerate(BODY)))
    assert len(prepared(tmp_path, **VECTORS).frame) == 30


def test_columns_between_blanks_keep_their_line_numbers():
    with pytest.raises(UserError, match="line 6: 2 fields"):
        read_delimited(b"# x\n\na b  c\n1 2 3\n\n1 2\n1 2 3\n", "t.csv", separator="whitespace")


def texts(count, opened, mark, ends=""):
    """Rows of id, text and label, in which every row of `opened` has a text that begins with a quote mark."""
    words = [f"{chr(34) if i in opened else ''}Well{ends if i in opened else ''} he said {i}" for i in range(count)]
    return [mark.join([f"s{i}", word, "qr"[i % 2]]) for i, word in enumerate(words)], words


@pytest.mark.parametrize("mark", ["\t", ",", ";"])
@pytest.mark.parametrize("opened", [(5, 11, 17, 24), (5, 11, 17), (0, 1, 2, 3), (3, 29)])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_texts_that_begin_with_a_quote_mark_swallow_no_rows(mark, opened, end):
    rows, words = texts(30, opened, mark)
    table, facts = read_delimited(end.join([mark.join(["id", "text", "label"]), *rows, ""]).encode(), "t.csv")
    assert table["text"].to_pylist() == words
    assert table["label"].to_pylist() == ["q", "r"] * 15
    assert f"quote marks are taken as they are, as that of line {opened[0] + 2} ends no field" in facts["notes"][0]


@pytest.mark.parametrize("row", [5, 29])
def test_a_single_quote_mark_that_nothing_ends_is_named(row):
    rows, _ = texts(30, (row,), ",")
    with pytest.raises(UserError, match=rf"1 quote marks .*\n.*line {row + 2} \(the row would continue to line 31\)"):
        read_delimited("\n".join(["id,text,label", *rows, ""]).encode(), "t.csv")


def test_many_rows_that_do_not_fit_are_named_rather_than_the_last_quote_mark():
    rows = [f's{i},"he \\"said\\", {i}",q' for i in range(30)]
    with pytest.raises(UserError, match=r"\d+ rows do not have the 3 fields .* line 2: 4 fields"):
        read_delimited("\n".join(["id,text,label", *rows, ""]).encode(), "t.csv", separator="comma")


def test_a_quote_mark_that_nothing_ends_is_refused_where_others_are_needed_and_the_hint_works():
    rows, _ = texts(30, (5, 11), ",")
    rows[20] = 's20,"Well, he said 20",q'
    data = "\n".join(["id,text,label", *rows, ""])
    with pytest.raises(UserError, match=r"line 7 \(the row would continue to line 13\)"):
        read_delimited(data.encode(), "t.csv")
    for row in (rows[5], rows[11]):
        name, text, label = row.split(",")
        data = data.replace(row, f'{name},""{text}",{label}')
    table, facts = read_delimited(data.encode(), "t.csv")
    assert table.num_rows == 30 and "notes" not in facts
    assert table["text"][5].as_py() == '"Well he said 5' and table["text"][20].as_py() == "Well, he said 20"


@pytest.mark.parametrize("mark", ["\t", ","])
def test_quoted_fields_of_several_lines_stay_one(mark):
    rows = [f's{i}{mark}"one, ""two""{mark}\nthree, four {i}"{mark}{"qr"[i % 2]}' for i in range(20)]
    table, facts = read_delimited("\n".join([mark.join(["id", "text", "label"]), *rows, ""]).encode(), "t.csv")
    assert table["text"].to_pylist() == [f'one, "two"{mark}\nthree, four {i}' for i in range(20)]
    assert "notes" not in facts


def test_blank_fields_at_the_ends_of_some_rows_do_not_make_another_separator_the_better_one():
    text = "id;text, whole;label\n1;one, two;a;\n2;three, four;b\n"  # every line has one comma, too
    table, _ = read_delimited(text.encode(), "t.csv")
    assert table.column_names[:3] == ["id", "text, whole", "label"]
    assert table["label"].to_pylist() == ["a", "b"]
