"""Each domain on its own principal axes. Those of the source are aligned with the target's (Fernando et al. 2013)."""

import torch

from graft.adaptation.domains import Maps
from graft.adaptation.moments import principal

CLASSES_ONLY = False


def maps(domains, settings):
    """Source rows times P_s P_s' P_t, target rows times P_t (algorithm 1), both centred and in joint units.

    There are as many axes P of each domain as hold `variance` of its variance, the same number for both.
    """
    axes = [principal(domains.covariance(domain), settings["variance"]) for domain in (domains.source, domains.target)]
    count = min(one.shape[1] for one in axes)
    source, target = (one[:, :count] for one in axes)
    return Maps(
        domains.projected(domains.source.mean, source @ source.T @ target),
        domains.projected(domains.target.mean, target),
        torch.ones(count, dtype=torch.float64),
    )
