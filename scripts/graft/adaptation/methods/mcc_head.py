"""`standardise`, then a head with little class confusion on the target's rows: MCC (Jin et al. 2020) on stored embeddings."""

import torch
import torch.nn.functional as functional

from graft.adaptation.methods.standardise import maps as maps  # the rows that the head is for
from graft.adaptation.objectives import mcc

CLASSES_ONLY = True

LEAST_L2 = 0.1  # with 0.01, where the minimum is found depends on the start; on 20 Newsgroups both are as good
STEPS = 300
LARGEST = 50_000_000  # numbers of rows that are kept in float64, as in principal_axes


def head(source, codes, weights, target, start, l2, settings):
    """The weight and bias that minimise the source's cross-entropy + l2 / 2 |weight|^2 + the target's class confusion.

    It is found from the head `start` by full batches: nothing is random.

    Parameters
    ----------
    source : Tensor, shape (n, k), mapped rows, with codes (n,) and weights (n,) of mean 1
    target : Tensor, shape (m, k), mapped rows
    start : weight (classes, k), bias (classes,)
    settings : dict with mcc_temperature

    Returns
    -------
    weight (classes, k), bias (classes,) of float64
    """
    dtype = torch.float64 if source.numel() + target.numel() <= LARGEST else torch.float32
    source, target, weights = source.to(dtype), target.to(dtype), torch.as_tensor(weights, dtype=dtype)
    codes, penalty = torch.as_tensor(codes), max(l2, LEAST_L2)
    weight, bias = (one.to(dtype).clone().requires_grad_() for one in start)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, tolerance_change=1e-9, line_search_fn="strong_wolfe")

    def loss():
        optimizer.zero_grad()
        lost = functional.cross_entropy(functional.linear(source, weight, bias), codes, reduction="none")
        confused = mcc.confusion(functional.linear(target, weight, bias), settings["mcc_temperature"])
        total = (weights * lost).mean() + penalty / 2 * weight.square().sum() + confused
        total.backward()
        return total

    optimizer.step(loss)
    return weight.detach().double(), bias.detach().double()
