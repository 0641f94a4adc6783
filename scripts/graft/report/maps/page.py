"""How the page of a map of embeddings looks and works: its template, style and script."""

import json

from graft.report import pages

BODY = pages.environment().from_string("""
<h1>{{ title }}</h1>
<p class="soft">{{ words }}</p>
<form class="by" autocomplete="off">
{% if targets | length > 1 %}
<label>target <select id="target">{% for name in targets %}<option value="{{ loop.index0 }}">{{ name | printable }}</option>
{% endfor %}</select></label>
{% endif %}
<fieldset><legend>colour by</legend>
{% for name in colourings %}
<label><input type="radio" name="by" value="{{ name }}"{{ " checked" if loop.first else "" }}> {{ name }}</label>
{% endfor %}
</fieldset>
</form>
<div class="map">
<svg id="map" viewBox="0 0 {{ size }} {{ size }}" tabindex="0" role="group" aria-label="{{ title }}: arrow keys go from sample to sample">
{% for x, y, colour in points %}
<circle cx="{{ x }}" cy="{{ y }}" r="7" fill="{{ colour }}"/>
{% endfor %}
<circle id="ring" cx="-50" cy="-50" r="13"/>
</svg>
<div class="side">
<div id="legend" role="group" aria-label="legend: press an entry to see its samples alone"></div>
<div id="shown" aria-live="polite"><p class="soft">Point at a sample, tap it, or use the arrow keys.
Press an entry of the legend to see its samples alone.</p></div>
</div>
</div>
<noscript><p>Colours, legend and samples need scripts, which are off in this browser.</p></noscript>
<script type="application/json" id="data">{{ data | safe }}</script>
""")
CSS = """
.by { display: flex; flex-wrap: wrap; gap: 0.4rem 1.2rem; align-items: center; margin: 0.6rem 0; }
fieldset { border: 0; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 0.2rem 0.9rem; }
legend { float: left; padding: 0 0.9rem 0 0; color: var(--soft); } label { white-space: nowrap; }
select, button { font: inherit; color: inherit; max-width: 100%; }
select { background: var(--page); border: 1px solid var(--line); padding: 0.15rem; }
.map { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr) minmax(13rem, 19rem); align-items: start; }
#map { width: 100%; max-height: 88vh; background: #fff; border: 1px solid var(--line); border-radius: 6px; touch-action: pan-y; }
#map:focus-visible, button:focus-visible { outline: 3px solid var(--blue); outline-offset: 1px; }
#map circle { stroke: #fff; stroke-width: 1; fill-opacity: 0.88; } #map .dim { opacity: 0.1; }
#map #ring { fill: none; stroke: #000; stroke-width: 3; pointer-events: none; }
#legend { display: flex; flex-direction: column; gap: 0.1rem; max-height: 17rem; overflow-y: auto; margin-bottom: 0.8rem; }
#legend button { display: flex; gap: 0.5rem; align-items: baseline; text-align: left; border: 1px solid transparent; background: none;
  border-radius: 4px; padding: 0.1rem 0.3rem; cursor: pointer; flex: none; overflow-wrap: anywhere; }
#legend button[aria-pressed=true] { border-color: var(--text); font-weight: 600; }
#legend i { flex: none; width: 0.75rem; height: 0.75rem; border-radius: 50%; border: 1px solid var(--line); }
#legend .count { margin-left: auto; color: var(--soft); padding-left: 0.6rem; }
#shown { background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem; overflow-wrap: anywhere;
  min-height: 11rem; } #shown p { margin: 0 0 0.5rem; font-size: 0.92em; }
#shown dl { display: grid; grid-template-columns: auto 1fr; gap: 0.15rem 0.6rem; margin: 0; font-size: 0.92em; }
#shown dt { color: var(--soft); } #shown dd { margin: 0; min-width: 0; } .wrong { color: var(--orange); font-weight: 600; }
.thumb { margin: 0 auto 0.6rem; background-repeat: no-repeat; }
@media (max-width: 44rem) { .map { grid-template-columns: minmax(0, 1fr); } #legend { max-height: 9rem; }
  .side { display: flex; flex-direction: column; } #shown { order: -1; margin-bottom: 0.8rem; min-height: 9rem; } }
"""
SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const map = document.getElementById("map"), ring = document.getElementById("ring");
const dots = [...map.querySelectorAll("circle:not(#ring)")];
const at = dots.map(dot => [+dot.getAttribute("cx"), +dot.getAttribute("cy")]);
const select = document.getElementById("target"), legend = document.getElementById("legend");
const panel = document.getElementById("shown");
let here = -1, alone = null, view = null;

