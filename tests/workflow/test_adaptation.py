"""A model that adapts to the pool depends on the pool, and no other model does."""

import json

import numpy as np
import yaml

from running import graft

METHODS = ("coral", "linear")
CONFIG = {
    "datasets": {"spectra": {"source": {"path": "spectra"}, "targets": {"label": {"column": "y"}}}},
    "finetune": {"m": {"dataset": "spectra", "backbone": "vectors", "method": list(METHODS)}},
}
FOLDERS = [f"results/finetune/m.vectors.{method}/seed0" for method in METHODS]
MOST = 220


def write_spectra(folder, pool):
    """Train and validation rows of one instrument; test rows and `pool` rows of another, scaled, mixed and moved."""
    draw = np.random.default_rng(0)
    labels, shift = draw.integers(2, size=400 + MOST), np.random.default_rng(1).normal(size=(6, 6))
    values = draw.normal(size=(len(labels), 6)) + 3 * labels[:, None] * np.eye(6)[1]
    other = np.arange(len(labels)) >= 300
    values[other] = values[other] @ (np.eye(6) + 0.3 * shift) * [1, 2, 0.5, 1, 3, 1] + 4
    splits = np.repeat(["train", "validation", "test", "pool"], [200, 100, 100, MOST])
    texts = np.where(other & (splits == "pool"), "", labels.astype(str))
    np.savez(
        folder / "spectra" / "d.npz",
        X=values.astype(np.float32)[: 400 + pool],
        y=texts[: 400 + pool],
        splits=splits[: 400 + pool],
    )


def test_new_pool_rows_make_the_adapted_model_anew_and_no_other(tmp_path):
    (tmp_path / "spectra").mkdir()
    write_spectra(tmp_path, pool=200)
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG))
    metrics = [f"{folder}/label/metrics.json" for folder in FOLDERS]
    graft(tmp_path, config, *metrics)
    adapted, unadapted = (json.loads((tmp_path / file).read_text())["test"]["accuracy"]["value"] for file in metrics)
    assert adapted > unadapted + 0.1

    write_spectra(tmp_path, MOST)
    jobs = graft(tmp_path, config, *(f"{folder}/ft_model.pt" for folder in FOLDERS)).jobs
    assert jobs["finetune"] == ["Fine-tuning m.vectors.coral, seed 0"]
    assert len(jobs["embed"]) == 1
