"""L-BFGS for many multinomial logistic regressions on the same rows at once (Nocedal and Wright 2006, algorithm 7.4).

The problems differ in penalty and row weights and share one matrix product per step. Every problem keeps its own
step length, and leaves the batch when it is solved. The parameters of a batch are one array theta
(P, rank + 1, C), whose last row holds the biases.

The initial inverse Hessian is diagonal. At theta = 0 it is exact (the Hessian of the mean cross-entropy on principal
axes is variance / C), so the first step is Newton's. Later it is computed again every few steps, which with a small
penalty saves most of the steps.
"""

import math

import torch

ROWS = 8192  # rows per block of the matrix products, so that the logits of a block stay in the cache
MEMORY = 10  # pairs of steps and gradients that are kept
NEVER = -300.0  # the bias of a class that is left out: its probability is no number that changes a sum
REFRESH = 5  # steps between two computations of the preconditioner


def solve(rotated, labels, classes, variance, l2s, share, tolerance, max_iter):
    """Minimise the penalised weighted cross-entropy of every problem.

    A class of which a problem has no row is left out of it: its best bias has no end, and the search for that none either. It gets
    the weights 0, and a bias as if half a row had it.

    Parameters
    ----------
    rotated : Tensor, shape (N, rank)
        Features on principal axes, with mean 0.
    labels : Tensor of int64, shape (N,)
    classes : int
    variance : Tensor of float64, shape (rank,)
        Second moments of `rotated`.
    l2s : Tensor of float64, shape (P,)
    share : Tensor of float64, shape (P, N), or None
        Row weights that sum to 1 per problem; None: equal ones.

    Returns
    -------
    Tensor of float64, shape (P, rank + 1, C)
    """
    result = torch.zeros(len(l2s), len(variance) + 1, classes, dtype=torch.float64)
    if not len(variance):  # rows that are all the same: there is no axis, and one of zeros says as little
        zeros = rotated.new_zeros(len(rotated), 1), variance.new_zeros(1)
        found = solve(zeros[0], labels, classes, zeros[1], l2s, share, tolerance, max_iter)
        return found[:, 1:]
    first = torch.cat([variance, torch.ones(1, dtype=torch.float64)]) / classes
    inverse = inverse_hessian(first.expand(len(l2s), -1), l2s, first)

    open_ = torch.arange(len(l2s))
    theta = result.clone()
    all_there = there = _classes_there(labels, classes, share, len(l2s))
    theta[:, -1][~there] = NEVER
    loss, gradient = _loss(rotated, labels, share, l2s, theta, there)
    steps, changes = [], []
    for count in range(max_iter):
        if count and count % REFRESH == 0:
            inverse = inverse_hessian(_curvature(rotated, share, theta), l2s, first)
        direction = _direction(gradient, inverse, steps, changes)
        going = direction.abs().amax((1, 2)) > tolerance * theta[:, :-1].abs().amax((1, 2)).clamp_min(1.0)
        if not going.all():
            result[open_[~going]] = theta[~going]
            open_, theta, loss, gradient, inverse, l2s, direction, share, there, steps, changes = (
                _part(value, going)
                for value in (open_, theta, loss, gradient, inverse, l2s, direction, share, there, steps, changes)
            )
        if not len(open_):
            return _with_absent(result, all_there, len(labels))

        new_theta, new_loss, new_gradient = _search(
            rotated, labels, share, l2s, theta, loss, gradient, direction, there
        )
        steps, changes = steps[1 - MEMORY :], changes[1 - MEMORY :]
        steps.append(new_theta - theta)
        changes.append(new_gradient - gradient)
        stuck = (steps[-1] == 0).all(-1).all(-1)  # no step lowers the loss: as exact as float64 gets
        theta, loss, gradient = new_theta, new_loss, new_gradient
        gradient[stuck] = 0
    result[open_] = theta
    return _with_absent(result, all_there, len(labels))


def _with_absent(theta, there, rows):
    """The same with the bias of half a row for the classes that are not there."""
    biases = theta[:, -1]
    mean = (biases * there).sum(1, keepdim=True) / there.sum(1, keepdim=True)
    theta[:, -1] = torch.where(there, biases, mean - math.log(2 * rows))
    return theta


def _part(value, places):
    """What a value is for the problems at `places`: a Tensor with a row per problem, a list of such, or None."""
    if isinstance(value, list):
        return [one[places] for one in value]
    return None if value is None else value[places]


def _classes_there(labels, classes, share, problems):
    """Which classes a problem has rows of, bool (P, C)."""
    if share is None:
        return (torch.bincount(labels, minlength=classes) > 0).expand(problems, -1)
    sums = torch.zeros(problems, classes, dtype=torch.float64).index_add_(1, labels, share)
    return sums > 0


