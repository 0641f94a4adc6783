"""The page on which rows are labelled, in a real browser: keys, buttons, undo, what it keeps, what it saves; and the data set takes
that file."""

import io
import json

import pandas as pd
import pytest

from browser import opened
from graft.report import label_page
from tiny_data import prepared, text_table

CLASSES = ["b", 'a, "quoted"', "</script><b>c"]
EVIL = '</script><script>document.title = "broken"</script><img src=x onerror=alert(1)> & "quoted" =1+1'


def write(folder, kind="classification", classes=CLASSES, ids=("s0", "s1", 's2, "2"', "s3"), texts=None):
    samples = [{"id": one, "key": f"k{i}", "text": (texts or [f"text {i}", EVIL])[i % 2]} for i, one in enumerate(ids)]
    facts = {"kind": kind, "classes": classes} if classes else {"kind": kind}
    (folder / "page.html").write_text(label_page.render("cells", "label", facts, samples), encoding="utf-8")
    return folder / "page.html"


def saved(browser):
    """What the page saves under the name that it shows."""
    return browser.saved(browser.ask("data.file"))


def test_keys_label_undo_and_skip_and_the_saved_file_has_the_answers(tmp_path):
    page = write(tmp_path)
    with opened(page, tmp_path) as browser:
        assert browser.text("#sample") == "text 0" and browser.text("#said") == "0 of 4 labelled"
        browser.press("1")  # s0: b
        assert browser.text("#sample") == EVIL and not browser.text("#trouble")
        assert browser.ask("document.title") == "label of cells: what is this?"
        browser.press("3")  # s1
        browser.press("u")
        assert browser.text("#name") == "s1" and browser.text("#said") == "1 of 4 labelled"
        browser.press("s")  # s1 comes last
        browser.press("2")  # s2
        browser.press("1")  # s3
        assert browser.text("#name") == "s1 (skipped before)"
        browser.press("d")
        table = pd.read_csv(io.BytesIO(saved(browser)), dtype=str)
    assert table.to_numpy().tolist() == [["s0", "b"], ['s2, "2"', 'a, "quoted"'], ["s3", "b"]]
    assert list(table.columns) == ["sample_id", "label"]


def test_the_browser_keeps_the_answers_for_a_page_that_is_made_again_in_another_order(tmp_path):
    page = write(tmp_path)
    with opened(page, tmp_path) as browser:
        browser.press("12")
    samples = [{"id": f"n{i}", "key": f"k{i}", "text": "x"} for i in (7, 3, 1)]
    facts = {"kind": "classification", "classes": CLASSES}
    page.write_text(label_page.render("cells", "label", facts, samples), encoding="utf-8")
    with opened(page, tmp_path) as browser:
        assert browser.text("#said") == "1 of 3 labelled" and browser.text("#name") == "n7"
        browser.press("d")
        assert saved(browser).decode() == 'sample_id,label\nn1,"a, ""quoted"""\n'
    page.write_text(label_page.render("cells", "label", {"kind": "classification", "classes": ["b"]}, samples))
    with opened(page, tmp_path) as browser:  # a class that there is no more is no answer
        assert browser.text("#said") == "0 of 3 labelled"


def test_samples_that_are_skipped_again_come_in_turn(tmp_path):
    with opened(write(tmp_path), tmp_path) as browser:
        seen = []
        for _ in range(6):
            seen.append(browser.text("#name")[:2])
            browser.press("s")
        assert seen == ["s0", "s1", "s2", "s3", "s0", "s1"]


def test_buttons_do_what_keys_do_and_everything_can_be_reached_by_the_keyboard(tmp_path):
    with opened(write(tmp_path), tmp_path, width=400, height=800) as browser:
        browser.click("#answers button:nth-of-type(2)")
        assert browser.text("#news") == 's0: a, "quoted"'
        browser.click("#undo")
        assert browser.text("#said") == "0 of 4 labelled" and browser.ask("document.querySelector('#undo').disabled")
        assert browser.ask("document.documentElement.scrollWidth <= innerWidth")  # at the width of a phone
        reached = set()
        for _ in range(8):
            browser.press(["Tab"])
            reached.add(browser.ask("document.activeElement.innerText.slice(0, 1)"))
            outline = "getComputedStyle(document.activeElement).outlineStyle"
            assert browser.ask(f"document.activeElement === document.body || {outline} === 'solid'")
        assert {"1", "2", "3", "s", "d"} <= reached
        unnamed = "[...document.querySelectorAll('button, input')].filter(one => !one.innerText && !one.labels?.length)"
        assert browser.ask(f"{unnamed}.length") == 0


