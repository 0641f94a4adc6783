"""The weight of each loss comes from the uncertainty of its target. It is learned (Kendall et al. 2018)."""

import torch


class Weights(torch.nn.Module):
    """The logarithms of the variances, one per target (s = log sigma^2, which is stable), from 0.

    Kendall et al. write 1 / (2 sigma^2) for a squared error (eq. 7) and 1 / sigma^2 for a cross-entropy (eq. 10). Here both are
    in units of the best constant answer's loss, so that one form serves: exp(-s) loss + s / 2, the second.
    """

    def __init__(self, targets):
        super().__init__()
        self.log_variances = torch.nn.Parameter(torch.zeros(targets))

    def backward(self, losses, share, backward, network):
        log_variances = self.log_variances.to(losses.device)
        backward((torch.exp(-log_variances) * losses + log_variances / 2).mean() * share)
