"""The data of a training: its rows, labels, splits, stored embeddings and inputs. No test row is among them."""

from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from graft.common import ranks
from graft.common.errors import UserError
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_inputs
from graft.heads import principal_axes
from graft.networks.network import outputs_of
from graft.store.feature_files import features_of, read_features

HELD_OUT = "held out"  # the split of train rows that a fold's model does not see


@dataclass
class TrainingData:
    """The rows of one target of a data set, and what a network gets of them.

    `settings` are the model's settings from the config, `features` the path of the stored embeddings or None, `pool`
    that of the pool's (None where the method does not use them, or there is no pool). With `fold`, train rows of that
    fold are held out; the manifest's folds are joined to as many as `folds` says (see splitting/splits).
    """

    settings: dict
    samples: str
    source: SimpleNamespace
    backbone: SimpleNamespace
    store: object
    threads: int = 1
    features: str | None = None
    pool: str | None = None
    fold: int | None = None
    folds: int | None = None

    @cached_property
    def manifest(self):
        return read_manifest(self.samples, without_test=True)

    @property
    def target(self):
        """What labels.json says of the target."""
        return self.manifest.targets[self.settings["target"]]

    @cached_property
    def rows(self):
        """The train and validation rows that have this target, in the manifest's order."""
        rows = self.manifest.part("labelled")
        return rows[rows[self.settings["target"]].notna()].reset_index(drop=True)

    @cached_property
    def splits(self):
        """The split of each row; HELD_OUT where a fold's model is to predict a train row that it has not seen."""
        splits = self.rows["split"].to_numpy(dtype=object, copy=True)
        if self.fold is not None:
            splits[(splits == "train") & (self.rows["fold"].to_numpy() % self.folds == self.fold)] = HELD_OUT
        return splits

    def places(self, split):
        """The places of a split's rows among `rows`, array of int."""
        return np.flatnonzero(self.splits == split)

    def check(self):
        """Refuse to train on nothing."""
        for split in ("train", "validation"):
            if not len(self.places(split)):
                raise UserError(f"the data set has no {split} row for this target", where=self.settings["name"])

    @cached_property
    def scale(self):
        """Mean and standard deviation of a regression target over the train rows; (0, 1) for classes."""
        if self.target["kind"] == "classification":
            return 0.0, 1.0
        values = self.manifest.codes(self.settings["target"], self.rows)[self.splits == "train"]
        return float(values.mean()), float(values.std()) or 1.0

    @cached_property
    def codes(self):
        """Class indices (int64) or standardised values (float64) of the rows."""
        codes = self.manifest.codes(self.settings["target"], self.rows)
        if self.target["kind"] == "classification":
            return codes
        mean, std = self.scale
        return (codes - mean) / std

    @property
    def class_counts(self):
        """Train rows of each class, if the loss weighs classes by them; else None."""
        if self.target["kind"] != "classification" or self.settings["class_weights"] != "balanced":
            return None
        return np.bincount(self.codes[self.splits == "train"], minlength=outputs_of(self.target))

    @cached_property
    def inputs(self):
        with ranks.first_alone():
            return open_inputs(self.rows, self.source, self.backbone, self.store, self.threads)

    @cached_property
    def embeddings(self):
        """The stored embeddings of the rows, float32 array of shape (n, width)."""
        return features_of(self.rows, self.features)

    @cached_property
    def pool_embeddings(self):
        return read_features(self.pool)[1]

    @property
    def dead(self):
        """The share of the widest column's spread below which a column of the embeddings is constant (see principal_axes)."""
        return 0.0 if self.backbone.spec["library"] == "vectors" else principal_axes.DEAD
