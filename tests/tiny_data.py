"""Small data sets that tests make: real PNG, JPEG, TIFF, CSV, Parquet and NumPy files, written as users write them."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile
import yaml
from PIL import Image

from graft.data.prepare import prepare

# A network of 1.4 MB: copies of finished runs cost little time and disk.
UNTRAINED = {"library": "timm", "architecture": "test_efficientnet", "input_size": 32, "source": {"random": True}}
TORCH = {"engine": "torch"}  # `device` where OpenVINO is not what is tested: to convert a network takes seconds
THREE_WAY = {"split": {"validation": 0.2, "test": 0.2}, "folds": 2}


def pixels(seed, height=12, width=16, channels=3, dtype=np.uint8):
    """Random pixels, different for every seed; shape (height, width[, channels])."""
    shape = (height, width) if channels == 1 else (height, width, channels)
    values = np.random.default_rng(seed).random(shape)
    return (values * np.iinfo(dtype).max).astype(dtype) if np.issubdtype(dtype, np.integer) else values.astype(dtype)


def encoded(array, kind="PNG", **options):
    """The bytes of an image file that Pillow writes."""
    file = io.BytesIO()
    Image.fromarray(array).save(file, format=kind, **options)
    return file.getvalue()


def tiff(array, **options):
    """The bytes of a TIFF that tifffile writes."""
    file = io.BytesIO()
    tifffile.imwrite(file, array, **options)
    return file.getvalue()


def png16(array):
    """A 16-bit colour PNG, which Pillow cannot write."""
    height, width, channels = array.shape

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    lines = b"".join(b"\0" + line.astype(">u2").tobytes() for line in array)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def npy(array):
    """The bytes of a .npy file."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def class_folders(root, images, classes=("a", "b"), suffix=".tif"):
    """One file for each of `images` (bytes), in turn in the folder of each class; gives the root back."""
    for i, data in enumerate(images):
        path = Path(root) / classes[i % len(classes)] / f"{i:03}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return Path(root)


def image_folder(root, per_class=6, classes=("cat", "dog"), **shape):
    """One folder of PNG files per class; gives the folder back."""
    for number, name in enumerate(classes):
        (Path(root) / name).mkdir(parents=True, exist_ok=True)
        for i in range(per_class):
            (Path(root) / name / f"{i}.png").write_bytes(encoded(pixels(1000 * number + i, **shape)))
    return Path(root)


def text_table(root, rows=12, name="t.csv", classes=("a", "b")):
    """A table of id, text and label, one row per sample; gives the entry that reads it."""
    lines = [f"s{i},text number {i},{classes[i % len(classes)]}" for i in range(rows)]
    Path(root).mkdir(parents=True, exist_ok=True)
    (Path(root) / name).write_text("\n".join(["id,text,label", *lines]) + "\n")
    return {"table": name, "columns": {"id": "id", "text": "text"}}


def write_lines(root, *lines, name="t.csv", encoding="utf-8"):
    (Path(root) / name).write_bytes("\n".join([*lines, ""]).encode(encoding))


def prepared(root, **entry):
    """What prepare_data makes of a folder."""
    return prepare("tiny", {**THREE_WAY, **entry}, root)


def small_lab(folder):
    """A config of every stage on two folders of small images and untrained networks, and these images; its path.

    All of it runs in about a minute on two cores, without a network.
    """
    config = {
        "datasets": {"cells": {"source": {"path": "cells"}, "split": {"validation": 0.25, "test": 0.25}, "folds": 2}},
        "backbones": {"tiny": UNTRAINED, "smaller": {**UNTRAINED, "input_size": 24}},
        "device": TORCH,
        "finetune": {"cells": {"dataset": "cells", "backbone": "tiny", "method": "linear"}},
        "few_shot": {
            "few": {"dataset": "cells", "backbone": "tiny", "shots": [1], "queries": 1, "ways": 2, "episodes": 5}
        },
        "distill": {"small": {"teacher": "cells.tiny.linear", "backbone": "smaller", "epochs": 1}},
    }
    image_folder(Path(folder) / "cells", per_class=12)
    path = Path(folder) / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def trainings(pictures, **settings):
    """A config that trains a small network on a folder of pictures, by the method `full` unless `settings` differ."""
    model = {"dataset": "cells", "backbone": "tiny", "method": "full", "batch_size": 4, "patience": None, **settings}
    return {
        "datasets": {"cells": {"source": {"path": str(pictures)}, "split": {"validation": 0.2, "test": 0.2}}},
        "backbones": {"tiny": UNTRAINED},
        "finetune": {"cells": model},
    }
