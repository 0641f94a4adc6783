"""Adds the member that lowers the loss most, again and again, on rows that no member has seen (Caruana et al. 2004)."""

import numpy as np

WEIGHS = True
ROUNDS = 50  # members that are added; a share is then known to 2 %


def weigh(evidence, loss):
    """The share of each member (sec. 2.1 to 2.3: selection with replacement, from the best few members on).

    The best ensemble on the way is taken. Members alone are on the way, so that on these rows none of them is better.

    Parameters
    ----------
    evidence : float array, shape (members, cells), see targets.kinds
    loss : function, evidence of shape (cells,) -> float

    Returns
    -------
    float array, shape (members,), whose sum is 1
    """
    order = np.argsort([loss(one) for one in evidence], kind="stable")
    first = np.cumsum(evidence[order], axis=0)
    losses = [loss(total / (place + 1)) for place, total in enumerate(first)]
    size = int(np.argmin(losses)) + 1
    counts = np.zeros(len(evidence))
    counts[order[:size]] = 1
    total, lowest, found = first[size - 1], losses[size - 1], counts.copy()
    for _ in range(ROUNDS):
        each = [loss((total + one) / (counts.sum() + 1)) for one in evidence]
        chosen = int(np.argmin(each))
        counts[chosen] += 1
        total = total + evidence[chosen]
        if each[chosen] < lowest:
            lowest, found = each[chosen], counts.copy()
    return found / found.sum()


def combine(answers, weights):
    """The weighted mean of answers (members, n, k)."""
    return np.tensordot(weights, answers, axes=1)