def _loss(rotated, labels, share, l2s, theta, there):
    """Penalised loss (P,) and its gradient (P, rank + 1, C) at theta (P, rank + 1, C); 0 for a class that is not there."""
    problems, size, classes = theta.shape
    flat = theta.permute(1, 0, 2).reshape(size, problems * classes)
    penalised, gradient = theta[:, :-1], torch.zeros_like(flat)
    loss = l2s / 2 * penalised.square().sum((1, 2))
    for start in range(0, len(rotated), ROWS):
        rows = rotated[start : start + ROWS].double()
        logits = torch.addmm(flat[-1], rows, flat[:-1]).view(len(rows), problems, classes)
        logs = torch.log_softmax(logits, -1)
        target = labels[start : start + ROWS, None, None].expand(-1, problems, 1)
        picked = logs.gather(-1, target)
        residual = logs.exp_().scatter_add_(-1, target, -torch.ones_like(picked))
        if share is None:
            loss -= picked.sum((0, 2)) / len(rotated)
            residual /= len(rotated)
        else:
            part = share[:, start : start + ROWS].T
            loss -= (part * picked[..., 0]).sum(0)
            residual *= part[..., None]
        residual = residual.view(len(rows), -1)
        gradient[:-1].addmm_(rows.T, residual)
        gradient[-1] += residual.sum(0)
    gradient = gradient.view(size, problems, classes).permute(1, 0, 2).contiguous()
    gradient[:, :-1] += l2s[:, None, None] * penalised
    return loss, gradient.masked_fill_(~there[:, None], 0.0)


def _curvature(rotated, share, theta):
    """Diagonal of the Hessian of the mean cross-entropy, averaged over the classes: shape (P, rank + 1)."""
    problems, size, classes = theta.shape
    flat = theta.permute(1, 0, 2).reshape(size, problems * classes)
    total = torch.zeros(size, problems, dtype=torch.float64)
    for start in range(0, len(rotated), ROWS):
        rows = rotated[start : start + ROWS].double()
        chances = torch.addmm(flat[-1], rows, flat[:-1]).view(len(rows), problems, classes).softmax(-1)
        spread = (1 - chances.square().sum(-1)) / (classes - 1)
        spread *= 1 / len(rotated) if share is None else share[:, start : start + ROWS].T
        total[:-1].addmm_(rows.square().T, spread)
        total[-1] += spread.sum(0)
    return total.T


def inverse_hessian(curvature, l2s, first):
    """Inverse of the diagonal Hessian with its penalty, shape (P, rank + 1, 1), the same for every class.

    One value for all classes keeps the steps, and with them weights and biases, at sum 0 over the classes.
    """
    curvature = torch.maximum(curvature, 1e-8 * first)  # rows that are all certain leave nothing to divide by
    curvature[:, :-1] += l2s[:, None]
    return 1 / curvature[..., None]


def _search(rotated, labels, share, l2s, theta, loss, gradient, direction, there):
    """Halve each problem's own step until it lowers the loss enough (Armijo)."""
    slope = (direction * gradient).sum((1, 2))
    theta, new_loss, gradient, start = theta.clone(), loss.clone(), gradient.clone(), theta
    trying = torch.arange(len(theta))
    length = torch.ones(len(theta), dtype=torch.float64)
    for _ in range(30):
        part = _part(share, trying)
        guess = start[trying] + length[trying, None, None] * direction[trying]
        value, slopes = _loss(rotated, labels, part, l2s[trying], guess, there[trying])
        # The last term forgives the rounding of the sum near the minimum.
        good = value <= loss[trying] + 1e-4 * length[trying] * slope[trying] + 1e-14 * loss[trying].abs()
        taken = trying[good]
        theta[taken], new_loss[taken], gradient[taken] = guess[good], value[good], slopes[good]
        trying = trying[~good]
        if not len(trying):
            break
        length[trying] /= 2
    return theta, new_loss, gradient


def _direction(gradient, inverse, steps, changes):
    """The quasi-Newton step; the preconditioned gradient where rounding made that lead uphill."""
    direction = -apply_inverse(gradient, inverse, steps, changes)
    uphill = (direction * gradient).sum((1, 2)) >= 0
    direction[uphill] = -(inverse * gradient)[uphill]
    return direction


def apply_inverse(gradient, inverse, steps, changes):
    """Two-loop recursion over the kept pairs, for all problems; pairs without positive curvature count nothing."""

    def dot(a, b):
        return (a * b).sum((1, 2))[:, None, None]

    direction, kept = gradient.clone(), []
    for step, change in zip(reversed(steps), reversed(changes), strict=True):
        product = dot(step, change)
        rho = torch.where(product > 1e-300, 1 / product.clamp_min(1e-300), 0.0)
        alpha = rho * dot(step, direction)
        direction -= alpha * change
        kept.append((step, change, rho, alpha))
    if steps:
        # Scale the first inverse Hessian to the newest curvature.
        along = dot(changes[-1], inverse * changes[-1])
        product = dot(steps[-1], changes[-1])
        direction *= torch.where((product > 0) & (along > 0), product / along.clamp_min(1e-300), 1.0)
    direction *= inverse
    for step, change, rho, alpha in reversed(kept):
        direction += step * (alpha - rho * dot(change, direction))
    return direction
