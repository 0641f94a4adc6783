"""One path for new samples: make predict, a model taken out of its results, an exported model and the distances say of the
samples of a data set what its predictions.parquet says, for every format that a sample may have and every kind of target."""

import io
import shutil
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

import export_model
import predict_files
import report_tables
import trained_runs
from graft.common.outputs import write_json, write_torch
from graft.data.samples import read_manifest
from graft.heads.probe import VALIDATION
from graft.networks import network
from graft.serving.exported import load_exported, predict
from graft.serving.novelty import Novelty, training_embeddings
from graft.store.feature_files import features_of
from graft.targets.predictions import predict as predict_known
from tiny_data import class_folders, encoded, npy, pixels, png16, tiff
from trained_runs import MODEL, finished_run

ROWS = 12
CLOSE = {"rtol": 1e-4, "atol": 1e-5}
WAVES = [f"wave_{i}" for i in range(5)]


def with_holes(image, value):
    """An image of which a corner, another in each, was not measured."""
    image[: 2 + int(np.nan_to_num(image[5, 5])) % 4, :5] = value
    return image


def floats(seed):
    return 300 + 40 * pixels(seed, channels=1, dtype=np.float32)


def paged(seed):
    """A page of pixels, and one that masks it."""
    file = io.BytesIO()
    first, mask = (Image.fromarray(pixels(seed + n, channels=1)) for n in (0, 500))
    first.save(file, "TIFF", save_all=True, append_images=[mask])
    return file.getvalue()


def rotated(seed):
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(pixels(seed), "JPEG", quality=95, exif=exif)


