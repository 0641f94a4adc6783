"""A training on a subset of the train rows: whether it says anything of the method, and what its network says of judged rows."""

import numpy as np

from graft.common import plugins, ranks
from graft.curves.subsets import unlearnable, vanished
from graft.data.samples import read_judged
from graft.embedding.input_batches import open_inputs


def labels_of(data):
    """How many rows with a label of each target a TrainingData trains on: dict, target -> int."""
    return {name: int(target.known[data.taught].sum()) for name, target in data.targets.items()}


def why_left_out(data):
    """Why a TrainingData's subset says nothing of a method; "" if it does: of each target it has enough labels and every class."""
    if data.rows["weight"].notna().any() and not (data.rows["weight"].iloc[data.taught] > 0).any():
        return "the weights of all of its rows are 0"
    for name in data.settings["targets"]:
        facts = data.manifest.targets[name]
        known = data.rows[name].notna().to_numpy()
        codes = data.manifest.codes(name, data.rows[known])
        learned = np.flatnonzero(data.splits[known] == "train")
        train = np.flatnonzero((data.rows["split"] == "train").to_numpy()[known])
        gone = vanished(codes, learned, train, facts)
        why = unlearnable(codes, learned, plugins.load("kind", facts["kind"]), facts)
        if why or gone is not None:
            return f"{name}: {why or f'class {gone!r} has no row'}"
    return ""


def outputs_of_judged(trainer, network):
    """A network's outputs for all validation and test rows, whose labels are not read: sample ids, and dict, target -> array."""
    data = trainer.data
    rows = read_judged(data.samples)
    with ranks.first_alone():
        inputs = open_inputs(rows, data.source, data.backbone, data.store, data.threads)
    return rows["sample_id"].tolist(), trainer.outputs(network, np.arange(len(rows)), exact=True, inputs=inputs)
