"""The target's rows are not torn between classes: minimum class confusion (MCC, Jin et al. 2020)."""

import torch

from graft.adaptation.objectives import entropy

CLASSES_ONLY = True
SOURCE_FREE = False


class Objective(torch.nn.Module):
    """The share of the class confusion Y' W Y off its diagonal, mean over the classes (eq. 2 to 6).

    Y are the target's probabilities at a temperature, W the rows' weights 1 + exp(-entropy), with mean 1.
    """

    def __init__(self, sizes, settings):
        super().__init__()
        self.temperature = settings["mcc_temperature"]

    def forward(self, pair, progress):
        logits = pair.target_logits / self.temperature
        chances, weights = logits.softmax(1), 1 + torch.exp(-entropy(logits))
        # The authors' code lets no gradient through the weights.
        weights = (weights / weights.mean()).detach()
        confusion = chances.T @ (chances * weights[:, None])
        return 1 - (confusion.diagonal() / confusion.sum(1)).mean()
