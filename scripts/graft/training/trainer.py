"""What a fine-tuning method works with: the data, the network, the linear probe and the loop."""

import logging
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from graft.common import ranks
from graft.embedding.features import first_of, forward
from graft.embedding.input_batches import Chosen, pinned
from graft.evaluation.metrics import auroc
from graft.heads import principal_axes
from graft.heads.calibration import fit_calibration, log_loss, log_shares, probabilities
from graft.heads.probe import solve_probe
from graft.networks.augment import draw_views, view_seed
from graft.networks.cpu import kernels
from graft.networks.network import Network, outputs_of
from graft.training import loop, losses
from graft.training.batch_order import shuffled_batches
from graft.training.data import TrainingData

logger = logging.getLogger("graft")


@dataclass
class Trained:
    """What a method returns.

    network : Network with the trained weights
    history : list of dict, one per epoch (or, of the probe, per L2 candidate)
    fold_heads : {target: heads that predict rows which they did not see}, see solve_probe's "unseen"
    unseen : the probe's "outputs" for rows that its heads did not see, array of shape (n, outputs); None without a probe
    """

    network: Network
    history: list
    fold_heads: dict = field(default_factory=dict)
    unseen: np.ndarray | None = None


@dataclass
class Trainer:
    """Trains a network on the target of `data`, on one device, with one seed.

    With `frozen` the network is never run: it has the weights of its backbone, not the architecture.
    """

    data: TrainingData
    seed: int
    states: object
    device: torch.device
    precision: str
    layout: str = "channels_last"
    compile: bool = False
    frozen: bool = False

    @property
    def settings(self):
        return self.data.settings

    def untrained(self):
        """The pretrained backbone with a new head: Network."""
        torch.manual_seed(self.seed)
        outputs = {self.settings["target"]: outputs_of(self.data.target)}
        own = self.data.backbone
        backbone = own.stored() if self.frozen else own.network(attention_dropout=self.settings["attention_dropout"])
        return kernels.place(Network(backbone, outputs, self.settings["dropout"]), self.device, self.layout)

    def probe(self, refit=False, embeddings=None, unit=None):
        """Solve the linear probe on the stored embeddings: Trained, with a new network that has the solved head.

        Parameters
        ----------
        refit : whether the head is fitted on validation rows, too: only for a method that ends here, since these rows then
            judge nothing that starts from it
        embeddings : float32 array, shape (n, width), in place of the stored ones
        unit : Tensor, shape (width,), what standardises them; by default `principal_axes.steadied` does, and vectors' own
            spread
        """
        data, target = self.data, self.settings["target"]
        embeddings = data.embeddings if embeddings is None else embeddings
        if unit is None and data.dead:  # columns of the user's own keep their own units
            unit = principal_axes.steadied(embeddings[data.splits == "train"])
        folds = data.rows["fold"].to_numpy()
        solved = solve_probe(
            embeddings, data.codes, data.splits, folds, data.target, self.settings, data.dead, unit, refit
        )
        logger.info("linear probe: l2 %g", solved["l2"])
        network = self.untrained()
        network.set_head(target, solved["weight"], solved["bias"])
        blind = solved["unseen"]
        heads = blind and {target: {**blind, "weight": blind["weight"].float(), "bias": blind["bias"].float()}}
        return Trained(network, solved["history"], heads or {}, solved["outputs"])

    def fit(self, start=None, loss=None, teacher=None):
        """Train with the loop: Trained.

        Parameters
        ----------
        start : Trained, where to start; by default the untrained network. What a probe has solved is a candidate for the
            best: the network is never left worse
        loss : callable as in losses.py; by default that of the target's kind
        teacher : object with logits(indices, view seed), such as a StoredTeacher
        """
        loss = loss or losses.OF_KIND[self.data.target["kind"]]
        few = self.data.inputs.prepare(self.data.inputs.batch(self.data.places("train")[:2]), self.device)
        start = start or Trained(self.untrained(), [])
        batches, read, step = self._batches(loss, teacher)
        problem = loop.Problem(start.network, batches, read, step, self._judge, bool(start.history))
        if self.compile:
            prepare = partial(kernels.compiled, example=few, device=self.device, precision=self.precision)
            mode = loop.Mode(self.device, self.precision, nullcontext, prepare)
        else:
            frozen = self.settings["freeze_batchnorm"]
            running = kernels.training(start.network, first_of(few), self.device, self.precision, frozen)
            mode = loop.Mode(self.device, self.precision, running)
        history = loop.fit(problem, self.settings, self.seed, self.states, mode)
        return Trained(start.network, start.history + history)

    def outputs(self, network, places):
        """The network's outputs for the rows at some places, in eval mode and without augmentation: float64, (n, outputs)."""
        head = _OneHead(network, self.settings["target"])
        own = Chosen(self.data.inputs, places[ranks.share(len(places))])
        outputs, _ = forward(head, own, self.device, self.precision)
        every = ranks.gather(torch.from_numpy(outputs).to(self.device), len(places))
        return every.cpu().numpy().astype(np.float64)

    @property
    def shift(self):
        """What the class weights imply for the intercepts of the probabilities (see calibration); None without weights."""
        counts = self.data.class_counts
        return None if counts is None else log_shares(counts)

    def _batches(self, loss, teacher):
        """The loop's batches, what it reads of a batch, and the loss on that."""
        data, settings, target = self.data, self.settings, self.settings["target"]
        train, counts = data.places("train"), data.class_counts
        codes = torch.from_numpy(data.codes).to(self.device)
        contents = data.rows["content_sha256"].to_numpy(dtype=object)
        weights = None if counts is None else losses.class_weights(counts).to(self.device)

        def read(indices, epoch):
            own, of_views = train[indices[ranks.share(len(indices))]], view_seed(settings, self.seed, epoch)
            views = draw_views(settings["augment"], contents[own], of_views)
            return indices, of_views, views, pinned(data.inputs.batch(own), self.device)

        def step(network, ready):
            indices, of_views, views, batch = ready
            inputs = data.inputs.prepare(batch, self.device, views)
            logits = ranks.gather(network(inputs)[target].float(), len(indices))
            told = teacher.logits(indices, of_views) if teacher else None
            return loss(logits, codes[train[indices]], settings, weights, told)

        lengths = data.inputs.lengths[train]
        return shuffled_batches(lengths, settings["batch_size"], self.seed, settings["accumulate"]), read, step

    def _judge(self, network):
        """What the history says of a network: its numbers on the validation rows."""
        places = self.data.places("validation")
        outputs, codes = self.outputs(network, places), self.data.codes[places]
        if self.data.target["kind"] == "regression":
            loss = float(np.mean((outputs[:, 0] - codes) ** 2))
            return {"val_loss": loss, "val_r2": float(1 - loss / max(np.var(codes), 1e-12))}
        value, _ = auroc(codes, probabilities(outputs))
        delivered = fit_calibration(outputs, codes, self.shift)
        return {
            "val_acc": float(np.mean(outputs.argmax(1) == codes)),
            "val_loss": float(log_loss(outputs, codes).mean()),
            "val_auroc": float("nan") if value is None else float(value),
            # As the model will be delivered. The plain loss of a network that trains on rises with its confidence, which
            # the temperature removes again, and would choose an epoch too early.
            "val_loss_calibrated": float(log_loss(outputs, codes, **delivered).mean()),
        }


class _OneHead(torch.nn.Module):
    """A network that answers with one target's logits."""

    def __init__(self, network, target):
        super().__init__()
        self.network, self.target = network, target

    def forward(self, inputs):
        return self.network(inputs)[self.target]
