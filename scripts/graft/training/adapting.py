"""Training for a domain without labels: a head on stored embeddings of both domains, or a network in the loop."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import torch

from graft.adaptation import heads
from graft.adaptation.objectives import Pair, Sizes
from graft.adaptation.validators import Seen
from graft.common import plugins
from graft.common.errors import UserError
from graft.embedding.engines.torch import Torch
from graft.embedding.features import forward
from graft.embedding.input_batches import Chosen, on_device, pinned, pinned_array
from graft.heads import solvers
from graft.networks.augment import draw_views, view_seed
from graft.networks.weights import load_strictly
from graft.training.batch_order import shuffled_batches
from graft.training.trainer import Trained

logger = logging.getLogger("graft")
MOST = (
    5000  # rows of the target, and of each split of the source, that validators look at: one of them compares all pairs
)
STATISTICS = 256  # rows of a batch whose BatchNorm statistics are taken


def solve(trainer, domain):
    """A head on stored embeddings.

    Parameters
    ----------
    trainer : Trainer, frozen, of the source
    domain : TargetDomain

    Returns
    -------
    Trained
    dict, target -> what the method has found of its calibration; empty for most
    dict, validator -> score
    """
    data, settings = trainer.data, trainer.settings
    ((name, target),) = data.targets.items()
    method = plugins.load("adaptation", settings["method"])
    source = {"features": data.embeddings, "codes": target.codes, "splits": data.splits}
    source |= {"folds": folds_of(data), "weights": data.weights}
    if data.embeddings.shape[1] != domain.embeddings.shape[1]:
        widths = f"{data.embeddings.shape[1]} numbers per sample, those of the target {domain.embeddings.shape[1]}"
        raise UserError(
            f"the embeddings of the source have {widths}", where=settings["name"], allowed="the same columns"
        )
    logger.info("%s: %d rows of the source, %d of the target", settings["method"], len(data.rows), len(domain.rows))
    found = heads.adapt(method, source, domain.embeddings, target.facts, settings, data.dead)
    trained = Trained(trainer.untrained(), found.history, unseen={name: found.outputs})
    trained.network.set_head(name, found.weight, found.bias)
    own = {} if found.temperature is None else {"temperature": found.temperature, "priors": found.priors.tolist()}
    shown = thinned(domain.embeddings)
    parts = data.embeddings, found.outputs, shown, solvers.outputs(shown, found.weight, found.bias)
    back = heads.way_back(method, source, shown, target.facts, settings, data.dead, found.l2)
    return trained, {name: own} if own else {}, scores(seen_of(trainer, *parts, back))


def folds_of(data):
    """The fold of each row of the source, -1 of what is not train: whole sampling units in turn.

    The manifest's folds have the classes in equal shares, and so depend on the labels of the target where it is in the same
    data set.
    """
    count = data.rows["fold"].max() + 1
    units, _ = pd.factorize(data.rows["sampling_unit"])
    return np.where((data.splits == "train") & (count > 1), units % max(count, 1), -1)


def train(trainer, domain, start=None):
    """A network, trained in the loop on batches of both domains; or from `start`, which is trained on the source, on the target's.

    Parameters
    ----------
    start : dict of an ft_model.pt, for methods with SOURCE_FREE

    Returns
    -------
    As `solve`.
    """
    method = plugins.load("adaptation_objective", trainer.settings["method"])
    trained = Trained(trainer.untrained(), [])
    if method.SOURCE_FREE:
        load_strictly(trained.network, start["state_dict"])
        trained.network.heads.requires_grad_(False)
    if hasattr(method, "take_statistics"):
        trained = with_statistics(trainer, domain, trained, method)
    elif getattr(method, "ADAPTS", True):
        trained = trainer.run(Adapting(trainer, domain, trained.network, method).problem(trainer.problem(trained)))
    else:
        trained = trainer.run(trainer.problem(trained))
    trained.network.heads.requires_grad_(True)
    return trained, {}, scores(look_at(trainer, domain, trained.network, ("validation", "train")))


class Adapting:
    """What the loop trains where both domains are in its batches."""

    def __init__(self, trainer, domain, network, method):
        self.trainer, self.domain, self.settings = trainer, domain, trainer.settings
        self.source_free = method.SOURCE_FREE
        ((self.target, target),) = trainer.data.targets.items()
        torch.manual_seed(trainer.seed)  # what an objective draws for itself
        sizes = Sizes(network.backbone.width, target.outputs, len(domain.rows))
        self.weights = _OneLoss(method.Objective(sizes, self.settings))
        self.steps = trainer.steps()
        self.labelled = 0 if self.source_free else len(trainer.data.places("train"))
        self.contents = domain.rows["content_sha256"].to_numpy(dtype=object)

    def problem(self, source):
        """The problem of the source alone, with the target's batches beside it."""
        return replace(
            source,
            batches=self.batches(),
            read=self.read,
            loss=self.loss,
            evaluate=self.judge(source.evaluate),
            weights=self.weights,
            begin=self.begin if hasattr(self.weights.objective, "look") else None,
        )

    def batches(self):
        """Indices from 0 are places among the labelled train rows, and after these among the target's rows: as many of both."""
        settings, seed, rows = self.settings, self.trainer.seed, len(self.domain.rows)
        if self.source_free:
            return shuffled_batches(self.domain.inputs.lengths, settings["batch_size"], seed, settings["accumulate"])

        def paired(epoch):
            steps = self.steps.batches(epoch)
            rounds = range(-(-self.labelled // rows))
            drawn = np.concatenate([np.random.default_rng([seed, epoch, 1, k]).permutation(rows) for k in rounds])
            given = iter(np.split(drawn, np.cumsum([len(batch) for step in steps for batch in step])))
            return [[np.concatenate([batch, self.labelled + next(given)]) for batch in step] for step in steps]

        return paired

    def read(self, indices, epoch):
        own, places = indices[indices < self.labelled], indices[indices >= self.labelled] - self.labelled
        views = draw_views(
            self.settings["augment"], self.contents[places], view_seed(self.settings, self.trainer.seed, epoch)
        )
        device = self.trainer.device
        batch, views = pinned(self.domain.inputs.batch(places), device), pinned_array(views, device)
        return self.steps.read(own, epoch) if len(own) else None, places, views, batch

    def loss(self, network, ready, progress):
        labelled, places, views, batch = ready
        pair = Pair(None, None, None, None, on_device(places, self.trainer.device))
        total = 0.0
        inputs = self.domain.inputs.prepare(batch, self.trainer.device, views)
        if labelled:
            (of_source, pair.source_embeddings), (outputs, pair.target_embeddings) = run_both(
                network, self.steps.inputs(labelled), inputs
            )
            pair.source_logits = of_source[self.target].float()
            total = self.steps.loss(of_source, labelled)
        else:
            outputs, pair.target_embeddings = network(inputs, with_embedding=True)
        pair.target_logits = outputs[self.target].float()
        weight = 1.0 if self.source_free else self.settings["adaptation_weight"]
        return total + weight * self.weights.objective(pair, progress)

    def judge(self, of_source):
        validator = plugins.load("validator", self.settings["validator"])

        def evaluate(network):
            score = validator.score(look_at(self.trainer, self.domain, network, validator.OF_SOURCE))
            return {**of_source(network), self.settings["validator"]: score, "criterion": -score}

        return evaluate

    def begin(self, network):
        embeddings, logits = answers(self.trainer, network, self.domain.inputs)
        self.weights.objective.look(*(torch.from_numpy(one).to(self.trainer.device) for one in (embeddings, logits)))


def run_both(network, source, target):
    """A network's outputs and embeddings, of a batch of each domain.

    Images are run as one batch. A BatchNorm layer then has the statistics of both domains while it trains, too, and not only when the
    network is judged: run one after the other, neither domain is judged with the statistics that it was trained with. Texts, whose lengths
    differ, have no such layer.
    """
    if not torch.is_tensor(source):
        return network(source, with_embedding=True), network(target, with_embedding=True)
    outputs, embeddings = network(torch.cat([source, target]), with_embedding=True)
    count = len(source)
    return (
        ({name: one[:count] for name, one in outputs.items()}, embeddings[:count]),
        ({name: one[count:] for name, one in outputs.items()}, embeddings[count:]),
    )


class _OneLoss(torch.nn.Module):
    """An objective's parameters and buffers in the loop's state; its loss is part of the one that the loop is given."""

    def __init__(self, objective):
        super().__init__()
        self.objective = objective

    def backward(self, loss, share, backward, network):
        backward(loss * share)


def with_statistics(trainer, domain, trained, method):
    """A network that takes the target's statistics, and is not trained."""
    network, inputs = trained.network, domain.inputs
    if not any(isinstance(one, torch.nn.modules.batchnorm._BatchNorm) for one in network.modules()):
        what = f"the network of backbone '{trainer.settings['backbone']}' has no BatchNorm layer"
        raise UserError(what, where=trainer.settings["name"], allowed="a method other than adabn")
    parts = np.array_split(np.arange(len(domain.rows)), -(-len(domain.rows) // STATISTICS))
    batches = ((inputs.prepare(inputs.batch(part), trainer.device), len(part)) for part in parts)
    method.take_statistics(network, batches)
    return replace(
        trained, history=[{"epoch": 0, "train_loss": np.nan, **trainer.judge(network), "stage": "statistics"}]
    )


def answers(trainer, network, inputs):
    """A network's embeddings (n, width) and outputs (n, outputs) for some inputs, float32 arrays."""
    engine = Torch(lambda: _EmbeddingAndOutputs(network), trainer.device, trainer.precision, trainer.running)
    found, _ = forward(engine, inputs)
    return found[:, : network.backbone.width], found[:, network.backbone.width :]


class _EmbeddingAndOutputs(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, inputs):
        outputs, embedding = self.network(inputs, with_embedding=True)
        return torch.cat([embedding, *outputs.values()], 1)


def look_at(trainer, domain, network, of_source):
    """What validators may see of a network: Seen. Of the source only rows of the splits `of_source` are run; others are NaN."""
    data, of_target = (
        trainer.data,
        answers(trainer, network, Chosen(domain.inputs, thinned(np.arange(len(domain.rows))))),
    )
    of_rows = [np.full((len(data.rows), one.shape[1]), np.nan, np.float32) for one in of_target]
    asked = np.concatenate([np.zeros(0, int), *(thinned(data.places(split)) for split in of_source)])
    if len(asked):
        for full, found in zip(of_rows, answers(trainer, network, Chosen(data.inputs, asked)), strict=True):
            full[asked] = found
    return seen_of(trainer, *of_rows, *of_target)


def seen_of(trainer, embeddings, outputs, target_embeddings, target_outputs, back=None):
    """What validators may see: Seen. `embeddings` and `outputs` are those of all rows of the source, NaN where nobody asks.

    `back` is heads.way_back.
    """
    data = trainer.data
    ((_, target),) = data.targets.items()
    validation, train = (data.places(split) for split in ("validation", "train"))
    # A head that never saw a row's class says nothing of the row.
    answered = target.known[validation] & np.isfinite(outputs[validation]).all(1)
    validation, train = thinned(validation[answered]), thinned(train)

    def refit(labels):
        return solvers.outputs(embeddings[validation], *back(labels))

    return Seen(
        embeddings[validation],
        outputs[validation],
        target.codes[validation],
        target_embeddings,
        target_outputs,
        embeddings[train],
        target.facts["kind"] == "classification",
        refit if back else None,
    )


def scores(seen):
    """Every validator that can judge what is seen -> its score, higher is better; None where it is no finite number."""
    found = {}
    for name in plugins.names("validator"):
        validator = plugins.load("validator", name)
        if (seen.classes or not validator.CLASSES_ONLY) and (seen.refit or not validator.REFITS):
            score = float(validator.score(seen))
            found[name] = score if np.isfinite(score) else None
    return found


def thinned(rows):
    """At most MOST of some rows, evenly spaced."""
    return rows if len(rows) <= MOST else rows[np.linspace(0, len(rows) - 1, MOST).astype(int)]
