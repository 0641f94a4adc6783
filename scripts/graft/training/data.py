"""The data of a training: its rows, labels, splits, stored embeddings and inputs. No test row is among them."""

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd

from graft.common import plugins, ranks
from graft.common.errors import UserError
from graft.curves.subsets import FRACTIONS, LEFT_OUT, drawn
from graft.data.samples import of_domain, read_manifest, read_unlabelled
from graft.data.splitting.halves import kept_aside
from graft.embedding.input_batches import open_inputs
from graft.heads import principal_axes
from graft.store.feature_files import features_of

HELD_OUT = "held out"  # the split of train rows that a fold's model does not see
KEPT_ASIDE = "kept aside"  # the split of validation rows that choose nothing, since they calibrate sets
POOL = "pool"  # the split of rows without a label, which a teacher answers


@dataclass(frozen=True)
class Target:
    """One target of a training, and its labels of all rows.

    name : str
    kind : module of targets/kinds
    facts : dict, what labels.json says, and how the kind reads outputs (`encode`)
    codes : array, shape (n, ..), what the loss compares outputs with
    known : array of bool, shape (n,), which rows have a label
    share : float, of the rows that are trained on that have one
    chance_loss : float, the mean loss of the best constant answer for these
    class_counts : array of int, shape (classes,), train rows of each class, if the loss weighs classes by them; else None
    """

    name: str
    kind: ModuleType
    facts: dict
    codes: np.ndarray
    known: np.ndarray
    share: float
    chance_loss: float
    class_counts: np.ndarray | None

    @property
    def outputs(self):
        """How many outputs a network has for it."""
        return self.kind.outputs_of(self.facts)


