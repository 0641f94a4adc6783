"""Objectives that adapt a network while it trains. One file per objective, found by its name.

``Objective(sizes, settings)`` is a Module. ``forward(pair, progress)`` gives a scalar: what is added to the loss of the source's
labels, times the user's weight; or all of the loss where SOURCE_FREE is True. `progress` is from 0 to 1 over the training. Its own
parameters join the optimizer, at the head's learning rate. Its buffers are part of the state that a training resumes from.
Random numbers come from torch's generator only, which the loop seeds in each step.

A file without an Objective has ``ADAPTS = False`` (the source's labels are all of the loss), or ``take_statistics(network, batches)``
in place of a training, see batchnorm.py.

An objective with ``look(embeddings, logits)`` is shown all rows of the target at the start of each epoch, in eval mode.

Constants: CLASSES_ONLY (it needs logits of classes), SOURCE_FREE (a second stage, which starts from a network that was trained on
the source, keeps its head, and takes no row of the source).
"""

from dataclasses import dataclass

import torch


@dataclass
class Sizes:
    """What an objective is built for: the embedding's width, the number of outputs, the number of target rows."""

    width: int
    outputs: int
    rows: int


@dataclass
class Pair:
    """A batch of each domain.

    source_embeddings (n, width), source_logits (n, outputs), target_embeddings (m, width), target_logits (m, outputs) : Tensor
    target_rows : Tensor of int64, shape (m,), the places of the target's rows among all that `look` was shown
    """

    source_embeddings: torch.Tensor
    source_logits: torch.Tensor
    target_embeddings: torch.Tensor
    target_logits: torch.Tensor
    target_rows: torch.Tensor


def entropy(logits):
    """Entropy of each row's softmax in nats, shape (n,)."""
    logs = logits.log_softmax(1)
    return -(logs.exp() * logs).sum(1)
