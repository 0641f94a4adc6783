"""One training run: the rows, labels, inputs and network that a fine-tuning method works with."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from functools import cached_property, partial
from types import SimpleNamespace

import numpy as np
import torch

from graft.common import plugins, ranks
from graft.common.errors import UserError
from graft.data.samples import read_manifest
from graft.embedding.features import first_of, forward
from graft.embedding.input_batches import Chosen, image_format, open_inputs, pinned
from graft.evaluation.metrics import auroc
from graft.heads import principal_axes, solvers
from graft.heads.calibration import fit_calibration, log_loss, log_shares, probabilities, residual_std
from graft.heads.probe import solve_probe
from graft.networks.augment import draw_views, view_seed
from graft.networks.cpu import kernels
from graft.networks.network import Network, outputs_of, to_dict
from graft.store.feature_files import features_of, read_features
from graft.training import loop, losses
from graft.training.batches import shuffled_batches

logger = logging.getLogger("graft")
HELD_OUT = "held out"  # the split of train rows that a fold's model does not see


@dataclass
class Run:
    """What a method needs to train one network on one target.

    `settings` are the model's settings from the config, `features` the path of the stored embeddings or None, `pool`
    that of the pool's (None where the method does not use them, or there is no pool). With `frozen` the network is never
    run: it has the weights of its backbone, not the architecture. With `fold`, train rows of that fold are held out; the
    manifest's folds are joined to as many as `folds` says (see `splits`).
    """

    settings: dict
    seed: int
    samples: str
    features: str | None
    source: SimpleNamespace
    backbone: SimpleNamespace
    store: object
    state: object
    device: torch.device
    precision: str
    threads: int
    layout: str = "channels_last"
    compile: bool = False
    teacher: object = None
    pool: str | None = None
    frozen: bool = False
    fold: int | None = None
    folds: int | None = None
    solved: bool = False  # whether the network has a solved head, which the loop then must better
    unseen: np.ndarray | None = None  # the probe's outputs for the rows that its heads did not see; else NaN

    @cached_property
    def manifest(self):
        """The data set without its test rows: no training may see them."""
        return read_manifest(self.samples, without_test=True)

    @property
    def target(self):
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

    @cached_property
    def network(self):
        torch.manual_seed(self.seed)
        outputs = {self.settings["target"]: outputs_of(self.target)}
        dropped = self.settings["attention_dropout"]
        backbone = self.backbone.stored() if self.frozen else self.backbone.network(attention_dropout=dropped)
        network = Network(backbone, outputs, self.settings["dropout"])
        return kernels.place(network, self.device, self.layout)

    @cached_property
    def inputs(self):
        """Inputs of the train and validation rows."""
        counts = {}
        with ranks.first_alone():
            return open_inputs(self.rows, self.source, self.backbone, self.store, counts, self.threads)

    @cached_property
    def embeddings(self):
        return features_of(self.rows, self.features)

    @cached_property
    def pool_embeddings(self):
        return read_features(self.pool)[1]

    @property
    def dead(self):
        """The share of the widest column's spread below which a column of the embeddings is constant (see principal_axes)."""
        return 0.0 if self.backbone.spec["library"] == "vectors" else principal_axes.DEAD

    def probe(self, unit=None, refit=False):
        """Set the head to the linear probe on the stored embeddings; the history and the heads of the folds.

        `unit`, a Tensor of shape (width,), standardises the embeddings; by default `principal_axes.steadied` does, and vectors'
        own spread. With `refit` the head is fitted on validation rows, too: only for a method that ends here, since these
        rows then judge nothing that starts from it.
        """
        if unit is None and self.dead:  # columns of the user's own keep their own units
            unit = principal_axes.steadied(self.embeddings[self.splits == "train"])
        solved = solve_probe(
            self.embeddings,
            self.codes,
            self.splits,
            self.rows["fold"].to_numpy(),
            self.target,
            self.settings,
            self.dead,
            unit,
            refit,
        )
        logger.info("linear probe: l2 %g", solved["l2"])
        self.network.set_head(self.settings["target"], solved["weight"], solved["bias"])
        self.solved, self.unseen, blind = True, solved["outputs"], solved["unseen"]
        if blind is None:
            return solved["history"], {}
        of_folds = {"folds": blind["folds"], "weight": blind["weight"].float(), "bias": blind["bias"].float()}
        return solved["history"], {self.settings["target"]: of_folds}

    def fit(self, objective=None):
        """Train the network with the loop; the history. After `probe` it is never left worse than with the solved head."""
        loss = plugins.load("objective", objective).loss if objective else losses.OF_KIND[self.target["kind"]]
        train, validation = np.flatnonzero(self.splits == "train"), np.flatnonzero(self.splits == "validation")
        codes = torch.from_numpy(self.codes).to(self.device)
        contents = self.rows["content_sha256"].to_numpy(dtype=object)
        weights = self.class_weights()

        def read(indices, epoch):
            own, of_views = train[indices[ranks.share(len(indices))]], view_seed(self.settings, self.seed, epoch)
            views = draw_views(self.settings["augment"], contents[own], of_views)
            return indices, of_views, views, pinned(self.inputs.batch(own), self.device)

        def step(network, ready):
            indices, of_views, views, batch = ready
            inputs = self.inputs.prepare(batch, self.device, views)
            logits = ranks.gather(network(inputs)[self.settings["target"]].float(), len(indices))
            teacher = self.teacher.logits(indices, of_views) if self.teacher else None
            return loss(logits, codes[train[indices]], self.settings, weights, teacher)

        few = self.inputs.prepare(self.inputs.batch(train[:2]), self.device)

        return loop.fit(
            self.network,
            shuffled_batches(
                self.inputs.lengths[train], self.settings["batch_size"], self.seed, self.settings["accumulate"]
            ),
            read,
            step,
            lambda network: self.evaluate(self._logits(network, validation), self.codes[self.splits == "validation"]),
            self.settings,
            self.seed,
            self.state,
            self.device,
            self.precision,
            nullcontext if self.compile else self._running(first_of(few)),
            partial(kernels.compiled, example=few, device=self.device, precision=self.precision)
            if self.compile
            else None,
            self.solved,
        )

    def _running(self, example):
        """The context of a training step."""
        return kernels.training(self.network, example, self.device, self.precision, self.settings["freeze_batchnorm"])

    def class_weights(self):
        """Weight of each class in the loss, shape (classes,): all that have train rows get the same total, and the mean
        over the train rows is 1. None for equal weights."""
        counts = self._weighted_counts()
        if counts is None:
            return None
        weights = counts.sum() / ((counts > 0).sum() * np.maximum(counts, 1))
        return torch.tensor(weights, dtype=torch.float32, device=self.device)

    def _weighted_counts(self):
        """Train rows of each class, if the loss weighs classes by them; else None."""
        if self.target["kind"] != "classification" or self.settings["class_weights"] != "balanced":
            return None
        return np.bincount(self.codes[self.splits == "train"], minlength=outputs_of(self.target))

    @property
    def shift(self):
        """What the class weights imply for the intercepts of the probabilities (see calibration); None without weights."""
        counts = self._weighted_counts()
        return None if counts is None else log_shares(counts)

    def evaluate(self, outputs, codes):
        """Figures of the history from validation outputs, array of shape (n, outputs)."""
        if self.target["kind"] == "regression":
            residual = outputs[:, 0] - codes
            return {
                "val_loss": float(np.mean(residual**2)),
                "val_r2": float(1 - np.mean(residual**2) / max(np.var(codes), 1e-12)),
            }
        return {
            "val_acc": float(np.mean(outputs.argmax(1) == codes)),
            "val_loss": float(log_loss(outputs, codes).mean()),
            "val_auroc": _auroc(outputs, codes),
            # As the model will be delivered. The plain loss of a network that trains on rises with its confidence, which
            # the temperature takes off again, and would choose an epoch too early.
            "val_loss_calibrated": float(
                log_loss(outputs, codes, **fit_calibration(outputs, codes, self.shift)).mean()
            ),
        }

    def held_out(self):
        """The ids of the rows that were held out, n, and the network's outputs for them, shape (n, outputs).

        Logits; or values in the target's own unit, since each fold's train rows have a mean and a spread of their own.
        """
        places = np.flatnonzero(self.splits == HELD_OUT)
        if not len(places):  # no row of the fold has this target
            return [], np.empty((0, outputs_of(self.target)))
        mean, std = self.scale
        outputs = self._logits(self.network, places) * std + mean
        return self.rows.loc[self.splits == HELD_OUT, "sample_id"].tolist(), outputs

    def finished(self, fold_heads):
        """The content of ft_model.pt."""
        target = self.settings["target"]
        return to_dict(
            self.network,
            name=self.settings["name"],
            seed=self.seed,
            method=self.settings["method"],
            dataset=self.settings["dataset"],
            targets={target: {**self.target, **self._calibration()}},
            fold_heads=fold_heads,
            frozen=self.frozen,
            **meaning_of(self.source.card),
        )

    def _calibration(self):
        outputs, codes = self._honest_outputs()
        if self.target["kind"] == "classification":
            return fit_calibration(outputs, codes, self.shift)
        mean, std = self.scale
        return {"mean": mean, "std": std, "residual_std": std * float(residual_std(codes, outputs[:, 0]))}

    def _honest_outputs(self):
        """Outputs for rows that the model, or the probe's head of their fold, did not see, and the rows' codes.

        Of a network these are the validation rows, of a probe on a frozen one those of all folds, too.
        """
        validation = self.splits == "validation"
        if not self.frozen:
            outputs = self._logits(self.network, np.flatnonzero(validation))
        elif self.unseen is not None:
            known = np.isfinite(self.unseen[:, 0])
            return self.unseen[known], self.codes[known]
        else:
            head = self.network.heads[self.settings["target"]]
            outputs = solvers.outputs(self.embeddings[validation], head.weight.detach().cpu(), head.bias.detach().cpu())
        return outputs, self.codes[validation]

    def _logits(self, network, indices):
        """Logits of some of the inputs, in eval mode and without augmentation."""
        head = _OneHead(network, self.settings["target"])
        own = Chosen(self.inputs, indices[ranks.share(len(indices))])
        outputs = forward(head, own, self.device, self.precision, {"forwards": 0, "padded_tokens": 0})
        every = ranks.gather(torch.from_numpy(outputs).to(self.device), len(indices))
        return every.cpu().numpy().astype(np.float64)


class _OneHead(torch.nn.Module):
    """A network that answers with one target's logits."""

    def __init__(self, network, target):
        super().__init__()
        self.network, self.target = network, target

    def forward(self, inputs):
        return self.network(inputs)[self.target]


def _auroc(logits, codes):
    value, _ = auroc(codes, probabilities(logits))
    return float("nan") if value is None else float(value)


def check_rows(rows, name):
    """Refuse to train on nothing."""
    for split in ("train", "validation"):
        if not (rows["split"] == split).any():
            raise UserError(f"the data set has no {split} row for this target", where=name)


def meaning_of(card):
    """What ft_model.pt says of the data (data_card.json): how pixels are read, and what the columns of a table hold.

    Without it, a model alone could not be run on 16-bit images, or on a table whose columns stand in another order.
    """
    image = {"image": image_format(card)} if card["modality"] == "image" else {}
    return image | ({"columns": card["columns"]} if card.get("columns") else {})
