"""The page on which rows of a pool are labelled, one after the other, by keys or buttons; it saves them as a CSV file.

What is answered is kept by the browser (localStorage) under the contents of the samples, so that a page that was made again goes on
where the last one ended, and two projects do not meet. The samples are data (JSON), which the script puts on the page as text.
"""

import hashlib
import json

from graft.evaluation.tables import printable
from graft.report.figures.mistakes import polyline
from graft.report.pages import environment, page, thumbnail

SIDE, EXACT = 320, 128  # pixels of an image's longer side; up to EXACT its pixels are shown as they are
CHARACTERS = 4000  # of a text
RESERVED = "usdn"  # undo, skip, save, next
KEYS = "123456789" + "".join(letter for letter in "abcdefghijklmnopqrstuvwxyz" if letter not in RESERVED)

CSS = """
main { max-width: 46rem; margin: 0 auto; }
progress { width: 100%; height: 0.6rem; accent-color: var(--blue); }
#sample { display: flex; align-items: center; justify-content: center; min-height: 20.5rem; margin: 0.8rem 0;
  background: var(--box); border: 1px solid var(--line); border-radius: 6px; padding: 0.7rem; overflow: auto; }
#sample p { align-self: start; white-space: pre-wrap; overflow-wrap: anywhere; max-width: none; max-height: 50vh; margin: 0; }
#sample svg { width: 100%; height: 14rem; stroke: var(--blue); fill: none; stroke-width: 1.3; }
#name { overflow-wrap: anywhere; }
.row { display: flex; flex-wrap: wrap; gap: 0.5rem; margin: 0.6rem 0; align-items: center; }
button, input { font: inherit; color: var(--text); background: var(--page); border: 1px solid var(--soft); border-radius: 6px;
  min-height: 2.75rem; padding: 0.3rem 0.8rem; overflow-wrap: anywhere; }
button { cursor: pointer; }
button[aria-pressed="true"] { background: var(--blue); color: var(--page); }
button:disabled { opacity: 0.5; cursor: default; }
:focus-visible { outline: 3px solid var(--orange); outline-offset: 2px; }
kbd { font: 0.82em ui-monospace, "DejaVu Sans Mono", monospace; border: 1px solid currentColor; border-radius: 4px;
  padding: 0 0.3rem; margin-right: 0.3rem; }
#trouble { color: var(--orange); font-weight: 600; }
"""
BODY = """
<main>
<h1>{{ target }}: what is this?</h1>
<p class="soft">{{ dataset }}, {{ count }} samples without a label, those first whose label teaches most. Press a key or a button.
The browser keeps what you answer; save the file before you go on.</p>
<label for="progress" id="said">0 of {{ count }} labelled</label>
<progress id="progress" max="{{ count }}" value="0"></progress>
<div id="sample"></div>
<p class="soft" id="name"></p>
<form class="row" id="answers" aria-label="the answer"></form>
<div class="row">
<button type="button" id="undo"><kbd>u</kbd>undo</button>
<button type="button" id="skip"><kbd>s</kbd>skip</button>
<button type="button" id="save"><kbd>d</kbd>save the file</button>
</div>
<p id="news" role="status" aria-live="polite"></p>
<p id="trouble" role="alert"></p>
<p class="soft">Put {{ file }} beside your config, and name it there: <code>datasets: {{ '{' }}{{ dataset }}: {{ '{' }}labels: [{{ file }}], ..{{ '}}' }}</code>.
The next run learns from these samples. Those of several sittings are several files in the list.</p>
</main>
<script type="application/json" id="data">{{ data | safe }}</script>
"""
SCRIPT = """
"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = name => document.getElementById(name);
const store = `graft labels ${data.dataset} ${data.target}`;
const byKey = new Map(data.samples.map(one => [one.key, one]));
let state = {answers: [], skipped: []};  // answers: [key, label] in their order, so that the last one can be undone
let chosen = new Set();  // of several labels

function fits(label) {
  if (data.kind === "regression") return typeof label === "number" && Number.isFinite(label);
  if (data.kind === "multilabel") return Array.isArray(label) && label.every(one => data.classes.includes(one));
  return data.classes.includes(label);
}
function load() {
  try {
    const kept = JSON.parse(localStorage.getItem(store)) || {};
    state.answers = (kept.answers || []).filter(([key, label]) => fits(label));
    state.skipped = (kept.skipped || []).filter(key => byKey.has(key));
  } catch (error) { trouble(); }
}
function keep() {
  try { localStorage.setItem(store, JSON.stringify(state)); } catch (error) { trouble(); }
}
function trouble() {
  at("trouble").textContent = "This browser keeps nothing of this page: save the file before you close it.";
}
function current() {
  const done = new Set(state.answers.map(([key]) => key)), later = new Set(state.skipped);
  const open = data.samples.filter(one => !done.has(one.key));
  return open.find(one => !later.has(one.key)) || byKey.get(state.skipped.find(key => !done.has(key)));
}
function own() { return state.answers.filter(([key]) => byKey.has(key)); }
function words(label) { return Array.isArray(label) ? label.join(", ") || "none" : String(label); }
function tell(text) { at("news").textContent = text; }

function answer(label) {
  const one = current();
  if (!one) return;
  state.answers.push([one.key, label]);
  state.skipped = state.skipped.filter(key => key !== one.key);
  keep();
  tell(`${one.id}: ${words(label)}`);
  show();
}
function skip() {
  const one = current();
  if (!one) return;
  state.skipped = [...state.skipped.filter(key => key !== one.key), one.key];
  keep();
  tell(`${one.id}: comes again at the end`);
  show();
}
function undo() {
  const last = own().at(-1);
  if (!last) return tell("nothing to undo");
  state.answers = state.answers.filter(one => one !== last);
  state.skipped = state.skipped.filter(key => key !== last[0]);
  keep();
  tell(`${byKey.get(last[0]).id}: answer taken back`);
  show(byKey.get(last[0]));
}
function cell(text) { return /[",\\r\\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text; }
function csv() {
  const lines = own().map(([key, label]) => [byKey.get(key).id, Array.isArray(label) ? JSON.stringify(label) : String(label)]);
  return [["sample_id", data.target], ...lines].map(line => line.map(cell).join(",")).join("\\n") + "\\n";
}
function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([csv()], {type: "text/csv"}));
  link.download = data.file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  tell(`${own().length} labels saved as ${data.file}`);
}
function picture(one) {
  if (one.image) return Object.assign(new Image(), {src: one.image, alt: `sample ${one.id}`});
  if (one.line) {
    const space = "http://www.w3.org/2000/svg", svg = document.createElementNS(space, "svg");
    const line = document.createElementNS(space, "polyline");
    for (const [name, value] of [["viewBox", "0 0 100 100"], ["preserveAspectRatio", "none"], ["role", "img"],
      ["aria-label", one.text]]) svg.setAttribute(name, value);
    line.setAttribute("points", one.line);
    line.setAttribute("vector-effect", "non-scaling-stroke");
    svg.append(line);
    return svg;
  }
  return Object.assign(document.createElement("p"), {textContent: one.text, dir: "auto", tabIndex: 0});
}
function show() {
  const one = current(), count = own().length;
  chosen = new Set();
  at("progress").value = count;
  at("said").textContent = `${count} of ${data.samples.length} labelled`;
  at("sample").replaceChildren(one ? picture(one) : "All of them have a label. Save the file.");
  at("name").textContent = one ? `${one.id}${state.skipped.includes(one.key) ? " (skipped before)" : ""}` : "";
  at("undo").disabled = !count;
  at("skip").disabled = !one;
  for (const part of at("answers").elements) { part.disabled = !one; part.setAttribute("value", ""); }
  for (const button of at("answers").querySelectorAll("[aria-pressed]")) button.setAttribute("aria-pressed", "false");
  const number = at("number");
  if (number) { number.value = ""; if (one) number.focus(); }
}
function press(name, button) {
  if (data.kind !== "multilabel") return answer(name);
  chosen[chosen.has(name) ? "delete" : "add"](name);
  button.setAttribute("aria-pressed", String(chosen.has(name)));
}
function button(text, key, does) {
  const made = Object.assign(document.createElement("button"), {type: "button"});
  if (key) made.append(Object.assign(document.createElement("kbd"), {textContent: key}));
  made.append(text);
  made.addEventListener("click", () => does(made));
  at("answers").append(made);
  return made;
}
function confirm() {
  if (data.kind === "multilabel") return answer(data.classes.filter(name => chosen.has(name)));
  const text = at("number").value.trim().replace(",", "."), value = Number(text);
  if (text === "" || !Number.isFinite(value)) return tell("that is no number");
  answer(value);
}
const shortcuts = new Map([["u", undo], ["s", skip], ["d", save]]);
(data.classes || []).forEach((name, place) => {
  const key = data.keys[place], made = button(name, key, made => press(name, made));
  if (data.kind === "multilabel") made.setAttribute("aria-pressed", "false");
  if (key) shortcuts.set(key, () => press(name, made));
});
if (data.kind === "regression") {
  const label = Object.assign(document.createElement("label"), {htmlFor: "number", textContent: `${data.target}: `});
  at("answers").append(label, Object.assign(document.createElement("input"), {id: "number", inputMode: "decimal"}));
}
if (data.kind === "regression" || data.kind === "multilabel") {
  button("next", "n", confirm);
  shortcuts.set("n", confirm);
}
at("answers").addEventListener("submit", event => { event.preventDefault(); confirm(); });
for (const [name, does] of [["undo", undo], ["skip", skip], ["save", save]]) at(name).addEventListener("click", does);
document.addEventListener("keydown", event => {
  const typing = event.target.tagName === "INPUT", does = shortcuts.get(event.key.toLowerCase());
  if (!does || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (typing && !/^[a-z]$/i.test(event.key)) return;  // digits belong to the number, letters to none
  event.preventDefault();
  does();
});
load();
show();
"""