DEEP = {"channels": 1, "dtype": np.uint16}
NODATA = {"extratags": [(42113, "s", 0, "-9999", True)]}
PLANES = {"photometric": "minisblack", "planarconfig": "contig"}
# name: (bytes of an image by its seed, suffix, the data set's entry, the backbone's preprocessing)
IMAGES = {
    "colour": (lambda i: encoded(pixels(i)), ".png", {}, {}),
    "grey": (lambda i: encoded(pixels(i, channels=1)), ".png", {}, {}),
    "grey and colour": (lambda i: encoded(pixels(i, channels=3 if i % 3 else 1)), ".png", {}, {}),
    "turned": (rotated, ".jpg", {}, {}),
    "alpha": (lambda i: encoded(pixels(i, channels=4)), ".png", {}, {}),
    "16 bits": (lambda i: encoded(pixels(i, **DEEP) // 3 + 900), ".png", {}, {}),
    "16 bits, colour, padded": (lambda i: png16(pixels(i, dtype=np.uint16)), ".png", {}, {"fit": "pad"}),
    "a given range": (lambda i: tiff(pixels(i, **DEEP)), ".tif", {"range": [9000, 40000]}, {"fit": "pad"}),
    "8 bits, a given range": (lambda i: encoded(pixels(i) >> 4), ".png", {"range": [0, 15]}, {"fit": "pad"}),
    "a palette to 255": (
        lambda i: tiff(
            pixels(i, channels=1), photometric="palette", colormap=np.stack([np.arange(256)] * 3).astype("u2")
        ),
        ".tif",
        {},
        {},
    ),
    "floats": (lambda i: tiff(floats(i)), ".tif", {}, {"fit": "pad", "interpolation": "bilinear"}),
    "NaN": (lambda i: tiff(with_holes(floats(i), np.nan)), ".tif", {}, {"fit": "crop", "crop": 0.8}),
    "no-data": (lambda i: tiff(with_holes(floats(i), -9999), **NODATA), ".tif", {}, {}),
    "int32": (lambda i: tiff(pixels(i, **DEEP).astype(np.int32)), ".tif", {}, {}),
    "long int32": (lambda i: tiff(pixels(i, **DEEP).astype(np.int32) * 9), ".tif", {}, {}),
    "bands": (lambda i: tiff(pixels(i, channels=6), **PLANES), ".tif", {"bands": [4, 3, 2]}, {}),
    "one band of 16 bits": (
        lambda i: tiff(pixels(i, channels=5, dtype=np.uint16), **PLANES),
        ".tif",
        {"bands": [4]},
        {"fit": "crop", "crop": 0.875},
    ),
    "channels first": (lambda i: npy(np.moveaxis(pixels(i), -1, 0)), ".npy", {"modality": "image"}, {}),
    "bands first": (
        lambda i: npy(np.moveaxis(pixels(i, 24, 28, channels=7), -1, 0)),
        ".npy",
        {"modality": "image", "bands": [7, 1, 3]},
        {"fit": "squash", "crop": 0.8},
    ),
    "the first of several": (paged, ".tif", {"frames": "first"}, {}),
}


def heads_like(head, folds):
    """Other heads, one for each fold: what they say must not be taken for what the model says."""
    torch.manual_seed(3)
    size = len(folds)
    weight, bias = torch.randn(size, *head["weight"].shape), torch.randn(size, len(head["bias"]))
    return {"weight": weight, "bias": bias, "folds": torch.tensor(folds)}


def run_of(folder, root, facts=None, folds=(), **entry):
    """A finished run, its model exported; and the prediction table of the rows that its own head predicts."""
    model = finished_run(folder, root, **entry)
    content = network.load(model)
    ((target, known),) = content["targets"].items()
    head = {name: content["state_dict"][f"heads.{target}.{name}"] for name in ("weight", "bias")}
    fold_heads = {target: heads_like(head, folds)} if folds else {}
    content |= {"targets": {target: known | (facts or {})}, "fold_heads": fold_heads}
    write_torch(model, content)
    results = model.parents[3]
    manifest = read_manifest(results / "data/cells/samples.parquet")
    rows = manifest.part("labelled")
    features = results / f"features/cells/{MODEL}.seed0/labelled.parquet"
    table = predict_known(content, target, manifest, rows, features_of(rows, features)).set_index("sample_id")
    kind = known["kind"]
    report_tables.metrics(folder / target / "metrics.json", kind, value=0.8)
    write_json(folder / "dataset.json", {"name": "cells", "source": {"path": str(root)}})
    export_model.main(
        model=model,
        metrics=[folder / target / "metrics.json"],
        backbone=folder / "resources/backbones/tiny/backbone.json",
        card=results / "data/cells/data_card.json",
        dataset=folder / "dataset.json",
        folder=folder / "export",
    )
    exported = shutil.copytree(folder / "export", folder / "elsewhere/model")
    alone = shutil.copy(model, folder / "elsewhere/taken.pt")
    table = table[table["fold"] == -1]  # the others are predicted by heads that did not see them
    assert len(table) and set(table["split"]) >= {"test"}
    width = content["backbone"]["width"]
    novelty = Novelty(
        *training_embeddings(results / "data/cells/samples.parquet", features, [target], width), kind is None
    )
    return SimpleNamespace(
        folder=folder,
        model=model,
        alone=alone,
        exported=load_exported(exported),
        target=target,
        wanted=table,
        paths=rows.set_index("sample_id")["path"],
        distance=pd.Series(novelty.distance(features_of(rows, features)), rows["sample_id"]),
    )


def numbers(table):
    names = [name for name in table if name.startswith(("prob_", "logit_")) or name in ("confidence", "std")]
    values = [table[name].to_numpy(float) for name in names]
    if not any(name.startswith("prob_") for name in names):
        values.append(table["predicted"].to_numpy(float))
    return np.stack(values)


def assert_same(found, wanted):
    """The same predictions, row by row, of those columns that both have."""
    columns = [name for name in wanted if name in found]
    assert {"predicted"} < set(columns)
    assert found["problem"].isna().all(), found["problem"].dropna().tolist()
    np.testing.assert_allclose(numbers(found[columns]), numbers(wanted[columns]), **CLOSE)
    if "prob_a" in columns:
        assert list(found["predicted"]) == list(wanted["predicted"])


def assert_one_path(run, data, samples, column=None):
    """`data` is what make predict is given, `samples` the exported model: a function of the ids that are wanted."""
    out = run.folder / "out.parquet"
    given = {"resources": run.folder / "resources", "column": column}
    for model in (run.model, run.alone):
        predict_files.main(model, data, out, threads=1, precision="fp32", **given)
        table = pd.read_parquet(out).set_index("sample_id").loc[run.wanted.index]
        assert_same(table, run.wanted)
        if model == run.model:
            np.testing.assert_allclose(table["distance"], run.distance[table.index], rtol=1e-3, atol=1e-5)
    assert_same(predict(run.exported, samples(run.wanted.index))[run.target], run.wanted)


@pytest.mark.parametrize("name", IMAGES)
def test_images(name, tmp_path, monkeypatch):
    write, suffix, entry, preprocessing = IMAGES[name]
    for key, value in preprocessing.items():
        monkeypatch.setitem(trained_runs.IMAGE, key, value)
    root = class_folders(tmp_path / "cells", [write(i) for i in range(ROWS)], suffix=suffix)
    run = run_of(tmp_path, root, **entry)
    assert np.ptp(run.wanted["logit_a"]) > 100 * CLOSE["atol"]  # the network tells these images apart
    assert_one_path(run, root, lambda ids: [root / path for path in run.paths[ids]])


KINDS = {
    "temperature": ({"temperature": 0.4}, ()),
    "class weights": ({"temperature": 1.6, "intercepts": [1.5, -0.75]}, ()),
    "heads of folds": ({"temperature": 1.6}, (0, 1, VALIDATION)),
}


def vectors(seed=0):
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(ROWS * 3, len(WAVES))), columns=WAVES)


