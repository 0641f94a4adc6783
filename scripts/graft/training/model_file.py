"""The content of the file that a training leaves: the network, what its outputs mean, and how it is calibrated."""

import numpy as np

from graft.data.images import image_format
from graft.heads import solvers
from graft.networks.network import to_dict
from graft.training.data import HELD_OUT, KEPT_ASIDE


def content_of(trainer, trained, calibrations=None, card=None, **more):
    """The content of ft_model.pt: a dict for `network.load`.

    `calibrations` says what a method has itself found for a target, in place of what its kind would fit; `card` is that of the
    data that the model is for, by default those that it is trained on; `more` facts of the stage.
    """
    settings = trainer.settings
    targets = facts_of_targets(trainer, trained)
    targets |= {name: {**trainer.data.targets[name].facts, **own} for name, own in (calibrations or {}).items()}
    return to_dict(
        trained.network,
        name=settings["name"],
        seed=trainer.seed,
        method=settings["method"],
        dataset=settings["dataset"],
        targets=targets,
        fold_heads=trained.fold_heads,
        frozen=trainer.frozen,
        kept_aside=bool(len(trainer.data.places(KEPT_ASIDE))),
        **meaning_of(card or trainer.data.source.card),
        **more,
    )


def facts_of_targets(trainer, trained):
    """What makes predictions of the outputs for each target: its kind and classes, how it is read, its calibration."""
    validation = trainer.data.places("validation")
    outputs = {} if trainer.frozen else trainer.outputs(trained.network, validation, exact=True)
    found = {}
    for name, target in trainer.data.targets.items():
        rows, own = (validation, outputs[name]) if name in outputs else _of_probe(trainer, trained, name)
        known = target.known[rows]
        calibration = target.kind.calibrate(own[known], target.codes[rows][known], target.facts, trainer.shift(target))
        found[name] = {**target.facts, **calibration}
    return found


def _of_probe(trainer, trained, name):
    """Rows that the probe's heads for a target did not see, those of all folds, too; and what these heads say of them."""
    unseen = trained.unseen.get(name)
    if unseen is not None:
        rows = np.flatnonzero(np.isfinite(unseen[:, 0]))
        return rows, unseen[rows]
    head, rows = trained.network.heads[name], trainer.data.places("validation")
    weight, bias = head.weight.detach().cpu(), head.bias.detach().cpu()
    return rows, solvers.outputs(trainer.data.embeddings[rows], weight, bias)


def held_out(trainer, trained):
    """The ids of the rows that were held out, n, and the network's outputs for them, target -> array of shape (n, outputs).

    Numbers are in the target's own unit, since each fold's train rows have a mean and a spread of their own.
    """
    data, places = trainer.data, trainer.data.places(HELD_OUT)
    ids = data.rows["sample_id"].iloc[places].tolist()
    if not ids:  # no row of the fold has a label
        return ids, {name: np.empty((0, target.outputs)) for name, target in data.targets.items()}
    outputs = trainer.outputs(trained.network, places, exact=True)
    for name, target in data.targets.items():
        outputs[name] = outputs[name] * target.facts.get("std", 1.0) + target.facts.get("mean", 0.0)
    return ids, outputs


def meaning_of(card):
    """What ft_model.pt says of the data (data_card.json): how pixels are read, and what the columns of a table hold.

    Without it, a model alone could not be run on 16-bit images, or on a table whose columns are in another order.
    """
    image = {"image": image_format(card)} if card["modality"] == "image" else {}
    return image | ({"columns": card["columns"]} if card.get("columns") else {})