function make(name, text, parent, look) {
  const made = document.createElement(name);
  if (text !== null) made.textContent = text;
  if (look) made.className = look;
  parent.append(made);
  return made;
}
function target() { return data.targets[select ? +select.value : 0]; }
function dim() { dots.forEach((dot, i) => dot.classList.toggle("dim", alone !== null && view.codes[i] !== alone)); }
function paint() {
  const by = document.querySelector("input[name=by]:checked").value;
  view = by === "split" ? data.split : target()[by] || target().label;
  alone = null;
  dots.forEach((dot, i) => dot.setAttribute("fill", view.entries[view.codes[i]][1]));
  legend.replaceChildren();
  view.entries.forEach(([name, colour], code) => {
    const count = view.codes.filter(one => one === code).length;
    if (!count) return;
    const button = make("button", null, legend);
    button.type = "button";
    button.setAttribute("aria-pressed", "false");
    make("i", null, button).style.background = colour;
    make("span", name, button);
    make("span", count, button, "count");
    button.addEventListener("click", () => {
      alone = alone === code ? null : code;
      [...legend.children].forEach(one => one.setAttribute("aria-pressed", String(one === button && alone !== null)));
      dim();
    });
  });
  dim();
  if (here >= 0) show(here);
}
function show(i) {
  here = i;
  ring.setAttribute("cx", at[i][0]);
  ring.setAttribute("cy", at[i][1]);
  panel.replaceChildren();
  if (data.thumbs) {
    const [side, columns, url] = data.thumbs, large = 2 * side, box = make("div", null, panel, "thumb");
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", "sample " + data.ids[i]);
    Object.assign(box.style, {width: large + "px", height: large + "px", backgroundImage: "url(" + url + ")",
      backgroundSize: columns * large + "px auto",
      backgroundPosition: -(i % columns) * large + "px " + -Math.floor(i / columns) * large + "px"});
  }
  if (data.texts) make("p", data.texts[i], panel).dir = "auto";
  const facts = make("dl", null, panel);
  const say = (term, value, look) => { make("dt", term, facts); make("dd", value, facts, look); };
  say("sample", data.ids[i]);
  say("split", data.split.entries[data.split.codes[i]][0]);
  for (const one of data.targets) {
    const many = data.targets.length > 1;
    say(many ? one.name : "label", one.labels[i]);
    if (one.predicted) say("predicted", one.predicted[i], one.wrong.includes(i) ? "wrong" : "");
  }
}
function near(event) {
  const box = map.getScreenCTM().inverse(), x = box.a * event.clientX + box.e, y = box.d * event.clientY + box.f;
  let best = -1, least = event.pointerType === "mouse" ? 20 * 20 : 45 * 45;
  at.forEach(([px, py], i) => {
    const far = (px - x) ** 2 + (py - y) ** 2;
    if (far < least && !dots[i].classList.contains("dim")) [best, least] = [i, far];
  });
  if (best >= 0 && best !== here) show(best);
}
function step(dx, dy) {
  let best = -1, least = Infinity;
  at.forEach(([px, py], i) => {
    if (i === here || dots[i].classList.contains("dim")) return;
    const [x, y] = here < 0 ? [px, py] : [px - at[here][0], py - at[here][1]];
    const ahead = x * dx + y * dy, beside = Math.abs(x * dy) + Math.abs(y * dx), far = here < 0 ? i : ahead + 2 * beside;
    if ((here < 0 || (ahead > 0 && beside <= ahead)) && far < least) [best, least] = [i, far];
  });
  if (best >= 0) show(best);
}
map.addEventListener("pointermove", near);
map.addEventListener("pointerdown", near);
map.addEventListener("keydown", event => {
  const way = {ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1]}[event.key];
  if (way) { event.preventDefault(); step(...way); }
});
document.querySelector(".by").addEventListener("change", paint);
paint();
"""


def render(title, words, points, data, size):
    """The page.

    Parameters
    ----------
    title, words : str
    points : list of (x, y), in an svg of `size`
    data : dict of what the script shows: ids, texts or None, thumbs (side, columns, data: URI) or None, split and targets; see
        figures.embedding_map
    size : int
    """
    targets = data["targets"]
    first = targets[0]["label"] if targets else data["split"]
    colours = [first["entries"][code][1] for code in first["codes"]]
    judged = ["mistakes"] if any("mistakes" in one for one in targets) else []
    body = BODY.render(
        title=title,
        words=words,
        targets=[one["name"] for one in targets],
        colourings=[*(["label"] if targets else []), "split", *judged],
        points=[(x, y, colour) for (x, y), colour in zip(points, colours, strict=True)],
        data=as_data(data),
        size=size,
    )
    return pages.page(title, body, CSS, SCRIPT)


def as_data(value):
    """JSON that nothing in it can end: it is put into a script element as it is."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text
