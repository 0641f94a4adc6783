"""The mean of the losses, each divided by that of the best constant answer."""

import torch


class Weights(torch.nn.Module):
    def __init__(self, targets):
        super().__init__()

    def backward(self, losses, share, backward, network):
        backward(losses.mean() * share)
