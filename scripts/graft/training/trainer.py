"""What a fine-tuning method works with: the data, the network, the linear probe and the loop."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch

from graft.common import plugins, ranks
from graft.embedding.engines.torch import Torch, first_of
from graft.embedding.features import forward
from graft.embedding.input_batches import Chosen, on_device, pinned, pinned_array
from graft.heads import principal_axes
from graft.heads.calibration import log_shares
from graft.heads.losses import class_weights, mean_of
from graft.networks.augment import draw_views, view_seed
from graft.networks.network import Network
from graft.networks.placing import place
from graft.training import cpu_kernels, loop
from graft.training.batch_order import shuffled_batches
from graft.training.compiled import compiled
from graft.training.data import TrainingData

logger = logging.getLogger("graft")


@dataclass
class Trained:
    """What a method returns.

    network : Network with the trained weights
    history : list of dict, one per epoch (or, of the probe, per target and L2 candidate)
    fold_heads : {target: heads that predict rows which they did not see}, see solve_probe's "unseen"
    unseen : {target: the probe's "outputs" for rows that its heads did not see, array of shape (n, outputs)}; empty without a
        probe
    """

    network: Network
    history: list
    fold_heads: dict = field(default_factory=dict)
    unseen: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Steps:
    """What a step of the loop is made of.

    batches, read : as in loop.Problem; indices are places among the train rows
    inputs : callable, what was read -> inputs of the network, on its device
    loss : callable, (outputs of the network, what was read) -> Tensor
    """

    batches: Callable
    read: Callable
    inputs: Callable
    loss: Callable


@dataclass
class Trainer:
    """Trains a network on the targets of `data`, on one device, with one seed.

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
    engine: str = "torch"  # of the teacher's answers, see graft.embedding.engines
    with_kernels: bool = True  # whether a CPU trains with graft.training.cpu_kernels
    running: Callable = nullcontext  # the context of a training step and of judging, see cpu_kernels.training

    @property
    def settings(self):
        return self.data.settings

    @property
    def forward_mode(self):
        """How frozen networks are run, for features.engine_for."""
        return {
            "device": self.device,
            "threads": self.data.threads,
            "layout": self.layout,
            "engine": self.engine,
        }

    def untrained(self):
        """The pretrained backbone with new heads: Network."""
        torch.manual_seed(self.seed)
        outputs = {name: target.outputs for name, target in self.data.targets.items()}
        own = self.data.backbone
        backbone = own.stored() if self.frozen else own.network(attention_dropout=self.settings["attention_dropout"])
        return place(Network(backbone, outputs, self.settings["dropout"]), self.device, self.layout)

    def probe(self, refit=False, embeddings=None, unit=None):
        """Solve the linear probe on the stored embeddings: Trained, with a new network that has the solved heads.

        Parameters
        ----------
        refit : whether the heads are fitted on validation rows, too: only for a method that ends here, since these rows then
            judge nothing that starts from it
        embeddings : float32 array, shape (n, width), in place of the stored ones
        unit : Tensor, shape (width,), what standardises them; by default `principal_axes.steadied` does, and vectors' own
            spread
        """
        data = self.data
        embeddings = data.embeddings if embeddings is None else embeddings
        trained = Trained(self.untrained(), [])
        for name, target in data.targets.items():
            self._solve(trained, name, target, embeddings, unit, refit)
        return trained

    def _solve(self, trained, name, target, embeddings, unit, refit):
        """Solve the head of one target, on the rows that have its label, and put it into `trained`."""
        data, known = self.data, np.flatnonzero(target.known)
        splits, folds = data.splits[known], data.rows["fold"].to_numpy()[known]
        own = embeddings if len(known) == len(embeddings) else embeddings[known]
        if unit is None and data.dead:  # columns of the user's own keep their own units
            unit = principal_axes.steadied(own[splits == "train"])
        weights = None if data.weights is None else data.weights[known]
        solved = target.kind.solve(
            own, target.codes[known], splits, folds, target.facts, self.settings, data.dead, unit, refit, weights
        )
        of_target = "" if len(data.targets) == 1 else f" of {name}"
        logger.info("linear probe%s: l2 %s", of_target, ", ".join(f"{one:g}" for one in np.atleast_1d(solved["l2"])))
        trained.network.set_head(name, solved["weight"], solved["bias"])
        trained.history += [one | ({"target": name} if of_target else {}) for one in solved["history"]]
        if blind := solved["unseen"]:
            trained.fold_heads[name] = {**blind, "weight": blind["weight"].float(), "bias": blind["bias"].float()}
        trained.unseen[name] = np.full((len(embeddings), target.outputs), np.nan)
        trained.unseen[name][known] = solved["outputs"]

    def fit(self, start=None, losses=None, teacher=None):
        """Train with the loop: Trained.

        Parameters
        ----------
        start : Trained, where to start; by default the untrained network. What a probe has solved is a candidate for the
            best: the network is never left worse
        losses : callable, (outputs, codes, settings, class weights, the teacher's logits, share of the rows that have a label)
            -> the loss of each sample; by default the `losses` of each target's kind, which ask no teacher
        teacher : object with logits(target, indices, view seed), such as a StoredTeacher
        """
        start = start or Trained(self.untrained(), [])
        return self.run(self.problem(start, losses, teacher), start.history)

    def problem(self, start, losses=None, teacher=None):
        """What the loop trains: Problem, see `fit`."""
        steps = self.steps(losses, teacher)

        def step(network, ready, progress):
            return steps.loss(network(steps.inputs(ready)), ready)

        several = len(self.data.targets) if len(self.data.targets) > 1 else 0
        weights = plugins.load("task_weights", self.settings["task_weights"]).Weights(several) if several else None
        return loop.Problem(start.network, steps.batches, steps.read, step, self.judge, bool(start.history), weights)

    def run(self, problem, history=()):
        """Train a problem's network with the loop: Trained. `history` is that of what it starts from."""
        few = self.data.inputs.prepare(self.data.inputs.batch(self.data.places("train")[:2]), self.device)
        if self.compile:
            prepare = partial(compiled, example=few, device=self.device, precision=self.precision)
            mode = loop.Mode(self.device, self.precision, nullcontext, prepare)
        else:
            frozen = self.settings["freeze_batchnorm"]
            self.running = cpu_kernels.training(
                problem.network, first_of(few), self.device, self.precision, frozen, self.with_kernels
            )
            mode = loop.Mode(self.device, self.precision, self.running)
        found = loop.fit(problem, self.settings, self.seed, self.states, mode)
        return Trained(problem.network, [*history, *found])

    def outputs(self, network, places, exact=False, inputs=None):
        """The network's outputs for the rows at some places, in eval mode and without augmentation.

        `exact` asks for float32, which what is kept deserves; which epoch is the best may be judged as it is trained. `inputs`
        are those of other rows, in place of the ones of `data`.

        Returns
        -------
        dict, target -> float64 array, shape (n, outputs)
        """
        own = Chosen(inputs or self.data.inputs, places[ranks.share(len(places))])
        numbers = ("fp32",) if exact else (self.precision, self.running)
        outputs, _ = forward(Torch(lambda: _AllHeads(network), self.device, *numbers), own)
        every = ranks.gather(torch.from_numpy(outputs).to(self.device), len(places)).cpu().numpy().astype(np.float64)
        ends = np.cumsum([target.outputs for target in self.data.targets.values()])
        return dict(zip(self.data.targets, np.split(every, ends[:-1], axis=1), strict=True))

    def shift(self, target):
        """What the class weights imply for the intercepts of the probabilities (see calibration); None without weights."""
        return None if target.class_counts is None else log_shares(target.class_counts)

    def steps(self, losses=None, teacher=None):
        """What a step on labelled rows is made of: Steps, see `fit`."""
        data, settings = self.data, self.settings
        taught, contents = data.taught, data.rows["content_sha256"].to_numpy(dtype=object)
        compared = [self._compared(target, losses or target.kind.losses) for target in data.targets.values()]

        def read(indices, epoch):
            own, of_views = taught[indices[ranks.share(len(indices))]], view_seed(settings, self.seed, epoch)
            views = draw_views(settings["augment"], contents[own], of_views)
            batch = pinned(data.inputs.batch(own), self.device)
            return indices, of_views, pinned_array(views, self.device), batch

        def inputs(ready):
            _, _, views, batch = ready
            return data.inputs.prepare(batch, self.device, views)

        def loss(outputs, ready):
            indices, of_views, *_ = ready
            found = []
            for name, compare in zip(data.targets, compared, strict=True):
                told = (teacher.logits(name, indices, of_views),) if teacher else ()
                found.append(compare(ranks.gather(outputs[name].float(), len(indices)), taught[indices], *told))
            return found[0] if len(found) == 1 else torch.stack(found)

        lengths = data.inputs.lengths[taught]
        batches = shuffled_batches(lengths, settings["batch_size"], self.seed, settings["accumulate"])
        return Steps(batches, read, inputs, loss)

    def _compared(self, target, losses):
        """A function of the outputs of a batch, its rows, and what the teacher told: the loss of a target.

        Each sample's loss is multiplied by its weight, if the data have weights.
        """
        codes, counts = torch.from_numpy(target.codes).to(self.device), target.class_counts
        weights = None if counts is None else class_weights(counts).to(self.device)
        scale = target.chance_loss if len(self.data.targets) > 1 else 1.0
        own = self.data.weights
        own = None if own is None else torch.from_numpy(own).float().to(self.device)

        def weighed(found, rows):
            return found if own is None else found * own[on_device(rows, self.device)]

        def compare(outputs, rows, *told):
            labelled, here = target.known[rows], codes[on_device(rows, self.device)]
            if told and self.data.learns_from_pool:  # the teacher has an answer for every row, labelled or not
                return weighed(losses(outputs, here, self.settings, weights, *told, target.share), rows).mean() / scale
            if not labelled.all():
                kept = on_device(np.flatnonzero(labelled), self.device)
                outputs, here, *told = (one[kept] for one in (outputs, here, *told))
            found = weighed(losses(outputs, here, self.settings, weights, *told), rows[labelled])
            return mean_of(found, len(rows), target.share) / scale

        return compare

    def judge(self, network):
        """What the history says of a network: its numbers on the validation rows.

        Of several targets, the losses are the mean of theirs, each divided by that of the best constant answer.
        """
        places = self.data.places("validation")
        outputs, found, means = self.outputs(network, places), {}, {}
        for name, target in self.data.targets.items():
            known = target.known[places]
            numbers = target.kind.judge(outputs[name][known], target.codes[places][known], self.shift(target))
            if len(self.data.targets) == 1:
                return numbers
            found |= {f"{key}_{name}": value for key, value in numbers.items()}
            for key in ("val_loss", "val_loss_calibrated"):
                means.setdefault(key, []).append(numbers.get(key, numbers["val_loss"]) / target.chance_loss)
        return {key: float(np.mean(values)) for key, values in means.items()} | found


class _AllHeads(torch.nn.Module):
    """A network that answers with the outputs of all targets beside each other."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        return torch.cat(list(self.network(inputs).values()), 1)
