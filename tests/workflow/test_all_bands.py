"""Images of several bands, each with its own range: a network that gets all of them sees what three do not show."""

import json
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml

from graft.serving import exported
from running import graft
from tiny_data import tiff

SIDE, COUNT = 16, 60
DATA = {"source": {"path": "fields"}, "targets": {"label": {}}}
CONFIG = {
    "datasets": {"all": {**DATA, "bands": "all"}, "three": {**DATA, "bands": [1, 2, 3]}},
    "backbones": {
        name: {"library": "convnet", "architecture": layers, "source": {"random": True}, "input_size": SIDE}
        for name, layers in {"small": "8-8", "smaller": "4-4"}.items()
    },
    "finetune": {
        name: {"dataset": name, "backbone": "small", "method": "full", "epochs": 8, "lr": 1e-2, "head_lr": 1e-2}
        | {"augment": "standard" if name == "all" else "none"}  # contrast and brightness of each band by itself
        for name in ("all", "three")
    },
    "distill": {
        "student": {
            "teacher": "all.small.full",
            "backbone": "smaller",
            "epochs": 1,
            "augment": "none",
            "patience": None,
        }
    },
    "predict": {"new": {"model": "all.small.full", "data": "new"}},
}
EXPORT = "results/handoff/models/all.small.full/seed0"
FILES = [
    *(f"results/finetune/{name}.small.full/seed0/label/metrics.json" for name in ("all", "three")),
    *(f"results/data/{name}/data_card.html" for name in ("all", "three")),
    "results/predict/new.csv",
    "results/distill/student.smaller.kd/seed0/label/agreement.json",
    f"{EXPORT}/config.json",
]


def field(seed, wet):
    """Four bands of 16 bits. The classes differ in the fourth alone, whose numbers are a hundredth of the others'."""
    draw = np.random.default_rng(seed)
    bands = draw.integers(10_000, 50_000, (SIDE, SIDE, 4))
    bands[:, :, 3] = draw.integers(100, 300, (SIDE, SIDE)) + (200 if wet else 0)
    return tiff(bands.astype(np.uint16), photometric="minisblack", planarconfig="contig")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bands")
    for seed in range(COUNT):
        place = folder / "fields" / ("wet" if seed % 2 else "dry")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{seed}.tif").write_bytes(field(seed, seed % 2))
    (folder / "new").mkdir()
    for seed in range(100, 106):
        (folder / "new" / f"{seed}.tif").write_bytes(field(seed, seed % 2))
    (folder / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    graft(folder, folder / "config.yaml", *FILES)
    return SimpleNamespace(folder=folder, read=lambda path: json.loads((folder / path).read_text()))


def test_a_class_that_only_the_fourth_band_shows_is_found_with_all_and_not_with_three(run):
    accuracy = {
        name: run.read(path)["test"]["accuracy"]["value"] for name, path in zip(CONFIG["datasets"], FILES, strict=False)
    }
    assert accuracy["all"] == 1.0
    assert accuracy["three"] < 0.9


def test_each_band_has_its_own_range(run):
    fourth = run.read("results/data/all/data_card.json")["image"]["band_ranges"][3]
    assert 90 <= fourth[0] < 110 and 490 < fourth[1] <= 510
    assert "band_ranges" not in run.read("results/data/three/data_card.json")["image"]
    assert "black and white of each band: 1 10" in (run.folder / "results/data/all/data_card.html").read_text()


def test_a_student_of_other_bands_is_compared_with_its_teacher(run):
    assert run.read("results/distill/student.smaller.kd/seed0/label/agreement.json")["student"]["flops"] > 0


def test_new_files_are_predicted_and_the_exported_model_says_the_same(run):
    frame = pd.read_csv(run.folder / "results/predict/new.csv")
    assert list(frame["predicted"]) == ["dry", "wet"] * 3
    model = exported.load_exported(run.folder / EXPORT)
    found = exported.predict(model, [run.folder / "new" / f"{seed}.tif" for seed in range(100, 106)])["label"]
    np.testing.assert_allclose(found["prob_wet"], frame["prob_wet"], atol=1e-3)


def test_an_image_with_fewer_bands_is_named(run):
    """In a data set, where it is an error, and in new data, where it is left out."""
    (run.folder / "new" / "three.tif").write_bytes(tiff(np.zeros((SIDE, SIDE, 3), np.uint16), photometric="rgb"))
    graft(run.folder, run.folder / "config.yaml", "results/predict/new.csv")
    row = pd.read_csv(run.folder / "results/predict/new.csv").set_index("sample_id").loc["three.tif"]
    assert row["problem"] == "3 bands, and the model learned from images of 4"
