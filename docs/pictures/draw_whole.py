"""Draw docs/pictures/whole.svg, the workflow at a glance: python docs/pictures/draw_whole.py [OUT]"""

import sys
from pathlib import Path
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 976, 372
# A box: name -> (x, y, width, title, lines of words, lines of file names)
BOXES = {
    "data": (28, 70, 150, "your data", ["images, texts,", "vectors, tables"], ["one YAML file"]),
    "weights": (28, 216, 150, "a network", ["timm, torchvision,", "transformers, or yours"], ["backbones.yaml"]),
    "prepare": (212, 70, 164, "prepare", ["splits, groups, labels,", "trouble in the data"], ["samples.parquet"]),
    "store": (212, 216, 164, "embed once", ["each sample is", "forwarded one time"], ["features/  the store"]),
    "train": (410, 70, 164, "train", ["fine-tune, linear heads,", "distil, adapt, search"], ["ft_model.pt"]),
    "tasks": (410, 216, 164, "few labels or none", ["few-shot, zero-shot"], ["few_shot/  zero_shot/"]),
    "predict": (608, 70, 170, "predict", ["calibrated probabilities,", "sets, ensembles"], ["predictions.parquet"]),
    "compare": (608, 216, 170, "compare", ["controls, ties, curves,", "doubtful labels"], ["compare/  curves/"]),
    "hand": (812, 40, 150, "hand over", ["to your own rules"], ["handoff/"]),
    "decide": (812, 136, 150, "decide", ["which model, why,", "how sure, what next"], ["index.html"]),
    "label": (812, 248, 150, "label", ["what teaches most"], ["to_label.csv"]),
}
ARROWS = [
    "data-prepare",
    "weights-store",
    "prepare-store",
    "prepare-train",
    "store-train",
    "store-tasks",
    "train-predict",
]
ARROWS += ["predict-hand", "predict-compare", "tasks-compare", "compare-decide", "compare-label"]
LINE, TITLE = 16, 26
STYLE = """
text { font: 12px system-ui, "DejaVu Sans", sans-serif; fill: #475569 } .title { font-size: 14px; font-weight: 700; fill: #0f172a }
.file { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 11px; fill: #15803d }
rect { fill: #eff6ff; stroke: #60a5fa } .page { fill: #f8fafc; stroke: none } path { fill: none; stroke: #475569; stroke-width: 1.3 }
.back { stroke: #c2410c; stroke-dasharray: 5 4 } .line { stroke: #2563eb } .note { fill: #c2410c }
"""


def height(box):
    *_, words, files = BOXES[box]
    return TITLE + LINE * (len(words) + len(files)) + 10


def drawn_box(box):
    x, y, width, title, words, files = BOXES[box]
    yield f'<rect x="{x}" y="{y}" width="{width}" height="{height(box)}" rx="7"/>'
    yield text(x + 10, y + 20, title, "title")
    for i, one in enumerate([*words, *files]):
        yield text(x + 10, y + TITLE + LINE * (i + 1) - 3, one, "file" if one in files else "")


def text(x, y, words, style):
    return f'<text x="{x}" y="{y}" class="{style}">{escape(words)}</text>'


def arrow(one):
    """From the right side of a box to the left side of another one; down, if the other one is below."""
    source, target = one.split("-")
    x, y, width, *_ = BOXES[source]
    x2, y2, *_ = BOXES[target]
    if x == x2:
        return f'<path d="M{x + width / 2} {y + height(source)}V{y2 - 2}" marker-end="url(#end)"/>'
    start, end, middle = y + height(source) / 2, y2 + height(target) / 2, (x + width + x2) / 2
    return f'<path d="M{x + width} {start}H{middle}V{end}H{x2 - 2}" marker-end="url(#end)"/>'


def opening(title, width, height):
    """The lines with which a picture of boxes and arrows begins."""
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    yield f"<title>{title}</title>"
    yield f"<style>{STYLE}</style>"
    yield (
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" style="fill: #475569; stroke: none"/></marker></defs>'
    )
    yield f'<rect class="page" width="{width}" height="{height}"/>'


def picture():
    title = "graft at a glance: from your data and a pretrained network to the decision page"
    yield from opening(title, WIDTH, HEIGHT)
    yield from map(arrow, ARROWS)
    for box in BOXES:
        yield from drawn_box(box)
    low, side = BOXES["label"][1] + height("label"), BOXES["data"][1] + height("data") / 2
    yield f'<path class="back" d="M887 {low}V336H12V{side}H26" marker-end="url(#end)"/>'
    yield text(340, 356, "new labels and new samples: only what changed runs again", "note")
    yield "</svg>"


if __name__ == "__main__":
    out = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("whole.svg")
    out.write_text("\n".join(picture()) + "\n", encoding="utf-8")
