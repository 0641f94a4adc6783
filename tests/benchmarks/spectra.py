"""A head on spectra of one instrument, tested on those of another: as measured, and after the steps of `preprocess`.

`PYTHONPATH=scripts:tests python -m benchmarks.spectra` prints the table of docs/results.md.
"""

import numpy as np
import torch

from graft.adaptation.domains import Domains
from graft.adaptation.methods import coral
from graft.config import load
from graft.evaluation.intervals import mean_interval
from graft.heads.probe import solve_probe
from graft.networks import backbones, preprocessing
from graft.networks.weights import load_strictly
from instruments import COUNTS, NAMES, spectra

SEEDS = range(10)
FIRST = {"savitzky_golay": {"window": 11, "order": 2, "derivative": 1}}
STEPS = {
    "as measured": [],
    "as measured, `coral`": [],
    "`standardise`": ["standardise"],
    "`snv`": ["snv"],
    "`msc`": ["msc"],
    "`baseline`": ["baseline"],
    "first derivative": [FIRST],
    "first derivative, `snv`": [FIRST, "snv"],
    "`snv`, first derivative, `pca` (20)": ["snv", FIRST, {"pca": {"components": 20}}],
}


def completed(steps):
    """The steps with all their settings, as the config has them once it is loaded."""
    config = {"datasets": {"d": {"source": {"path": "."}}}, "backbones": {"b": {"library": "vectors"}}}
    config["backbones"]["b"]["preprocess"] = steps
    return load(config)["backbones"]["b"]["preprocess"]


def network_of(steps, rows, names=NAMES):
    """The network of some steps, fitted on `rows`, as `embed` makes it of a backbone and of a data set's card; its spec."""
    steps, card = completed(steps), {"vector": {"width": rows.shape[1]}, "columns": {"features": names}}
    state = preprocessing.fit(steps, rows, preprocessing.axis_of_card(card))
    spec = {"library": "vectors", "modality": "vector", "preprocessing": {"steps": steps}}
    spec = preprocessing.complete(spec, card, state)
    network = backbones.build(spec)
    load_strictly(network, state)
    return network, spec


def transformed(steps, rows, train):
    """Rows after the steps, fitted on those that `train` says; float32."""
    if not steps:
        return rows
    return network_of(steps, rows[train])[0](torch.from_numpy(rows)).numpy()


def accuracies(name, seed):
    """Accuracy on held-out rows of the labelled instrument, and on the other one's."""
    frame = spectra(seed)
    splits = np.repeat(list(COUNTS), list(COUNTS.values()))
    codes = (frame["truth"] == "wheat").to_numpy(np.int64)
    rows = transformed(STEPS[name], np.array(frame[NAMES]), splits == "train")
    known, unit = np.isin(splits, ["train", "validation"]), None
    labelled = rows[known]
    if name.endswith("`coral`"):
        source, target = torch.from_numpy(rows[splits == "train"]), torch.from_numpy(rows[splits == "pool"])
        maps = coral.maps(Domains.of(source, target, 0.0), {})
        labelled, unit = maps.source.of(torch.from_numpy(labelled)).numpy(), maps.unit
    folds = np.where(splits[known] == "train", np.arange(known.sum()) % 5, -1)
    target = {"kind": "classification", "classes": ["rye", "wheat"]}
    settings = {"l2": None, "class_weights": "none"}
    head = solve_probe(labelled, codes[known], splits[known], folds, target, settings, 0.0, unit)

    def accuracy(rows, codes):
        outputs = rows.astype(np.float64) @ head["weight"].numpy().T + head["bias"].numpy()
        return float(np.mean(outputs.argmax(1) == codes))

    own = splits[known] == "validation"
    return accuracy(labelled[own], codes[known][own]), accuracy(rows[splits == "test"], codes[splits == "test"])


def row(name, seeds=SEEDS):
    """A row of the table: means over draws of the data, with 95 % intervals."""
    found = [mean_interval(values) for values in zip(*(accuracies(name, seed) for seed in seeds), strict=True)]
    cells = [f"{one['value']:.3f} [{one['low']:.3f}, {one['high']:.3f}]" for one in found]
    return f"| {name} | {cells[0]} | {cells[1]} |"


if __name__ == "__main__":
    print("| spectra | same instrument | other instrument |\n|---|---|---|")
    for name in STEPS:
        print(row(name), flush=True)