@pytest.mark.parametrize("name", KINDS)
def test_columns_of_numbers_by_name_in_any_order(name, tmp_path):
    facts, folds = KINDS[name]
    frame = vectors().assign(key=[f"s{i}" for i in range(ROWS * 3)], label=["a", "b"] * (ROWS * 3 // 2))
    (tmp_path / "data").mkdir()
    frame.to_csv(tmp_path / "data/t.csv", index=False)
    entry = {"table": "t.csv", "columns": {"id": "key", "features": "wave_*"}}
    run = run_of(tmp_path, tmp_path / "data", facts, folds, **entry)
    turned = frame[[*WAVES[::-1], "key", "label"]]
    turned.to_csv(tmp_path / "new.csv.gz", index=False)
    by_id = turned.set_index("key")
    run.distance = novelty_of_vectors(run)
    for column in (None, "wave_*"):
        assert_one_path(run, tmp_path / "new.csv.gz", lambda ids: by_id.loc[ids], column)
    rows = frame.set_index("key").loc[run.wanted.index, WAVES]
    for samples in (rows.to_numpy(), rows.to_numpy().tolist()):
        assert_same(predict(run.exported, samples)[run.target], run.wanted)


def novelty_of_vectors(run):
    """Distances of columns that are quantities of their own: standardised."""
    results = run.model.parents[3]
    features = results / f"features/cells/{MODEL}.seed0/labelled.parquet"
    rows = read_manifest(results / "data/cells/samples.parquet").part("labelled")
    found = training_embeddings(results / "data/cells/samples.parquet", features, [run.target], len(WAVES))
    return pd.Series(Novelty(*found, columns_differ=True).distance(features_of(rows, features)), rows["sample_id"])


def test_values_in_the_unit_of_the_target(tmp_path):
    frame = vectors().assign(key=[f"s{i}" for i in range(ROWS * 3)], protein=np.arange(ROWS * 3.0))
    (tmp_path / "data").mkdir()
    frame.to_parquet(tmp_path / "data/t.parquet")
    entry = {"table": "t.parquet", "columns": {"id": "key", "features": "wave_*"}}
    entry |= {"targets": {"protein": {"kind": "regression"}}}
    run = run_of(tmp_path, tmp_path / "data", {"mean": 7.0, "std": 3.0, "residual_std": 0.25}, **entry)
    run.distance = novelty_of_vectors(run)
    by_id = frame.set_index("key")
    assert_one_path(run, tmp_path / "data/t.parquet", lambda ids: by_id.loc[ids])


def test_texts_as_they_stand(tmp_path):
    """Blanks at the ends, other spellings of a letter, a NUL, a token's name, more than the network reads."""
    odd = [
        "text\0number 3",
        "  number 4 text\r\n",
        "te\u0301xt 5",
        "[SEP] text 6",
        "text number 7 " * 9,
        "number 8\nnumber 9",
    ]
    texts = [*odd, *(f"text number {i}" for i in range(ROWS * 3 - len(odd)))]
    labels, keys = ["a", "b"] * (len(texts) // 2), [f"s{i}" for i in range(len(texts))]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"id": keys, "text": texts, "label": labels}), tmp_path / "data/t.parquet")
    given = dict(zip(keys, texts, strict=True))
    split = {"split": {"validation": 0.2, "test": 0.6}}  # so that the odd ones are among the test rows, too
    entry = {"table": "t.parquet", "columns": {"id": "id", "text": "text"}, **split}
    run = run_of(tmp_path, tmp_path / "data", {"temperature": 1.6, "intercepts": [0.5, -0.5]}, **entry)
    assert_one_path(run, tmp_path / "data/t.parquet", lambda ids: [given[key] for key in ids])
