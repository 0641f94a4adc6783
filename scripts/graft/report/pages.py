"""The HTML pages of graft: one skeleton, one look, one way to show an image. A page needs no other file and no network.

A page is a jinja2 template, a text in the module that uses it: the code digests of the rules see Python alone.
`environment()` escapes everything that comes from the user's data::

    BODY = environment().from_string("<h1>{{ title }}</h1>...")
    write_text(path, page(title, BODY.render(title=title)))
"""

import base64
import hashlib
import io
import re
from functools import cache

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup, escape
from PIL import Image

from graft.evaluation.tables import printable

# Colours are those of graft.report.plots; the dark scheme has lighter ones of the same hue, so that both pass 4.5 : 1.
CSS = """
:root { color-scheme: light dark; --page: #ffffff; --box: #f6f7f9; --line: #d9dce1; --text: #1b1e23; --soft: #5b616b;
  --blue: #0063a3; --orange: #b34a00; --green: #00714f; }
@media (prefers-color-scheme: dark) { :root { --page: #16181c; --box: #1f2227; --line: #383d45; --text: #e6e8eb;
  --soft: #a3a9b3; --blue: #6cb8ee; --orange: #ff9a57; --green: #4fc79f; } }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 0.94rem/1.45 system-ui, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.3rem; line-height: 1.25; margin: 0 0 0.3rem; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 1.6rem 0 0.5rem; overflow-wrap: anywhere; }
p { margin: 0.3rem 0 0.8rem; max-width: 46rem; }
a { overflow-wrap: anywhere; } a:any-link { color: var(--blue); }
img, svg { max-width: 100%; height: auto; }
code { font: 0.86em/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: 0.25rem 0.7rem 0.25rem 0; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; }
.cards { display: grid; gap: 0.8rem; padding: 0; margin: 0.8rem 0; list-style: none;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 15rem), 1fr)); }
.card { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem; min-width: 0;
  overflow-wrap: anywhere; }
@media print { .card { break-inside: avoid; } }
"""
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="graft">
<meta http-equiv="Content-Security-Policy" content="script-src {{ scripts | safe }}; object-src 'none'; base-uri 'none'">
<title>{{ title }}</title>
<style>{{ css | safe }}</style>
</head>
<body>
{{ body | safe }}
{% if script %}
<script>{{ script | safe }}</script>
{% endif %}
</body>
</html>
"""


@cache
def environment():
    """A jinja2 environment that escapes every value and refuses names that a template misspells.

    The filter `printable` puts a text on one line, without what XML cannot hold; `coded` shows what is between backticks as code.
    """
    made = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["printable"] = printable
    made.filters["coded"] = lambda text: Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
    return made


def page(title, body_html, css="", script=""):
    """A whole HTML page.

    Parameters
    ----------
    title : str, escaped here
    body_html : str, HTML: what a template of `environment()` rendered
    css : str, rules beside the shared ones; of the shared classes there are `soft` (grey text), `wide` (a box in which
        a wide table scrolls), `cards` (a grid) of `card`s, and `number` for cells
    script : str, JavaScript of graft's own: the page allows this text to run, and no other

    Returns
    -------
    str; equal arguments give equal text
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    scripts = f"'sha256-{digest}'" if script else "'none'"
    template = environment().from_string(PAGE)
    return template.render(title=printable(title), body=body_html, css=CSS + css, script=script, scripts=scripts)


def thumbnail(array, low, high, size=112, exact=None):
    """An image as a data: URI that fits into a square, with its aspect ratio.

    Parameters
    ----------
    array : array or masked array, shape (height, width, channels), of any dtype; what is masked is black. Of many bands the first
        three are shown as red, green and blue, of two the first
    low, high : float, the values that become black and white (the range of the data card)
    size : int, longest side in pixels; images of less than half of it are enlarged in whole steps, so that each pixel
        is seen as one
    exact : int, longest side up to which each pixel is kept as it is, at most `size`, which is the default

    Returns
    -------
    str; equal arrays give equal text
    """
    image = eight_bits(array, low, high)
    longest = max(image.size)
    if longest <= (exact or size):
        step = size // longest
        return data_uri(image.resize((image.width * step, image.height * step), Image.Resampling.NEAREST), "PNG")
    small = [max(1, round(side * min(size, longest) / longest)) for side in image.size]
    return data_uri(image.resize(small, Image.Resampling.LANCZOS), "JPEG", quality=85)


def eight_bits(array, low, high):
    """An image of 8 bits for Pillow, from black to white; in colour if it has three bands. The arguments are those of `thumbnail`."""
    array = array if array.shape[2] in (1, 3) else array[:, :, : 3 if array.shape[2] > 3 else 1]
    span = high - low if high > low else 1.0
    values = np.ma.filled(array.astype(np.float32), low)
    grey = np.rint(np.clip((values - low) / span, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(grey[:, :, 0] if grey.shape[2] == 1 else grey)


def data_uri(image, kind, **settings):
    """A Pillow image, written in a format, as a data: URI."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
