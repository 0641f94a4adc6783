"""The page with a map of a data set's embeddings. Samples that are similar for the backbone are near each other."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from graft.common.errors import UserError
from graft.common.outputs import write_text
from graft.data import readers
from graft.evaluation.nearness import scaling
from graft.evaluation.tables import printable
from graft.report.maps import page, points
from graft.report.maps.targets import best_table, shown_target, target_of, view
from graft.report.pages import data_uri, eight_bits
from graft.report.plots import PALETTE
from graft.store.feature_files import blocks_of, features_of

SIDES, BYTES = (48, 40, 32, 24), 1_800_000  # pixels of a thumbnail; the first of them with which all take no more bytes
CHARACTERS = 200  # of a text
SPLITS = ("train", "validation", "test", "pool")


def plot(source, path):
    """Write the page of all parts of a data set that are embedded by one backbone."""
    manifest = source.manifest
    frame = pd.concat([manifest.part("labelled"), manifest.part("pool")], ignore_index=True)
    predictions = source.files["predictions"]
    targets = [
        target_of(name, facts, frame, best_table(name, facts, predictions)) for name, facts in manifest.targets.items()
    ]
    wrong = np.any([one["verdict"] == "wrong" for one in targets], axis=0) if targets else np.zeros(len(frame), bool)
    strata = list(zip(frame["split"], targets[0]["labels"] if targets else frame["split"], strict=True))
    rows = points.drawn(strata, frame["content_sha256"], wrong)
    rows = rows[np.argsort(wrong[rows], kind="stable")]  # mistakes are on top
    places, how = points.positions(scaled_embeddings(frame, rows, source))
    load = readers.opener(readers.settled(source.entry, manifest.card), readers.root_of(source.files["dataset"]))
    backbone = Path(source.files["features"][0]).parent.name
    data = {
        "ids": [printable(one) for one in frame["sample_id"].iloc[rows]],
        "split": view(frame["split"].iloc[rows], dict(zip(SPLITS, PALETTE, strict=False))),
        "targets": [shown_target(one, rows) for one in targets],
        **contents(frame.iloc[rows], load, manifest.card),
    }
    title = f"{manifest.card['dataset']}: map of the embeddings by {backbone}"
    words = describe(len(rows), len(frame), how, targets)
    write_text(path, page.render(title, words, places.tolist(), data, points.SIZE))


def scaled_embeddings(frame, rows, source):
    """The embeddings of some rows, so that distances compare: as for nearness of splits."""
    paths = source.files["features"]
    is_train = (frame["split"] == "train").to_numpy()
    differ = source.manifest.card["modality"] == "vector" and is_train.any()
    return scaling(lambda: blocks_of(frame, *paths), is_train, differ)(features_of(frame.iloc[rows], *paths))


def contents(frame, load, card):
    """The first words of texts, or all images as one small picture, cell by cell; for the script."""
    modality, found = card["modality"], {"texts": None, "thumbs": None}
    if modality not in ("text", "image"):
        return found
    samples = [opened(load, row) for row in frame.itertuples()]
    if modality == "text":
        texts = [printable(one[: CHARACTERS + 1]) for one in samples]
        return found | {"texts": [one if len(one) <= CHARACTERS else one[:CHARACTERS].rstrip() + "…" for one in texts]}
    return found | {"thumbs": thumbnails([small(one, card["image"]["range"]) for one in samples])}


def opened(load, row):
    """A sample's content; of a text that is gone "", of an image None."""
    try:
        return load(row.path, int(row.row), row.content_sha256)
    except UserError:
        return ""


def small(array, limits):
    """An image that fits into the largest of SIDES, or None."""
    if isinstance(array, str):
        return None
    image = eight_bits(array, *limits)
    scale = SIDES[0] / max(image.size)
    how = Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS
    return image.resize([max(1, round(side * scale)) for side in image.size], how)


def thumbnails(images):
    """All images in one JPEG of cells: side of a cell, cells per line, and the picture as a data: URI."""
    columns = math.ceil(math.sqrt(len(images)))
    for side in SIDES:
        colour = any(one is not None and one.mode == "RGB" for one in images)
        sheet = Image.new("RGB" if colour else "L", (columns * side, math.ceil(len(images) / columns) * side), "white")
        for i, image in enumerate(images):
            if image is not None:
                cell = (
                    image if side == SIDES[0] else image.resize([max(1, one * side // SIDES[0]) for one in image.size])
                )
                inset = [(side - one) // 2 for one in cell.size]
                sheet.paste(cell, (i % columns * side + inset[0], i // columns * side + inset[1]))
        uri = data_uri(sheet, "JPEG", quality=72)
        if len(uri) <= BYTES:
            break
    return [side, columns, uri]


def describe(shown, count, how, targets):
    """What the page shows, in words."""
    drawn = (
        f"All {count:,} samples"
        if shown == count
        else f"{shown:,} of {count:,} samples, small classes and mistakes first"
    )
    near = "what is near each other looks alike to the network"
    far = "; the distance between groups says little" if how == "t-SNE" else ""
    models = [f"{one['name']}: {one['model']}" for one in targets if one["model"]]
    judged = f" Mistakes are those of the model that is best on validation ({'; '.join(models)})" if models else ""
    values = (
        ", of values the tenth with the largest errors"
        if any(one["is_value"] and one["model"] for one in targets)
        else ""
    )
    return f"{drawn}, placed by {how}: {near}{far}.{judged}{values}{'.' if models else ''}"
