"""README and the pages that teach are easy to read."""

import re

import pyphen
import pytest

from repository import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "copied" not in page.parts and page.stem not in ("index", "terms")]
HYPHENS = pyphen.Pyphen(lang="en_US")
EASY = 70  # 60 is plain English; hyphens miss some syllables, which a dictionary knows: 3 to 8 points of a page


def reading_ease(words_of_page):
    """Flesch's reading ease of a page in Markdown: of its sentences, without code, tables, headings and addresses.

    Not by textstat, which downloads a dictionary when it is first used.
    """
    text = re.sub(r"```.*?```|<!--.*?-->", "", words_of_page, flags=re.S)
    text = re.sub(r"^(\||#).*$", "", text, flags=re.M)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "it", text)
    words = re.findall(r"[A-Za-z']+", text)
    sentences = [one for one in re.split(r"[.!?:;]+(?:\s|$)", text) if re.search("[A-Za-z]", one)]
    syllables = sum(HYPHENS.inserted(word).count("-") + 1 for word in words)
    return 206.835 - 1.015 * len(words) / len(sentences) - 84.6 * syllables / len(words)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_easy_to_read(page):
    assert reading_ease(page.read_text(encoding="utf-8")) >= EASY


def test_the_reading_ease_is_fleschs():
    assert reading_ease("The cat sat on the mat.") == pytest.approx(
        206.835 - 1.015 * 6 - 84.6
    )  # Flesch 1948: one syllable each
    hard = "Interdepartmental organisational considerations necessitate comprehensive deliberations."
    assert reading_ease(hard) < 0
