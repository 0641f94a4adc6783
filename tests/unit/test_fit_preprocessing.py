"""What preprocessing learns comes from train rows; a model with it takes new spectra as they were measured."""

import numpy as np
import pytest
import torch

import fit_preprocessing
from benchmarks.spectra import completed
from graft.common.errors import UserError
from graft.common.outputs import write_json
from graft.data.prepare import digests_of, prepare, write
from graft.data.readers import complete
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.networks import network
from graft.serving.new_predictions import embed_for, tables_of
from graft.serving.trained_model import Beside
from graft.training.model_file import meaning_of
from instruments import NAMES, spectra

ENTRY = complete(
    {
        "source": {"path": "."},
        "reader": "table",
        "table": "t.csv",
        "columns": {"features": "* nm", "id": "sample_id", "split": "split"},
        "targets": {"label": {}},
    }
)
STEPS = ["log", "msc", {"pca": {"components": 5}}]


def frame_of(seed=0):
    return spectra(seed).drop(columns=["truth", "instrument"])


def made(folder, frame, steps=STEPS):
    """A prepared data set and a backbone with steps, and what these were fitted to; paths by name."""
    folder.mkdir()
    frame.to_csv(folder / "t.csv", index=False)
    found = prepare("grain", ENTRY, folder)
    paths = {"samples": "samples.parquet", "labels": "labels.json", "card": "data_card.json"}
    paths = {key: folder / "data" / name for key, name in paths.items()}
    write(found, paths)
    write_json(folder / "dataset.json", {"name": "grain", "root": str(folder)})
    library = {"library": "vectors", "modality": "vector", "name": "b", "architecture": "steps"}
    write_json(folder / "b/backbone.json", {**library, "preprocessing": {"steps": completed(steps)}})
    paths |= {"dataset": folder / "dataset.json", "backbone": folder / "b/backbone.json", "output": folder / "fitted"}
    given = {key: paths[key] for key in ("samples", "dataset", "backbone", "output")}
    fit_preprocessing.main(**given, entry=ENTRY)
    return paths


def test_train_rows_alone_are_fitted_to(tmp_path):
    frame = frame_of()
    first = made(tmp_path / "first", frame)["output"].read_bytes()
    for split, same in (("validation", True), ("test", True), ("", True), ("train", False)):
        changed = frame.copy()
        changed.loc[changed["split"] == split, NAMES] *= 1.5
        assert (made(tmp_path / f"changed {split}", changed)["output"].read_bytes() == first) == same, split


def test_a_step_that_cannot_be_fitted_ends_the_job_with_its_name_and_the_number_of_rows(tmp_path):
    with pytest.raises(UserError, match="200 components, and the 150 train rows of 100 columns have 100") as error:
        made(tmp_path / "pca", frame_of(), [{"pca": {"components": 200}}])
    assert error.value.where == "preprocess: pca"
    low = frame_of()
    low.loc[[3, 5], NAMES[7]] = 0.0
    with pytest.raises(UserError, match=r"2 of 150 rows .* first in column 8 \(956\)"):
        made(tmp_path / "log", low)


def test_one_new_spectrum_that_a_step_cannot_take_is_told_and_no_other_is_left_out(tmp_path):
    paths = made(tmp_path / "run", frame_of())
    manifest = read_manifest(paths["samples"])
    backbone = features.pretrained(paths["backbone"].parent, manifest.card, paths["output"])
    assert backbone.spec["width"] == 5
    torch.manual_seed(0)
    facts = {"kind": "classification", "classes": ["rye", "wheat"], "temperature": 1.0}
    content = network.to_dict(
        network.Network(backbone.network(), {"label": 2}),
        name="m.b.linear",
        seed=0,
        method="linear",
        dataset="grain",
        targets={"label": facts},
        fold_heads={},
        frozen=True,
        **meaning_of(manifest.card),
    )
    new = frame_of(1)[NAMES].head(6)
    new.loc[4, NAMES[2]] = -0.1
    new.to_csv(tmp_path / "new.csv", index=False)
    found = embed_for(content, Beside(None, None, None), tmp_path / "new.csv", precision="fp32")
    table = tables_of(content, *found, "no distances")["label"]
    assert list(table["problem"].notna()) == [False] * 4 + [True, False]
    assert "1 of 1 rows have numbers that are not above 0, first in column 3 (916)" in table["problem"][4]
    rows = torch.from_numpy(new.drop(index=4).to_numpy(np.float32, copy=True))
    wanted = network.from_dict(content)(rows)["label"].softmax(1)[:, 1].detach().numpy()
    np.testing.assert_allclose(table["prob_wheat"].dropna(), wanted, atol=1e-6)


def test_a_renamed_wavelength_is_another_data_set_for_all_that_comes_below(tmp_path):
    frame = frame_of()
    frame.to_csv(tmp_path / "t.csv", index=False)
    first = prepare("grain", ENTRY, tmp_path)
    renamed = {name: f"{2 * float(name.split()[0]):g} nm" for name in NAMES}
    frame.rename(columns=renamed).to_csv(tmp_path / "t.csv", index=False)
    second = prepare("grain", ENTRY, tmp_path)
    before, after = digests_of(first), digests_of(second)
    assert all(before[name] != after[name] for name in before if name != "subgroups")  # these are about rows alone
    assert list(first.frame["content_sha256"]) == list(second.frame["content_sha256"])