@dataclass
class TrainingData:
    """The rows of the targets of a model, and what a network gets of them.

    `settings` are the model's settings from the config, `features` the path of the stored embeddings or None,
    `domain` is the column and the values of the rows that are taken, None for all. With `fold`, train rows of that fold are
    held out; the manifest's folds are joined to as many as `folds` says (see splitting/splits). With `subset`, a fraction and
    a draw (see curves.subsets), the other train rows are left out.
    """

    settings: dict
    samples: str
    source: SimpleNamespace
    backbone: SimpleNamespace
    store: object
    threads: int = 1
    features: str | None = None
    domain: tuple | None = None
    fold: int | None = None
    folds: int | None = None
    subset: tuple | None = None

    @cached_property
    def manifest(self):
        return read_manifest(self.samples, without_test=True)

    @cached_property
    def labelled(self):
        """The train and validation rows that have a label of any of the targets, in the manifest's order."""
        rows = of_domain(self.manifest.part("labelled"), self.domain)
        return rows[self._has_label(rows)].reset_index(drop=True)

    @cached_property
    def learns_from_pool(self):
        """Whether this is a student that also learns from rows without a label; unless it is told, where there is a pool."""
        asked = self.settings.get("pool", False)
        return bool((self.manifest.frame["split"] == POOL).any()) if asked is None else asked

    @cached_property
    def rows(self):
        """`labelled`, and after these, for a student that learns from them, the rows without a label of any of the targets:
        those of the pool and of the train split. Not copies of labelled rows, which may be rows of the test split."""
        if not self.learns_from_pool:
            return self.labelled
        train = self.manifest.frame[self.manifest.frame["split"] == "train"]
        pool = self.manifest.part("pool")
        unlabelled = pd.concat([pool[~pool["labelled_copy"]], train[~self._has_label(train)]])
        return pd.concat([self.labelled, unlabelled.assign(split=POOL)], ignore_index=True)

    def _has_label(self, rows):
        return rows[self.settings["targets"]].notna().any(axis=1)

    @cached_property
    def splits(self):
        """The split of each row; HELD_OUT where a fold's model is to predict a train row that it has not seen, LEFT_OUT of train
        rows that are not in the subset, KEPT_ASIDE of validation rows that are to choose nothing."""
        splits = self.rows["split"].to_numpy(dtype=object, copy=True)
        if self.settings.get("keep_aside"):
            splits[kept_aside(self.rows, {name: self.manifest.targets[name] for name in self.settings["targets"]})] = (
                KEPT_ASIDE
            )
        if self.fold is not None:
            splits[(splits == "train") & (self.rows["fold"].to_numpy() % self.folds == self.fold)] = HELD_OUT
        if self.subset is not None:
            splits[self._outside(np.flatnonzero(splits == "train"))] = LEFT_OUT
        return splits

    def _outside(self, train):
        """The places of train rows that are not in the subset. Of several targets, it has the shares of the first one's classes."""
        (fraction, draw), first = self.subset, self.settings["targets"][0]
        places = drawn(self.rows.iloc[train], first, self.manifest.targets[first]["kind"], draw)
        return train[places > FRACTIONS.index(fraction)]

    def places(self, split):
        """The places of a split's rows among `rows`, array of int."""
        return np.flatnonzero(self.splits == split)

    @cached_property
    def taught(self):
        """The places of the rows that a network is trained on: train rows, and those of the pool if a student learns from it."""
        return np.flatnonzero((self.splits == "train") | (self.splits == POOL))

    def check(self):
        """Refuse to train on nothing, and to learn from a pool that is not there."""
        labelled = self.rows[self.settings["targets"]].notna()
        for split in ("train", "validation"):
            for name in self.settings["targets"]:
                if not labelled[name].to_numpy()[self.places(split)].any():
                    what = f"the data set has no {split} row with a label of target '{name}'"
                    raise UserError(what, where=self.settings["name"])
        if self.learns_from_pool and not len(self.places(POOL)) and labelled.to_numpy()[self.taught].all():
            what = "`pool: true`, but every train row of the data set has its labels, and there is no other"
            hint = "leave the line out; or hide labels for a trial: `split: {pool: SHARE}` of the data set"
            raise UserError(what, where=self.settings["name"], hint=hint)

    @cached_property
    def weights(self):
        """The weight of each row in the loss, of mean 1 over train rows, float array of shape (n,); None: all count equally.

        Rows of the pool have none of their own and count as a train row does on average.
        """
        weights = self.rows["weight"].to_numpy(np.float64)
        train = weights[self.splits == "train"]
        if np.isnan(train).all():
            return None
        if not (train > 0).any():
            what = "the weights of all of its train rows are 0"
            raise UserError(what, self.settings["name"], "a train row with a weight above 0 (columns.weight)")
        return np.where(np.isnan(weights), 1.0, weights / np.nanmean(train))

    @cached_property
    def targets(self):
        """Target by name, in the order of the config."""
        return {name: self._target(name) for name in self.settings["targets"]}

    def _target(self, name):
        facts, train = self.manifest.targets[name], self.splits == "train"
        kind = plugins.load("kind", facts["kind"])
        codes, reading = kind.encode(self.manifest.codes(name, self.rows), train, facts)
        known, counts = kind.known(codes), None
        if kind.CLASS_WEIGHTS and self.settings["class_weights"] == "balanced":
            counts = np.bincount(codes[train & known], minlength=kind.outputs_of(facts))
        # A target that is the same everywhere has no loss to be divided by.
        share, chance = float(known[self.taught].mean()), kind.chance_loss(codes[train]) or 1.0
        return Target(name, kind, {**facts, **reading}, codes, known, share, chance, counts)

    @cached_property
    def inputs(self):
        with ranks.first_alone():
            return open_inputs(self.rows, self.source, self.backbone, self.store, self.threads)

    @cached_property
    def embeddings(self):
        """The stored embeddings of the labelled rows, which come first among the rows; float32 array of shape (n, width)."""
        return features_of(self.labelled, self.features)

    @property
    def dead(self):
        """The share of the widest column's spread below which a column of the embeddings is constant (see principal_axes).

        Of vectors none: they have units. What `preprocess` leaves of dead columns is zeros, or no component at all.
        """
        return 0.0 if self.backbone.spec["library"] == "vectors" else principal_axes.DEAD


@dataclass
class TargetDomain:
    """The rows that a model is adapted to: those of the target domain but its test rows, and no label of any.

    `samples`, `source`, `backbone`, `store`, `threads` and `domain` as for TrainingData; `features` are the paths of the stored
    embeddings of the parts that these rows are in, or None.
    """

    samples: str
    source: SimpleNamespace
    backbone: SimpleNamespace
    store: object
    threads: int = 1
    features: list | None = None
    domain: tuple | None = None

    @cached_property
    def rows(self):
        return read_unlabelled(self.samples, self.domain)

    @cached_property
    def inputs(self):
        return open_inputs(self.rows, self.source, self.backbone, self.store, self.threads)

    @cached_property
    def embeddings(self):
        """float32 array of shape (n, width)."""
        return features_of(self.rows, *self.features)
