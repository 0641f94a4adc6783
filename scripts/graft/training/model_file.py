"""The content of the file that a training leaves: the network, what its outputs mean, and how it is calibrated."""

import numpy as np

from graft.data.images import image_format
from graft.heads import solvers
from graft.heads.calibration import fit_calibration, residual_std
from graft.networks.network import outputs_of, to_dict
from graft.training.data import HELD_OUT


def content_of(trainer, trained):
    """The content of ft_model.pt: a dict for `network.load`."""
    settings, target = trainer.settings, trainer.settings["target"]
    return to_dict(
        trained.network,
        name=settings["name"],
        seed=trainer.seed,
        method=settings["method"],
        dataset=settings["dataset"],
        targets={target: {**trainer.data.target, **calibration_of(trainer, trained)}},
        fold_heads=trained.fold_heads,
        frozen=trainer.frozen,
        **meaning_of(trainer.data.source.card),
    )


def calibration_of(trainer, trained):
    """The temperature and intercepts of class probabilities; of values mean, standard deviation and spread of residuals."""
    outputs, codes = _honest_outputs(trainer, trained)
    if trainer.data.target["kind"] == "classification":
        return fit_calibration(outputs, codes, trainer.shift)
    mean, std = trainer.data.scale
    return {"mean": mean, "std": std, "residual_std": std * float(residual_std(codes, outputs[:, 0]))}


def _honest_outputs(trainer, trained):
    """Outputs for rows that the model, or the probe's head of their fold, did not see, and the rows' codes.

    Of a network these are the validation rows, of a probe on a frozen one those of all folds, too.
    """
    data, validation = trainer.data, trainer.data.places("validation")
    if not trainer.frozen:
        outputs = trainer.outputs(trained.network, validation)
    elif trained.unseen is not None:
        known = np.isfinite(trained.unseen[:, 0])
        return trained.unseen[known], data.codes[known]
    else:
        head = trained.network.heads[trainer.settings["target"]]
        weight, bias = head.weight.detach().cpu(), head.bias.detach().cpu()
        outputs = solvers.outputs(data.embeddings[validation], weight, bias)
    return outputs, data.codes[validation]


def held_out(trainer, trained):
    """The ids of the rows that were held out, n, and the network's outputs for them, shape (n, outputs).

    Logits; or values in the target's own unit, since each fold's train rows have a mean and a spread of their own.
    """
    data, places = trainer.data, trainer.data.places(HELD_OUT)
    if not len(places):  # no row of the fold has this target
        return [], np.empty((0, outputs_of(data.target)))
    mean, std = data.scale
    return data.rows["sample_id"].iloc[places].tolist(), trainer.outputs(trained.network, places) * std + mean


def meaning_of(card):
    """What ft_model.pt says of the data (data_card.json): how pixels are read, and what the columns of a table hold.

    Without it, a model alone could not be run on 16-bit images, or on a table whose columns are in another order.
    """
    image = {"image": image_format(card)} if card["modality"] == "image" else {}
    return image | ({"columns": card["columns"]} if card.get("columns") else {})
