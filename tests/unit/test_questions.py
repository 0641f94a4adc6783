"""docs/questions.md: each question has an answer, a heading to read on at, and the address where it was asked."""

import posixpath
import re

import pytest

from repository import ROOT

PAGE = "docs/questions.md"
LINK = re.compile(r"\]\(([^)#\s:]*)(?:#([^)\s]*))?\)")  # within the repository: an address elsewhere has a colon


def text_of(page):
    return (ROOT / page).read_text(encoding="utf-8")


def links(page):
    """(page, anchor) of each link to another page of the repository, with "" for no anchor."""
    for target, anchor in LINK.findall(text_of(page)):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
        if path.endswith(".md"):
            yield path, anchor


def anchors(page):
    """The anchors that code hosts and the site make of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text_of(page), flags=re.S), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def questions():
    """{question: (the sentences of its answer, the links below it)}"""
    parts = re.split(r"^### (.+)$", text_of(PAGE).split("\n## Other pages")[0], flags=re.MULTILINE)[1:]
    return {
        question: ((answer := body.split("Read on:")[0]), LINK.findall(body[len(answer) :]))
        for question, body in zip(parts[::2], parts[1::2], strict=True)
    }


QUESTIONS = questions()


def within(clicks, page="README.md"):
    """The pages that a reader of `page` reaches with so many clicks."""
    found = {page}
    for _ in range(clicks):
        found |= {target for one in found for target, _ in links(one)}
    return found


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_has_a_short_answer_and_a_heading_to_read_on_at(question):
    answer, below = QUESTIONS[question]
    sentences = re.findall(r"[.!?](?=\s|$)", re.sub(r"`[^`]*`", "it", answer))
    assert len(sentences) == 2
    [(target, anchor)] = below
    assert anchor in anchors(posixpath.normpath(posixpath.join("docs", target)))


def test_what_answers_a_question_is_two_clicks_from_readme():
    reached = within(2)
    assert PAGE in within(1)
    guides = {
        str(path.relative_to(ROOT))
        for room in ("how-to", "explanations")
        for path in (ROOT / "docs" / room).glob("*.md")
    }
    assert {target for target, _ in links(PAGE)} | guides <= reached


def test_each_question_has_the_address_where_it_was_asked():
    rows = re.findall(r"^\| (.+) \| (\[.+) \|$", text_of(PAGE).split("## Where they were asked")[1], re.MULTILINE)
    assert [question for question, _ in rows] == list(QUESTIONS) and len(rows) >= 20
    asked = [re.findall(r"\[(\S+) (\d+)\]\(https://github\.com/(\S+?)/issues/(\d+)\)", places) for _, places in rows]
    assert all(asked) and all(one[:2] == one[2:] for places in asked for one in places)
    assert len({name for places in asked for name, *_ in places}) >= 15
