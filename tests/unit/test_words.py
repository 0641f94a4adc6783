"""What users read is easy to read: the pages, the config's descriptions, the report's captions, and the messages."""

import ast
import re

import pyphen
import pytest
import yaml

from repository import ROOT

DOCS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "copied" not in page.relative_to(ROOT).parts]
OTHERS = ["README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT", "config/README", "profiles/README"]
PAGES = [*(ROOT / f"{name}.md" for name in OTHERS), *DOCS]
TAUGHT = [page for page in PAGES if page.stem not in ("index", "terms")]  # of which sentences are more than tables
CAPTIONS = sorted((ROOT / "rules" / "captions").glob("*.rst"))
HYPHENS = pyphen.Pyphen(lang="en_US")
EASY = 70  # 60 is plain English; hyphens miss some syllables, which a dictionary knows: 3 to 8 points of a page
LONGEST = 25  # words of a sentence; docs/words.md asks for 20
MEASURABLE = 8  # words of a description: the ease of fewer is that of a single word


def plain(page):
    """The sentences of a page in Markdown: without code, tables, headings and addresses."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", page, flags=re.S)
    text = re.sub(r"^(\||#).*$", "", text, flags=re.M)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"`[^`]*`", "it", text)
    return re.sub(r"^\s*([*-]|\d+\.) ", "\n\n", text, flags=re.M)  # each item begins a sentence


def sentences(text):
    """Lists of words. A colon and a paragraph end a sentence, as a full stop does; a semicolon does not."""
    found = (re.findall(r"[A-Za-z']+", one) for one in re.split(r"[.!?:]+(?:\s|$)|\n\s*\n", text))
    return [words for words in found if words]


def reading_ease(text):
    """Flesch's reading ease. Not by textstat, which downloads a dictionary when it is first used."""
    found = sentences(text)
    words = [word for sentence in found for word in sentence]
    syllables = sum(HYPHENS.inserted(word).count("-") + 1 for word in words)
    return 206.835 - 1.015 * len(words) / len(found) - 84.6 * syllables / len(words)


def too_long(text):
    return [" ".join(words) for words in sentences(text) if len(words) > LONGEST]


def caption(path):
    text = re.sub(r"\{#.*?#\}|\{%.*?%\}|\.\. raw::.*?</iframe>", "", path.read_text(encoding="utf-8"), flags=re.S)
    return re.sub(r"\{\{.*?\}\}", "it", text)


def descriptions(schema, key=()):
    """(key, description) of a schema and of all that is below it."""
    if isinstance(schema, list):
        schema = dict(enumerate(schema))
    if isinstance(schema, dict):
        if isinstance(said := schema.get("description"), str):
            yield ".".join(map(str, key)), " ".join(said.split())
        for name, below in schema.items():
            yield from descriptions(below, (*key, name))


DESCRIPTIONS = dict(descriptions(yaml.safe_load((ROOT / "config" / "schema.yaml").read_text(encoding="utf-8"))))
SECTIONS = sorted({key.split(".")[1] for key in DESCRIPTIONS})  # of $defs and of properties


def without_code(template):
    """A page's template without Jinja's code, tags, and rules of CSS; any other text as it is."""
    if not re.search(r"</|;\s*\}", template):
        return template
    return re.sub(r"\{[{%].*?[%}]\}|<[^<>]*>|[^\n{}]*\{[^{}]*\}", " ", template, flags=re.S)


def messages():
    """(place, text) of each text of three words or more that the code may show: all but docstrings."""
    for path in sorted((ROOT / "scripts").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            text = node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""
            if id(node) not in alone and len(re.findall(r"[a-z]{2,}", text)) >= 3:
                yield f"{path.relative_to(ROOT)}:{node.lineno}", without_code(text)
    for path in sorted((ROOT / "rules").glob("*.smk")):
        for text in re.findall(r'message:\s+"(.*)"', path.read_text(encoding="utf-8")):
            yield str(path.relative_to(ROOT)), text


def unused_words():
    """The left column of the table in docs/words.md."""
    table = (ROOT / "docs" / "words.md").read_text(encoding="utf-8").split("|---|---|\n")[1]
    return [word for row in table.splitlines() for word in row.split("|")[1].strip().split(", ")]


UNUSED = re.compile(rf"\b({'|'.join(unused_words())})\b", re.I)
APART = re.compile(r"\b(?:tell|tells|told) (?:\w+ ){1,5}apart\b")


def found_in(text):
    text = " ".join(re.sub(r"`[^`]*`|\]\([^)]*\)", "it", text).split())  # keys and addresses are no words
    return UNUSED.findall(text) + APART.findall(text)


@pytest.mark.parametrize("page", TAUGHT, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_easy_to_read(page):
    text = plain(page.read_text(encoding="utf-8"))
    assert reading_ease(text) >= EASY
    assert not too_long(text)


@pytest.mark.parametrize("section", SECTIONS)
def test_the_descriptions_of_the_config_are_easy_to_read(section):
    own = {key: plain(said) for key, said in DESCRIPTIONS.items() if key.split(".")[1] == section}
    joined = "\n\n".join(own.values())
    if len(re.findall(r"[A-Za-z']+", joined)) >= MEASURABLE:
        assert reading_ease(joined) >= EASY
    assert not too_long(joined)
    hard = {key: said for key, said in own.items() if len(said.split()) >= MEASURABLE and reading_ease(said) < 60}
    assert not hard


@pytest.mark.parametrize("path", CAPTIONS, ids=lambda path: path.stem)
def test_a_caption_is_easy_to_read(path):
    text = plain(caption(path))
    assert reading_ease(text) >= EASY
    assert not too_long(text)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.stem != "words"], ids=lambda page: str(page.relative_to(ROOT))
)
def test_a_page_uses_the_usual_words(page):
    assert not found_in(page.read_text(encoding="utf-8"))


def test_descriptions_captions_and_messages_use_the_usual_words():
    said = [*DESCRIPTIONS.items(), *((path.stem, caption(path)) for path in CAPTIONS), *messages()]
    assert len(said) > 1000
    assert not [(place, words) for place, text in said if (words := found_in(text))]


def test_the_words_that_are_not_used_are_found():
    assert found_in("It tells two classes apart, and heeds\nthem as good as so many labels.") == [
        "heeds",
        "as good as so many",
        "tells two classes apart",
    ]
    assert not found_in("It is adjusted to the understanding of `worth`.")


def test_the_reading_ease_is_fleschs():
    assert reading_ease("The cat sat on the mat.") == pytest.approx(
        206.835 - 1.015 * 6 - 84.6
    )  # Flesch 1948: one syllable each
    hard = "Interdepartmental organisational considerations necessitate comprehensive deliberations."
    assert reading_ease(hard) < 0
