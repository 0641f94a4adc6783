"""The page of the samples that a trained model gets wrong with the most confidence, or misses by the most.

Beside each are the train samples that are nearest to it by stored embeddings: what the model has learned of its like.
"""

import numpy as np
import pandas as pd

from graft.common.errors import UserError
from graft.common.outputs import write_text
from graft.data import readers
from graft.evaluation.tables import printable
from graft.report.neighbours import in_words, nearest_train_rows
from graft.report.pages import environment, page, thumbnail
from graft.store.feature_files import blocks_of

MOST = 24  # samples
SIDE = 160  # pixels of a thumbnail's longer side
CHARACTERS = 300  # of a text
SIDE_BESIDE, CHARACTERS_BESIDE = 72, 120  # of a train sample beside it
POINTS = 150  # of a vector's line: longer ones show the lowest and highest of each of so many stretches

CSS = """
.sample { display: flex; align-items: center; justify-content: center; min-height: 10rem; margin-bottom: 0.6rem; }
.sample p { align-self: start; margin: 0; font-size: 0.92em; }
.sample svg { width: 100%; height: 7rem; stroke: var(--blue); fill: none; stroke-width: 1.3; }
.facts { display: grid; grid-template-columns: auto 1fr auto; gap: 0.15rem 0.6rem; margin: 0; font-size: 0.92em; }
.facts dt { color: var(--soft); }
.facts dd { margin: 0; min-width: 0; }
.facts dd.alone { grid-column: 2 / 4; }
.facts dd.more { color: var(--soft); text-align: right; }
.wrong { color: var(--orange); font-weight: 600; }
.right { color: var(--green); font-weight: 600; }
.near { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 0.5rem; margin: 0.3rem 0 0; padding: 0;
  list-style: none; font-size: 0.82em; line-height: 1.3; }
.near img { display: block; margin-bottom: 0.2rem; } .near svg { width: 100%; height: 3rem; stroke: var(--blue); fill: none; }
.near.lines { grid-template-columns: 1fr; } .near p { margin: 0; } .beside { margin: 0.7rem 0 0; font-size: 0.85em; color: var(--soft); }
"""
CONTENT = """
{% macro shown(one) %}
{% if one.image %}
<img src="{{ one.image }}" alt="sample {{ one.name }}">
{% elif one.line %}
<svg viewBox="0 0 100 100" preserveAspectRatio="none" role="img" aria-label="{{ one.said }}">
<polyline points="{{ one.line }}" vector-effect="non-scaling-stroke"/></svg>
{% elif one.text %}
<p dir="auto">{{ one.text }}</p>
{% else %}
<p class="soft">{{ one.said }}</p>
{% endif %}
{% endmacro %}
"""
BODY = """
<h1>{{ title }}</h1>
<p class="soft">{{ words }}</p>
{% if cards %}
<ol class="cards">
{% for card in cards %}
<li class="card">
<div class="sample">
{{ shown(card) }}
</div>
<dl class="facts">
{% for term, value, more, look in card.facts %}
<dt>{{ term }}</dt><dd class="{{ look }}{{ '' if more else ' alone' }}">{{ value }}</dd>
{% if more %}
<dd class="more">{{ more }}</dd>
{% endif %}
{% endfor %}
</dl>
{% if card.near %}
<p class="beside">nearest train samples</p>
<ul class="near{{ ' lines' if card.text else '' }}">
{% for one in card.near %}
<li title="{{ one.name }}">{{ shown(one) }}<span class="{{ one.look }}">{{ one.label }}</span><br>{{ one.distance }}</li>
{% endfor %}
</ul>
{% endif %}
</li>
{% endfor %}
</ol>
{% endif %}
"""


def plot(source, path):
    """Write the page, with the samples as they are in the user's data."""
    card = source.manifest.card
    load = readers.opener(readers.settled(source.entry, card), readers.root_of(source.files["dataset"]))
    write(source.judged, source.manifest, load, path, source.files.get("features", ()))


def write(judged, manifest, load, path, features=()):
    """Write the page.

    Parameters
    ----------
    judged : sources.Judged
    manifest : samples.Manifest of the data set
    load : function (path, row, content_sha256) -> the sample's content, as readers.opener gives it
    path : path of the page
    features : list of path, embeddings of the labelled rows; without them no train samples are beside
    """
    wrong = mistakes(judged)
    shown = wrong.head(MOST)
    places = manifest.frame.set_index("sample_id").loc[shown["sample_id"]]
    near = beside(shown, judged, manifest, load, features) if len(shown) and features else [[]] * len(shown)
    cards = [
        {
            "name": printable(row["sample_id"]),
            "facts": [*verdict(row), *whereabouts(row["sample_id"], place)],
            "near": those,
            **content(place, load, manifest.card),
        }
        for (_, row), (_, place), those in zip(shown.iterrows(), places.iterrows(), near, strict=True)
    ]
    title = f"{judged.target}: {'largest errors' if judged.classes is None else 'most confident mistakes'}"
    body = (
        environment().from_string(CONTENT + BODY).render(title=title, words=describe(judged, len(wrong)), cards=cards)
    )
    write_text(path, page(title, body, CSS))


