"""Small data that the cluster's jobs work on."""

import numpy as np
from PIL import Image


def write_pictures(folder, count=48):
    """Two classes of random pictures."""
    for i in range(count):
        path = folder / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(i).integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(path)
    return folder


def write_vectors(folder, count=200, width=8):
    """Two classes of vectors, one moved."""
    draw = np.random.default_rng(0)
    labels = np.arange(count) % 2
    values = draw.normal(size=(count, width)) + labels[:, None]
    folder.mkdir()
    np.savez(folder / "d.npz", X=values.astype(np.float32), y=labels.astype(str))
    return folder


def trainings(pictures, seeds=(0,), epochs=8, **settings):
    """A config that trains a small network with random weights on `pictures`, saving its state every second."""
    return {
        "datasets": {"cells": {"source": {"path": str(pictures)}, "split": {"validation": 0.2, "test": 0.2}}},
        "backbones": {
            "tiny": {
                "library": "timm",
                "architecture": "tf_efficientnet_lite0",
                "input_size": 32,
                "source": {"random": True},
            }
        },
        "finetune": {
            "cells": {
                "dataset": "cells",
                "backbone": "tiny",
                "method": "full",
                "seeds": list(seeds),
                "epochs": epochs,
                "batch_size": 4,
                "patience": None,
                "save_every": 1,
                **settings,
            }
        },
    }
