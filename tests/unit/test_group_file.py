"""Groups from a file: which rows get them, and what is said of a file that does not fit."""

import pandas as pd
import pytest

from graft.common.errors import UserError
from graft.common.fingerprint import fingerprint
from graft.data.group_file import with_groups


def frame():
    return pd.DataFrame({"sample_id": ["a", "b", "c", "1"], "group": ["x", None, "y", None]})


def test_named_rows_get_the_files_group_and_others_keep_theirs(tmp_path):
    (tmp_path / "g.csv").write_text("sample_id,group\na,p\nb,p\n1,007\nz,p\nc,\n")
    notes = []
    found = with_groups(frame(), str(tmp_path / "g.csv"), notes)["group"].tolist()
    assert found == ["p", "p", "y", "007"] and notes == ["groups: 1 of 5 samples of g.csv are not in the data"]
    assert with_groups(frame(), None, notes)["group"].tolist()[0] == "x"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "there is no such file"),
        ("id,group\na,p\n", "has the columns id, group"),
        ("sample_id,group\na,p\na,q\n", "names sample 'a' twice"),
        ("", "is not a CSV file"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(tmp_path, text, said):
    if text is not None:
        (tmp_path / "g.csv").write_text(text)
    with pytest.raises(UserError, match=said):
        with_groups(frame(), str(tmp_path / "g.csv"), [])


def test_another_content_of_the_file_is_other_data_and_a_touch_is_not(tmp_path):
    (tmp_path / "data").mkdir()
    entry = {"source": {"path": str(tmp_path / "data")}, "groups": str(tmp_path / "g.csv")}
    missing = fingerprint(entry)
    (tmp_path / "g.csv").write_text("sample_id,group\n")
    one = fingerprint(entry)
    (tmp_path / "g.csv").touch()
    assert fingerprint(entry) == one != missing
    (tmp_path / "g.csv").write_text("sample_id,group\na,b\n")
    assert fingerprint(entry) != one and fingerprint({**entry, "groups": None}) not in (one, missing)
    assert fingerprint({"source": {"url": "x"}}) == "fetched"