def beside(shown, judged, manifest, load, features):
    """For each row shown, the nearest train samples: name, label, distance, and their content as for a card."""
    labelled, differ = manifest.part("labelled"), manifest.card["modality"] == "vector"
    asked = pd.Index(labelled["sample_id"]).get_indexer(shown["sample_id"])
    found, distances = nearest_train_rows(lambda: blocks_of(labelled, *features), labelled, asked, differ)
    return [
        [neighbour(labelled.iloc[one], row, judged, in_words(far, differ), load, manifest.card) for one, far in pairs]
        for (_, row), pairs in zip(shown.iterrows(), map(zip, found, distances), strict=True)
    ]


def neighbour(place, row, judged, distance, load, card):
    """A train sample; its label is marked where it is that of the row, or what the model said of it."""
    label = place[judged.target]
    if pd.isna(label):
        label, look = "no label", ""
    elif judged.classes is None:
        label, look = f"{label:.4g}", ""
    else:
        look = "right" if label == row["label"] else "wrong" if label == row["predicted"] else ""
    facts = {"name": printable(place["sample_id"]), "label": printable(label), "look": look, "distance": distance}
    return facts | content(place, load, card, SIDE_BESIDE, CHARACTERS_BESIDE)


def mistakes(judged):
    """The judged rows that are wrong, the most confident first; of a regression all rows, the largest error first."""
    rows = judged.rows
    if judged.classes is None:
        wrong = rows.assign(badness=(rows["predicted"] - rows["value"]).abs())
    else:
        wrong = rows[rows["predicted"] != rows["label"]]
        wrong = wrong.assign(badness=wrong["confidence"])
    return wrong.sort_values(["badness", "sample_id"], ascending=[False, True], kind="stable")


def describe(judged, count):
    """How many are wrong, and what is shown of them."""
    total, split = len(judged.rows), judged.split
    if not total:
        return f"{judged.name}: there is no labelled sample to judge by."
    if judged.classes is None:
        return f"{judged.name}. The {min(MOST, count)} largest errors of {total} {split} samples."
    if not count:
        return f"{judged.name}: none of the {total} {split} samples is wrong."
    shown = "all of them" if count <= MOST else f"the {MOST} that it was most confident of"
    return (
        f"{judged.name}. {count} of {total} {split} samples are wrong ({100 * count / total:.1f} %); {shown}, the most "
        "confident first. At the right are the probabilities that it gave. A confident mistake may be a wrong label."
    )


def verdict(row):
    """(term, value, more, CSS class) of what the model said and what is true."""
    if "label" in row:
        chance = f"prob_{row['label']}"
        return [
            ("predicted", printable(row["predicted"]), percent(row["confidence"]), "wrong"),
            ("true", printable(row["label"]), percent(row[chance]), "right"),
        ]
    error = row["predicted"] - row["value"]
    claimed = f"{abs(error) / row['std']:.1f} × the usual" if row["std"] > 0 else ""
    return [
        ("predicted", f"{row['predicted']:.4g}", "", "wrong"),
        ("measured", f"{row['value']:.4g}", "", "right"),
        ("error", f"{error:+.3g}", claimed, ""),
    ]


def percent(share):
    """In whole percent, but never 0 or 100 for what is not."""
    digits = 0 if 0.01 <= share < 0.995 else 1
    return f"{100 * share:.{digits}f} %"


def whereabouts(sample_id, place):
    """(term, value, more, CSS class) of where the sample is in the user's data."""
    facts = [("file", printable(place["path"]), "" if place["row"] < 0 else f"row {place['row'] + 1}", "")]
    if sample_id != place["path"]:
        facts.append(("sample", printable(sample_id), "", ""))
    if isinstance(place["group"], str) and place["group"].strip():
        facts.append(("group", printable(place["group"]), "", ""))
    return facts


def content(place, load, card, side=SIDE, characters=CHARACTERS):
    """A sample's content for its card: image (data: URI), text, line (points of a polyline) or, if it is gone, said."""
    shown = {"image": None, "text": None, "line": None, "said": ""}
    try:
        value = load(place["path"], int(place["row"]), place["content_sha256"])
    except UserError as error:
        return shown | {"said": printable(f"cannot be shown: {error.what}")}
    if card["modality"] == "image":
        return shown | {"image": thumbnail(value, *card["image"]["range"], side)}
    if card["modality"] == "text":
        text = printable(value[: characters + 1])
        return shown | {"text": text if len(value) <= characters else text[:characters].rstrip() + "…"}
    return shown | {
        "line": polyline(value),
        "said": f"{len(value)} numbers from {value.min():.4g} to {value.max():.4g}",
    }


def polyline(vector):
    """Points of an SVG polyline in a box of 100 x 100, its lowest value at the bottom."""
    if len(vector) > 2 * POINTS:
        parts = np.array_split(vector, POINTS)
        vector = np.array([end for part in parts for end in (part.min(), part.max())])
    low, high = float(vector.min()), float(vector.max())
    heights = 97 - 94 * (vector - low) / (high - low) if high > low else np.full(len(vector), 50.0)
    across = np.linspace(0, 100, len(vector)) if len(vector) > 1 else [0.0]
    points = [f"{x:.2f},{y:.2f}" for x, y in zip(across, heights, strict=True)]
    return " ".join(points if len(points) > 1 else [*points, f"100.00,{heights[0]:.2f}"])