def render(dataset, target, facts, samples):
    """The whole page.

    Parameters
    ----------
    dataset, target : str
    facts : dict, the target in labels.json
    samples : list of dict, in their order, with id, key (of the content) and what `content` gives

    Returns
    -------
    str; equal arguments give equal text
    """
    classes, file = facts.get("classes"), file_of(dataset, target, samples)
    data = {"dataset": dataset, "target": target, "kind": facts["kind"], "classes": classes, "file": file}
    data |= {"keys": list(KEYS[: len(classes or ())]), "samples": samples}
    text = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")  # no tag of a text ends the block
    body = environment().from_string(BODY)
    body = body.render(dataset=dataset, target=target, count=len(samples), file=file, data=text)
    return page(f"{target} of {dataset}: what is this?", body, CSS, SCRIPT)


def file_of(dataset, target, samples):
    """The name of the file that the page saves: another for other samples, so that a later sitting replaces no earlier one."""
    digest = hashlib.sha256(json.dumps(sorted(one["id"] for one in samples)).encode()).hexdigest()
    return f"{dataset}-{target}-labels-{digest[:6]}.csv"


def content(value, card):
    """What the page shows of a sample (image, text or vector as readers.opener gives it): dict of image, line or text."""
    if card["modality"] == "image":
        return {"image": thumbnail(value, *card["image"]["range"], SIDE, EXACT)}
    if card["modality"] == "text":
        text = value.encode("utf-8", "replace").decode()
        return {"text": text if len(text) <= CHARACTERS else text[:CHARACTERS].rstrip() + "…"}
    return {"line": polyline(value), "text": f"{len(value)} numbers from {value.min():.4g} to {value.max():.4g}"}


def gone(error):
    """The same of a sample that cannot be read any more."""
    return {"text": printable(f"cannot be shown: {error.what}")}
