"""From a rule's inputs to a training run, and from a history to its file."""

from importlib.metadata import version
from pathlib import Path

import pandas as pd

from graft.common.device import choose_device, choose_precision
from graft.common.job import gpus_of
from graft.common.outputs import digest_of, sha256_of_file, write_csv
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.inputs import open_source
from graft.store import Store
from graft.training.runs import Run
from graft.training.state import State

ALWAYS = ("epoch", "train_loss", "val_acc", "val_loss")
COLUMNS = (*ALWAYS, "val_auroc", "val_r2", "lr", "stage", "l2", "best", "val_loss_calibrated", "unseen_loss")


def open_run(snakemake, output="model"):
    """The run that a rule describes; its state lies beside the named output and belongs to exactly these inputs."""
    settings, seed = snakemake.params.settings, int(snakemake.wildcards.seed)
    fold, folds = getattr(snakemake.wildcards, "fold", None), getattr(snakemake.params, "folds", None)
    device = choose_device(gpus_of(snakemake))
    mode = snakemake.params.mode
    precision = choose_precision(mode["precision"], device)
    card = read_manifest(snakemake.input.samples, without_test=True).card
    backbone = features.pretrained(Path(snakemake.input.backbone).parent, card)
    fingerprint = digest_of(
        {
            "data": Path(snakemake.input.digest).read_text(),
            "pool": [Path(path).read_text() for path in snakemake.input.get("pool_digest", [])],
            "weights": backbone.weights,
            "teacher": sha256_of_file(snakemake.input.teacher) if snakemake.input.get("teacher") else None,
            "settings": settings,
            "seed": seed,
            "fold": [fold, folds],
            "mode": {**mode, "precision": precision},
            "code": snakemake.params.code,
            "versions": [version(package) for package in ("torch", "torchvision", "timm", "transformers")],
        }
    )
    return Run(
        settings=settings,
        seed=seed,
        samples=snakemake.input.samples,
        features=snakemake.input.get("features"),
        pool=snakemake.input.get("pool"),
        source=open_source(
            snakemake.input.dataset,
            snakemake.config["datasets"][settings["dataset"]],
            card,
        ),
        backbone=backbone,
        store=Store.of(snakemake.config["store"]),
        state=State(Path(getattr(snakemake.output, output)).parent / ".state", fingerprint),
        device=device,
        precision=precision,
        threads=snakemake.threads,
        layout=mode["layout"],
        compile=mode["compile"],
        fold=None if fold is None else int(fold),
        folds=folds,
    )


def write_history(path, history):
    """One row per epoch (or, for the probe, per L2 candidate); columns without any value are left out."""
    frame = pd.DataFrame(history)
    write_csv(path, frame.reindex(columns=[name for name in COLUMNS if name in ALWAYS or name in frame]))
