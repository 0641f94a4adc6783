"""The page of the worst mistakes, and the pages of graft as a whole: complete, escaped, and in need of nothing else."""

import base64
import hashlib
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import report_tables
from graft.common.outputs import write_parquet
from graft.data import readers
from graft.data.samples import read_manifest
from graft.report.figures import mistakes
from graft.report.pages import environment, page, thumbnail
from graft.report.sources import read_judged
from tiny_data import encoded, pixels

TWO = ["intact", "defective"]
EVIL = '<script>alert("1")</script> & <img src=x onerror=alert(2)> \x00\u202e'


class Page(HTMLParser):
    """The tags of a page with their attributes, and the text of every card."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.cards = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag == "li":
            self.cards.append("")

    def handle_data(self, data):
        if self.cards:
            self.cards[-1] += data


def write_page(folder, frame, load, modality="text", **manifest):
    """The page of the table in `folder`; gives its text back."""
    report_tables.manifest(folder, frame, modality, **manifest)
    mistakes.write(
        read_judged(folder / "p.parquet"), read_manifest(folder / "samples.parquet"), load, folder / "mistakes.html"
    )
    return (folder / "mistakes.html").read_text(encoding="utf-8")


def text_page(folder, text="a text", classes=TWO, **settings):
    frame = report_tables.predictions(folder / "p.parquet", classes, **settings)
    return frame, write_page(folder, frame, lambda path, row, content: text)


def wrong_of(frame):
    """The wrong test rows, the most confident first."""
    rows = frame[(frame["split"] == "test") & (frame["label"] != frame["predicted"])]
    return rows.sort_values("confidence", ascending=False)


def test_the_most_confident_mistake_stands_first_and_what_is_right_or_unlabelled_nowhere(tmp_path):
    frame, text = text_page(tmp_path, rows=400, temperature=1.3)
    wrong, cards = wrong_of(frame), Page(text).cards
    assert len(wrong) > 5 and len(cards) == min(mistakes.MOST, len(wrong))
    for card, (_, row) in zip(cards, wrong.iterrows(), strict=False):
        assert row["sample_id"] in card
        assert row["predicted"] in card and row["label"] in card
        assert mistakes.percent(row["confidence"]) in card


def test_no_more_than_a_page_is_shown(tmp_path):
    frame, text = text_page(tmp_path, classes=report_tables.classes_of(40), rows=1600)
    assert len(wrong_of(frame)) > mistakes.MOST
    assert len(Page(text).cards) == mistakes.MOST
    assert f"{len(wrong_of(frame))} of " in text


def test_equal_mistakes_stand_in_the_order_of_their_names(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO)
    judged = read_judged(tmp_path / "p.parquet")
    judged = replace(judged, rows=judged.rows.assign(confidence=0.9).sample(frac=1, random_state=0))
    found = mistakes.mistakes(judged)["sample_id"]
    assert len(found) > 1 and list(found) == sorted(found) and set(found) <= set(frame["sample_id"])


def test_what_users_wrote_is_text_and_never_markup(tmp_path):
    classes = [EVIL, "b"]
    frame = report_tables.predictions(tmp_path / "p.parquet", classes, target="<b>kind</b>", model="<i>m</i>")
    frame["sample_id"] = [f"{EVIL}{i}" for i in range(len(frame))]
    facts = {"target": "<b>kind</b>", "classes": '["' + EVIL.replace('"', '\\"').replace("\x00", "\\u0000") + '", "b"]'}
    write_parquet(tmp_path / "p.parquet", frame, facts)
    text = write_page(
        tmp_path, frame, lambda path, row, content: EVIL, group=[EVIL] * len(frame), paths=[EVIL] * len(frame)
    )
    found = Page(text)
    assert len(found.cards) > 1
    assert {tag for tag, _ in found.tags} <= set(
        [
            "html",
            "head",
            "meta",
            "title",
            "style",
            "body",
            "h1",
            "p",
            "ol",
            "li",
            "div",
            "dl",
            "dt",
            "dd",
            "img",
            "svg",
            "polyline",
        ]
    )
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    assert '<script>alert("1")</script>' in found.cards[0] and "\x00" not in text


def test_a_page_needs_no_script_and_no_network(tmp_path):
    _, text = text_page(tmp_path)
    assert "<script" not in text and not re.search(r"https?://", text)
    assert "script-src 'none'" in text and "width=device-width" in text


def test_equal_inputs_give_equal_bytes(tmp_path):
    pages = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        frame = report_tables.predictions(tmp_path / name / "p.parquet", TWO)
        load = lambda path, row, content: pixels(int(content, 16), 300, 200)  # noqa: E731
        pages.append(write_page(tmp_path / name, frame, load, "image", card={"image": {"range": [0, 255]}}))
    assert pages[0] == pages[1] and "data:image/jpeg;base64," in pages[0]


def test_no_mistake_at_all_gives_a_page_that_says_so(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO)
    frame["predicted"] = frame["label"]
    write_parquet(tmp_path / "p.parquet", frame, {"target": "kind", "classes": '["intact", "defective"]'})
    text = write_page(tmp_path, frame, None)
    assert "none of the" in text and not Page(text).cards


def test_a_table_without_labels_gives_a_page_that_says_so(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO, pool=10_000)
    assert "no labelled sample" in write_page(tmp_path, frame, None)


def test_the_largest_error_of_a_regression_stands_first(tmp_path):
    frame = report_tables.regression(tmp_path / "p.parquet")
    text = write_page(tmp_path, frame, lambda path, row, content: np.arange(5, dtype=np.float32), "vector")
    cards = Page(text).cards
    error = (frame["predicted"] - frame["value"]).abs().sort_values(ascending=False)
    assert [frame["sample_id"][i] in card for i, card in zip(error.index, cards, strict=False)] == [True] * 24
    assert f"{error.iloc[0] / 0.8:.1f} × the usual" in cards[0]


def test_a_long_text_is_cut_and_a_short_one_is_not(tmp_path):
    (tmp_path / "long").mkdir()
    _, text = text_page(tmp_path / "long", "x" * 299 + "y" + "z" * 100)
    assert "x" * 299 + "y…" in text and "z" not in Page(text).cards[0]
    _, text = text_page(tmp_path, "x" * 299 + "y")
    assert "x" * 299 + "y\n" in Page(text).cards[0].replace("</p>", "") and "…" not in Page(text).cards[0]


def test_each_card_shows_the_content_of_its_own_sample(tmp_path):
    """Through the real reader: images of which each is of one grey, and the grey tells the sample."""
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO)
    data = [encoded(np.full((20, 30), 2 * i, np.uint8)) for i in range(len(frame))]
    for i, content in enumerate(data):
        (tmp_path / f"{i}.png").write_bytes(content)
    text = write_page(
        tmp_path,
        frame,
        readers.opener({"reader": "folder", "modality": "image"}, tmp_path),
        "image",
        paths=[f"{i}.png" for i in range(len(frame))],
        rows=-1,
        content=[hashlib.sha256(content).hexdigest() for content in data],
        card={"image": {"range": [0, 255]}},
    )
    images = [attributes for tag, attributes in Page(text).tags if tag == "img"]
    assert len(images) == len(wrong_of(frame)) > 1
    for attributes in images:
        place = frame.index[frame["sample_id"] == attributes["alt"].removeprefix("sample ")][0]
        assert np.unique(decoded(attributes["src"])) == [2 * place]


def test_a_file_that_is_gone_or_has_changed_is_named_and_does_not_stop_the_page(tmp_path):
    frame = report_tables.predictions(tmp_path / "p.parquet", TWO)
    (tmp_path / "there.png").write_bytes(encoded(pixels(1)))
    there = hashlib.sha256((tmp_path / "there.png").read_bytes()).hexdigest()
    wrong = list(wrong_of(frame).index)
    paths, content = np.array(["there.png"] * len(frame), object), np.array([there] * len(frame), object)
    paths[wrong[0]], content[wrong[1]] = "gone.png", "0" * 64
    text = write_page(
        tmp_path,
        frame,
        readers.opener({"reader": "folder", "modality": "image"}, tmp_path),
        "image",
        paths=paths,
        rows=-1,
        content=content,
        card={"image": {"range": [0, 255]}},
    )
    cards = Page(text).cards
    assert "cannot be shown" in cards[0] and "gone.png" in cards[0] and "changed since" in cards[1]
    assert len(cards) == len(wrong) and text.count("<img") == len(wrong) - 2


def decoded(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.split(",", 1)[1]))))


def test_a_picture_of_16_bits_is_shown_in_the_range_of_the_card():
    image = np.linspace(1000, 3000, 80 * 60).reshape(80, 60, 1).astype(np.uint16)
    shown = decoded(thumbnail(image, 1000, 3000))
    assert shown.dtype == np.uint8 and shown.min() == 0 and shown.max() == 255
    assert decoded(thumbnail(image, 0, 65535)).max() < 13


@pytest.mark.parametrize(
    ("height", "width", "shown"),
    [(300, 200, (112, 75)), (1, 5000, (1, 112)), (8, 8, (112, 112)), (40, 112, (40, 112)), (1, 1, (112, 112))],
)
def test_a_thumbnail_keeps_the_aspect_ratio_and_shows_small_images_pixel_by_pixel(height, width, shown):
    assert decoded(thumbnail(pixels(0, height, width), 0, 255)).shape[:2] == shown


@pytest.mark.filterwarnings("error")
def test_a_thumbnail_of_one_value_is_no_error():
    assert decoded(thumbnail(np.zeros((4, 4, 1), np.float32), 0.0, 0.0)).max() == 0


@pytest.mark.parametrize("width", [1, 2, 300, 301, 5000])
def test_the_line_of_a_vector_keeps_its_peaks(width):
    vector = np.zeros(width, np.float32)
    vector[width // 2] = 9.0
    points = [tuple(map(float, pair.split(","))) for pair in mistakes.polyline(vector).split()]
    assert 2 <= len(points) <= 300 and points[0][0] == 0 and points[-1][0] == 100
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in points)
    if width > 1:
        assert min(y for _, y in points) == 3


@pytest.mark.parametrize(("share", "text"), [(0.873, "87 %"), (0.999, "99.9 %"), (0.004, "0.4 %"), (1.0, "100.0 %")])
def test_a_share_is_not_rounded_to_certainty(share, text):
    assert mistakes.percent(share) == text


def test_templates_escape_and_refuse_names_that_are_misspelt():
    assert environment().from_string("{{ a }}").render(a="<b>") == "&lt;b&gt;"
    with pytest.raises(Exception, match="undefined"):
        environment().from_string("{{ a }}").render(b=1)
    assert "<title>a &lt;b&gt; c</title>" in page("a <b>\nc", "<p>x</p>") and "<p>x</p>" in page("a", "<p>x</p>")


def test_a_pandas_row_is_understood_whatever_its_types(tmp_path):
    """Identifiers that look like numbers, a group of blanks, a row of a table."""
    place = pd.Series({"path": "t.csv", "row": np.int64(4), "group": "  "})
    assert mistakes.whereabouts("12", place) == [("file", "t.csv", "row 5", ""), ("sample", "12", "", "")]
    place = pd.Series({"path": "a.png", "row": np.int64(-1), "group": "plate 1"})
    assert mistakes.whereabouts("a.png", place) == [("file", "a.png", "", ""), ("group", "plate 1", "", "")]
