"""The site of the documentation: `make docs` builds it in build/site. A mistake or a broken link on a page stops the build.

A page may link to any file of the repository, as it is read on a code host. In the site, the pages of ELSEWHERE are pages of their own, other
files can be downloaded, and of a folder only the words of the link are left.
"""

import posixpath
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "docs")]
import all_messages  # noqa: E402

from graft import __version__  # noqa: E402
from graft.common.plugins import FOLDERS  # noqa: E402
from graft.config.docs import plugin_table  # noqa: E402

project = "graft"
release = __version__
copyright = "the graft authors"
extensions = ["myst_parser"]
exclude_patterns = ["pictures"]
html_theme = "furo"
html_title = f"graft {release}"
html_show_sphinx = False
html_copy_source = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4  # so that links such as page.md#a-heading are checked, too
suppress_warnings = ["misc.highlighting_failure"]

ELSEWHERE = {
    "config/README.md": "copied/config.md",
    "profiles/README.md": "copied/profiles.md",
    "CHANGELOG.md": "copied/changelog.md",
    "CONTRIBUTING.md": "copied/contributing.md",
}
METHODS = "copied/methods.md"
MESSAGES = "copied/all_messages.md"
KINDS = {  # kind of plug-in -> heading of the page of methods, in the order of a run
    "reader": "Readers of data sets",
    "library": "Libraries of networks",
    "preprocessing": "Preprocessing of vectors",
    "kind": "Kinds of targets",
    "method": "Ways to fine-tune",
    "task_weights": "Weights of several targets",
    "classifier": "Few-shot classifiers",
    "zero_shot": "Zero-shot methods",
    "objective": "Objectives of distillation",
    "adaptation": "Adaptation on embeddings",
    "adaptation_objective": "Adaptation in the training",
    "validator": "Validators of adaptation",
    "ensemble": "Ensembles",
    "class_score": "Prediction sets of classes",
    "number_score": "Prediction intervals of numbers",
    "ranking": "Scores of backbones",
    "control": "Controls",
    "strategy": "What to label next",
}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")


def setup(app):
    app.connect("builder-inited", copy_pages)
    app.connect("source-read", link_within)


def copy_pages(app):
    """Pages that are kept elsewhere in the repository; written where they changed, so that a second build does little."""
    texts = {page: (ROOT / source).read_text(encoding="utf-8") for source, page in ELSEWHERE.items()}
    for page, text in (texts | {METHODS: methods(), MESSAGES: all_messages.page()}).items():
        place = Path(app.srcdir) / page
        if not place.exists() or place.read_text(encoding="utf-8") != text:
            place.parent.mkdir(exist_ok=True)
            place.write_text(text, encoding="utf-8")


def methods():
    """The page of all methods, as their files describe them."""
    head = "# Methods\n\nEach method is one file behind a small interface. A file of your own in the same folder is a new method."
    parts = []
    for kind, heading in KINDS.items():
        folder = f"scripts/graft/{FOLDERS[kind]}"
        parts.append(f"## {heading}\n\nFiles in `{folder}`.\n\n{plugin_table(kind)}")
    return "\n\n".join([head, *parts])


def link_within(app, name, content):
    """The links of a page, as they are in the site."""
    page = f"{name}.md"
    source = next((path for path, copy in ELSEWHERE.items() if copy == page), f"docs/{page}")

    def in_site(link):
        mark, words, target, anchor = link.groups()
        if not target or ":" in target:
            return link[0]
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        if (ROOT / path).is_dir():
            return words
        place = f"docs/{ELSEWHERE[path]}" if path in ELSEWHERE else path
        found = posixpath.relpath(place, posixpath.dirname(f"docs/{page}"))
        return f"{mark}[{words}]({found}{(anchor or '') if path.endswith('.md') else ''})"

    content[0] = LINK.sub(in_site, content[0])
