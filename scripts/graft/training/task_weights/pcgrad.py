"""If two gradients conflict, they are projected (PCGrad, Yu et al. 2020, algorithm 1)."""

import torch


class Weights(torch.nn.Module):
    def __init__(self, targets):
        super().__init__()

    def backward(self, losses, share, backward, network):
        """Add the mean of the projected gradients to those of the parameters. Conflicts are those within a batch."""
        parameters = [one for one in network.parameters() if one.requires_grad]
        found = []
        for loss in losses * share:
            grads = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
            flat = [
                torch.zeros_like(one) if grad is None else grad for one, grad in zip(parameters, grads, strict=True)
            ]
            found.append(torch.cat([grad.flatten() for grad in flat]))
        start = 0
        mean = torch.stack(projected(found)).mean(0)
        for one in parameters:
            part = mean[start : start + one.numel()].view_as(one)
            one.grad = part.clone() if one.grad is None else one.grad + part
            start += one.numel()


def projected(gradients):
    """Each gradient without what points against another one: list of Tensor, shape (width,).

    The others are taken in an order drawn from torch's generator, which the loop seeds at every step.
    """
    found = []
    for place, own in enumerate(gradients):
        moved = own.clone()
        for other in torch.randperm(len(gradients)).tolist():
            if other == place:
                continue
            # 0 where they agree: to ask whether they do would make a GPU wait.
            against = torch.dot(moved, gradients[other]).clamp(max=0)
            moved -= against / gradients[other].square().sum().clamp_min(1e-30) * gradients[other]
        found.append(moved)
    return found
