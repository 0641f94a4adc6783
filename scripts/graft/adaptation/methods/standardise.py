"""Each domain's columns get mean 0 and variance 1: AdaBN (Li et al. 2017, algorithm 1) on stored embeddings."""

import torch

from graft.adaptation.affine import Affine
from graft.adaptation.domains import Maps

CLASSES_ONLY = False


def maps(domains, settings):
    """(x - mean_d) / spread_d for each domain d; a column that is constant in one domain is divided by its joint spread."""
    source, target = (_standardised(domains, domain) for domain in (domains.source, domains.target))
    return Maps(source, target, torch.ones(len(domains.unit), dtype=torch.float64))


def _standardised(domains, domain):
    spread = torch.where(domain.spread > 1e-6 * domains.unit, domain.spread, domains.unit)
    scale = torch.where(domains.used, 1 / spread, 0.0)
    return Affine(scale.diag(), -domain.mean * scale)
