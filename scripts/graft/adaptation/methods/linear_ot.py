"""Moves the source's mean and covariance to the target's, by linear optimal transport (Flamary et al. 2019)."""

from graft.adaptation.affine import identity
from graft.adaptation.domains import Maps
from graft.adaptation.moments import power

CLASSES_ONLY = False


def maps(domains, settings):
    """x C_s^(-1/2) (C_s^(1/2) C_t C_s^(1/2))^(1/2) C_s^(-1/2) (Peyre and Cuturi 2019, remark 2.31); target rows stay.

    CORAL's matrix also gives the target's covariance. This one is symmetric, and so moves the rows least.
    """
    source, target = (domains.shrunk_covariance(domain) for domain in (domains.source, domains.target))
    root, whiten = power(source, 0.5), power(source, -0.5)
    matrix = whiten @ power(root @ target @ root, 0.5) @ whiten
    return Maps(domains.moved(matrix), identity(len(domains.unit)), domains.safe_unit)
