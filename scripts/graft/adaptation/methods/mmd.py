"""Components with large variance and a small distance between the domains' means: TCA, linear kernel (Pan et al. 2011).

With a linear kernel, the maximum mean discrepancy of two domains is the distance of their means. Only that kernel gives a map
whose head is linear in the embeddings. It is solved from means and covariances, not from a matrix of all rows by all rows.
"""

import torch

from graft.adaptation.domains import Maps
from graft.adaptation.moments import power, principal

CLASSES_ONLY = False


def maps(domains, settings):
    """Minimise |V' d|^2 + mu / N tr(V' C^-1 V) with V' C V = I (eq. 8; for a linear kernel, V = X' W, N rows X).

    C is the covariance of both domains' rows together, d the distance of the means, in joint units. There are as many
    components V as principal axes that hold `variance` of the variance. Both domains have the same map.
    """
    source, target = domains.source, domains.target
    rows = len(source) + len(target)
    share = len(source) / rows
    apart = ((source.mean - target.mean) / domains.unit)[domains.used]
    joint = share * domains.covariance(source) + (1 - share) * domains.covariance(target)
    joint += share * (1 - share) * torch.outer(apart, apart)
    # With V = C^(-1/2) Y, the best Y are the last eigenvectors of g g' + mu / N C^-2, g = C^(-1/2) d: these are the first of
    # its inverse, which needs no inverse of C (Sherman and Morrison 1950).
    pulled = power(joint, 1.5) @ apart
    inverse = joint @ joint - torch.outer(pulled, pulled) / (settings["mu"] / rows + apart @ joint @ apart)
    count = principal(joint, settings["variance"]).shape[1]
    best = torch.linalg.eigh(inverse)[1].flip(1)[:, :count]
    same = domains.projected(share * source.mean + (1 - share) * target.mean, power(joint, -0.5) @ best)
    return Maps(same, same, torch.ones(count, dtype=torch.float64))
