"""From a rule's inputs to a trainer, and from a history to its file."""

from importlib.metadata import version
from pathlib import Path

import pandas as pd

from graft.common.device import choose_device, choose_precision
from graft.common.outputs import digest_of, read_json, sha256_of_file, write_csv
from graft.config.plan import as_list
from graft.data.samples import card_beside
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store
from graft.training.data import TargetDomain, TrainingData
from graft.training.state import StateFiles
from graft.training.trainer import Trainer

ALWAYS = ("epoch", "train_loss", "val_acc", "val_loss")
COLUMNS = (
    *ALWAYS,
    "val_auroc",
    "val_r2",
    "lr",
    "stage",
    "l2",
    "best",
    "val_loss_calibrated",
    "unseen_loss",
    "target",
    "pool_rows",
)


def open_trainer(inputs, params, states, seed, entry, store, gpus=0, threads=1, fold=None, subset=None):
    """The trainer that a rule describes; its state belongs to exactly these inputs.

    Parameters
    ----------
    inputs : dict, name -> path as the rule has it: samples, digest, dataset, backbone; where the method needs them features,
        teacher, start (a model that another continues), chosen (the settings that a search has taken), fitted (of vectors' preprocessing), pool_digest (a list, of a student that
        learns from the pool), target_digest (a list)
    params : dict of the rule's params: settings (the model's), mode (precision, layout, compile, cpu_kernels and engine as the config says), code
        (digest of the code), folds (where a fold is held out)
    states : path of the folder of the state files
    entry : dict, the data set's entry of the config
    store : dict, the config's
    fold : int, the fold of the train rows that is held out; None: none
    subset : (fraction, draw), the train rows that are taken (see curves.subsets); None: all
    """
    settings, mode, folds = params["settings"], params["mode"], params.get("folds")
    if "chosen" in inputs:
        settings = settings | read_json(inputs["chosen"])
    device = choose_device(gpus)
    precision = choose_precision(mode["precision"], device)
    card = card_beside(inputs["samples"])
    backbone = features.pretrained(Path(inputs["backbone"]).parent, card, inputs.get("fitted"))
    fingerprint = digest_of(
        {
            "data": Path(inputs["digest"]).read_text(),
            "more_data": [
                Path(path).read_text() for key in ("pool_digest", "target_digest") for path in inputs.get(key, [])
            ],
            "weights": backbone.weights,
            "models": [sha256_of_file(inputs[name]) for name in ("teacher", "start") if name in inputs],
            "settings": settings,
            "seed": seed,
            "fold": [fold, folds],
            "subset": subset,
            "mode": {**mode, "precision": precision},
            "code": params["code"],
            "versions": [version(package) for package in ("torch", "torchvision", "timm", "transformers")],
        }
    )
    data = TrainingData(
        settings=settings,
        samples=inputs["samples"],
        source=open_source(inputs["dataset"], entry, card),
        backbone=backbone,
        store=Store.of(store),
        threads=threads,
        features=inputs.get("features"),
        domain=rows_of(settings, "source"),
        fold=fold,
        folds=folds,
        subset=subset,
    )
    states = StateFiles(states, fingerprint)
    return Trainer(
        data,
        seed,
        states,
        device,
        precision,
        mode["layout"],
        mode["compile"],
        engine=mode.get("engine", "torch"),
        with_kernels=mode["cpu_kernels"],
    )


def open_target(inputs, trainer, entry):
    """The target domain of a trainer: TargetDomain.

    Parameters
    ----------
    inputs : dict, name -> path as the rule has it: target_samples, target_dataset, backbone; where the method needs them
        target_features (a list), fitted
    entry : dict, the config's entry of the target's data set
    """
    data, card = trainer.data, card_beside(inputs["target_samples"])
    return TargetDomain(
        samples=inputs["target_samples"],
        source=open_source(inputs["target_dataset"], entry, card),
        backbone=features.pretrained(Path(inputs["backbone"]).parent, card, inputs.get("fitted")),
        store=data.store,
        threads=data.threads,
        features=inputs.get("target_features"),
        domain=rows_of(trainer.settings, "target"),
    )


def rows_of(settings, which):
    """The column and the values of the rows of the source or target domain of a model's settings; None for all rows."""
    domain = settings.get("domain")
    return domain and (domain["column"], as_list(domain[which]))


def write_history(path, history):
    """One row per epoch (or, for the probe, per target and L2 candidate); columns without any value are left out.

    Where a model has several targets, each has columns of its own at the end, such as val_acc_TARGET.
    """
    frame = pd.DataFrame(history)
    known = [name for name in COLUMNS if name in ALWAYS or name in frame]
    write_csv(path, frame.reindex(columns=[*known, *(name for name in frame if name not in COLUMNS)]))
