"""The method that CONTRIBUTING.md adds as an example works in a checkout, from that one file alone."""

import re
import shutil

import torch
import yaml
from safetensors.torch import load_file

from running import ROOT, graft
from tiny_data import UNTRAINED, image_folder

CONFIG = {
    "datasets": {"cells": {"source": {"path": "cells"}, "duplicates": "allow"}},
    "backbones": {"tiny": UNTRAINED},
    # The solved head is nearly constant and the validation rows are the train rows: training is better on every processor.
    "finetune": {
        "solar": {
            "dataset": "cells",
            "backbone": "tiny",
            "method": "bitfit",
            "epochs": 4,
            "l2": [1000.0],
            "head_lr": 0.03,
        }
    },
}


def test_the_guides_example_of_a_method_trains_biases_alone(tmp_path):
    for name in ("rules", "scripts", "config", "envs"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name)
    shutil.copy(ROOT / "Snakefile", tmp_path / "checkout")
    chapter = (ROOT / "CONTRIBUTING.md").read_text().split("## Add a method")[1]
    code = re.search(r"```python\n(.*?)```", chapter, re.DOTALL).group(1)
    (tmp_path / "checkout/scripts/graft/training/methods/bitfit.py").write_text(code)
    image_folder(tmp_path / "cells/train", per_class=12)
    for split in ("validation", "test"):
        shutil.copytree(tmp_path / "cells/train", tmp_path / "cells" / split)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    model = "results/finetune/solar.tiny.bitfit/seed0/ft_model.pt"
    graft(tmp_path, tmp_path / "config.yaml", model, snakefile=tmp_path / "checkout/Snakefile")
    before = load_file(tmp_path / "resources/backbones/tiny/model.safetensors")
    after = torch.load(tmp_path / model, weights_only=True)["state_dict"]
    moved = {name for name in before if not torch.equal(before[name], after[f"backbone.{name}"])}
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    trained = {name for name in before if name.endswith("bias")}
    assert moved - {name for name in moved if name.endswith(statistics)} == trained
