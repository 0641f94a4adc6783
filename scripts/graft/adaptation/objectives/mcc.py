"""Little confusion between classes on the target's rows: minimum class confusion (MCC, Jin et al. 2020)."""

import torch

from graft.adaptation.objectives import entropy

CLASSES_ONLY = True
SOURCE_FREE = False


class Objective(torch.nn.Module):
    """The class confusion of the batch of the target."""

    def __init__(self, sizes, settings):
        super().__init__()
        self.temperature = settings["mcc_temperature"]

    def forward(self, pair, progress):
        return confusion(pair.target_logits, self.temperature)


def confusion(logits, temperature):
    """The share of the class confusion Y' W Y off its diagonal, mean over the classes (eq. 2 to 6).

    Y are the probabilities at a temperature, W the rows' weights 1 + exp(-entropy), with mean 1; logits (n, classes).
    """
    logits = logits / temperature
    chances, weights = logits.softmax(1), 1 + torch.exp(-entropy(logits))
    # The authors' code lets no gradient through the weights.
    weights = (weights / weights.mean()).detach()
    confused = chances.T @ (chances * weights[:, None])
    return 1 - (confused.diagonal() / confused.sum(1)).mean()
