"""Draw docs/pictures/sample.svg, the life of a sample, from the run of the tutorial on spectra: python docs/pictures/draw_sample.py FOLDER

FOLDER is where the tutorial ran. Each box shows what the run wrote of one test tablet.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
from draw_whole import opening, text

OUT = Path(__file__).with_name("sample.svg")
MODEL, TARGET = "tablets.slope.linear", "assay"
BACKBONE = MODEL.split(".")[1]
WIDTH, HEIGHT = 976, 250
LEFT, TOP, BOX, TALL, GAP = 14, 16, 218, 150, 26


def facts(folder):
    """What the run in `folder` wrote of its first test row: a dict of the four boxes' contents."""
    results = folder / "results"
    row = pd.read_parquet(results / "data/tablets/samples.parquet").query("split == 'test'").iloc[0]
    table = pd.read_csv(folder / "data/tablets/tablets.csv").set_index("tablet").loc[row["sample_id"]]
    embedding = pd.read_parquet(results / f"handoff/tablets/{BACKBONE}.embeddings.parquet").set_index("sample_id")
    said = pd.read_parquet(results / f"finetune/{MODEL}/seed0/{TARGET}/predictions.parquet").set_index("sample_id")
    return {
        "row": row,
        "spectrum": table[[name for name in table.index if name.startswith("nm_")]].to_numpy(float),
        "embedding": numbers(embedding.loc[row["sample_id"]]),
        "said": said.loc[row["sample_id"]],
    }


def numbers(row):
    """The vector in a row of the table of embeddings."""
    return np.concatenate([np.atleast_1d(np.asarray(value, float)) for value in row if not isinstance(value, str)])


def boxes(found):
    """(title, curve or None, lines of words, file) of each box."""
    row, said = found["row"], found["said"]
    yield "the sample", found["spectrum"], [f"{row['sample_id']}: {len(found['spectrum'])} numbers"], "tablets.csv"
    words = [f"split {row['split']}", f"{TARGET} {float(row[TARGET]):.1f} mg"]
    words += [f"SHA-256 of its content {row['content_sha256'][:6]}.."]
    yield "its row", None, words, "samples.parquet"
    words = [f"{len(found['embedding'])} numbers by {BACKBONE}"]
    yield "its embedding", found["embedding"], words, f"{BACKBONE}.embeddings.parquet"
    words = [f"predicted {said['predicted']:.1f} mg", f"90 % interval {said['low_90']:.1f} to {said['high_90']:.1f}"]
    words += [f"measured {said['value']:.1f} mg", "it was not trained on"]
    yield "its prediction", None, words, "predictions.parquet"


NOTES = [
    "other numbers: forwarded again",
    "another label: models train again",
    "another name: not forwarded again",
    "another head: no forward pass",
]


def curve(values, x, y, width, height):
    """A vector as a line in a rectangle; every third number, so that the file stays light."""
    some = values[::3]
    low, high = some.min(), some.max()
    places = zip(np.linspace(x, x + width, len(some)), y + height * (high - some) / (high - low), strict=True)
    return f'<path class="line" d="M{"L".join(f"{a:.1f} {b:.1f}" for a, b in places)}"/>'


def picture(found):
    yield from opening("The life of a sample: from a row of a table to a prediction with its interval", WIDTH, HEIGHT)
    for number, (title, vector, words, file) in enumerate(boxes(found)):
        x = LEFT + number * (BOX + GAP)
        yield f'<rect x="{x}" y="{TOP}" width="{BOX}" height="{TALL}" rx="7"/>'
        yield text(x + 12, TOP + 22, title, "title")
        if vector is not None:
            yield curve(vector, x + 12, TOP + 36, BOX - 24, 52)
        first = TOP + (108 if vector is not None else 46)
        for line, one in enumerate(words):
            yield text(x + 12, first + 18 * line, one, "")
        yield text(x + 12, TOP + TALL - 14, file, "file")
        if number:
            yield f'<path d="M{x - GAP} {TOP + TALL / 2}H{x - 2}" marker-end="url(#end)"/>'
        yield text(x + 12, TOP + TALL + 30, NOTES[number], "note")
    yield text(
        LEFT + 12,
        TOP + TALL + 62,
        "The orange line below each box says what happens in the next run if you give the sample this.",
    )
    yield "</svg>"


if __name__ == "__main__":
    OUT.write_text("\n".join(picture(facts(Path(sys.argv[1])))) + "\n", encoding="utf-8")
