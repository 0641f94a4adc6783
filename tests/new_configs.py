"""`make new` run in a folder of a test, and the tables, vectors and images that it is run on."""

import numpy as np
import yaml

from graft.config import load
from graft.data.prepare import prepare
from new_config import main
from tiny_data import encoded, pixels

WAVES = [str(900 + 5 * i) for i in range(6)]
SENTENCE = "the cell number {} was seen in the left part of the dish"


def new(data, monkeypatch, tmp_path):
    """(entry as written, prepared whole, what was said, config's text) of `make new` for a path."""
    monkeypatch.chdir(data.parent)
    config = tmp_path / "written.yaml"
    said = main(data.name, str(config))
    raw = yaml.safe_load(config.read_text())
    ((name, entry),) = load(raw)["datasets"].items()
    seen = prepare(name, entry, (data.parent / entry["source"]["path"]).resolve())
    return raw["datasets"][name], seen, said, config.read_text()


def table(path, head, rows, mark=","):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([mark.join(head), *(mark.join(map(str, row)) for row in rows)]) + "\n")
    return path


def vectors(rows, width=6, decimals=4):
    return [[f"{v:.{decimals}f}" for v in row] for row in np.random.default_rng(1).normal(size=(rows, width))]


def images(folder, names):
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encoded(pixels(number)))