def test_several_labels_are_chosen_and_confirmed(tmp_path):
    with opened(write(tmp_path, "multilabel", ["x", "y", "z"]), tmp_path) as browser:
        browser.press("31n")
        browser.press("n")
        browser.press("d")
        found = pd.read_csv(io.BytesIO(saved(browser)))
    assert [json.loads(text) for text in found["label"]] == [["x", "z"], []]


def test_a_number_is_typed(tmp_path):
    with opened(write(tmp_path, "regression", None), tmp_path) as browser:
        browser.press([*"-1.5", "Enter"])
        browser.press([*"2,25", "Enter"])
        browser.press(["Enter"])
        assert browser.text("#news") == "that is no number" and browser.text("#said") == "2 of 4 labelled"
        browser.press("s")
        browser.press([*"1e3", "Enter"])
        browser.press("d")
        assert saved(browser).decode() == "sample_id,label\ns0,-1.5\ns1,2.25\ns3,1000\n"


def test_the_data_set_takes_the_saved_file_as_it_is(tmp_path):
    (tmp_path / "data").mkdir()
    entry = text_table(tmp_path / "data", rows=30)
    lines = (tmp_path / "data/t.csv").read_text().splitlines()
    blank = {3, 8, 9}
    (tmp_path / "data/t.csv").write_text(
        "\n".join(line.rsplit(",", 1)[0] + "," if i - 1 in blank else line for i, line in enumerate(lines)) + "\n"
    )
    before = prepared(tmp_path / "data", **entry)
    pool = before.frame[before.frame["split"] == "pool"]
    assert set(pool["sample_id"]) == {"s3", "s8", "s9"}
    samples = [{"id": one, "key": one, "text": "x"} for one in pool["sample_id"]]
    page = tmp_path / "page.html"
    page.write_text(label_page.render("tiny", "label", before.targets["label"], samples))
    with opened(page, tmp_path) as browser:
        browser.press("21d")
        saved(browser)
    (file,) = tmp_path.glob("*.csv")
    after = prepared(tmp_path / "data", **entry, labels=[str(file)]).frame
    found = after.set_index("sample_id").loc[["s3", "s8", "s9"]]
    assert found["split"].tolist() == ["train", "train", "pool"] and found["label"].tolist()[:2] == ["b", "a"]
    same = after["split"] == before.frame["split"]
    assert set(after.loc[~same, "sample_id"]) == {"s3", "s8"}


def test_a_page_is_one_file_without_a_network_and_the_same_again(tmp_path):
    text = write(tmp_path).read_text()
    assert text == write(tmp_path).read_text()
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert text.count("<script") == 2 and "script-src &#39;" not in text and "script-src 'sha256-" in text
    assert "onerror" in text and "<img src=x" not in text


def test_a_page_with_other_samples_saves_under_another_name():
    def name(*ids):
        return label_page.file_of("cells", "label", [{"id": one} for one in ids])

    assert name("a", "b") == name("b", "a") != name("a") and name("a").startswith("cells-label-labels-")


@pytest.mark.parametrize(("side", "kind"), [(40, "png"), (300, "jpeg"), (900, "jpeg")])
def test_an_image_is_not_larger_than_it_is_shown(tmp_path, side, kind):
    import numpy as np

    value = np.random.default_rng(0).integers(0, 255, (side, side // 2, 1)).astype(np.uint8)
    found = label_page.content(value, {"modality": "image", "image": {"range": [0, 255]}})["image"]
    assert found.startswith(f"data:image/{kind};base64,") and len(found) < 100_000


def test_there_is_a_key_for_as_many_classes_as_there_are_keys():
    assert len(set(label_page.KEYS)) == len(label_page.KEYS) == 31 and not set(label_page.KEYS) & set("usdn")
