"""The source gets the mean and the covariance of the target (CORAL, Sun et al. 2016)."""

from graft.adaptation.affine import identity
from graft.adaptation.domains import Maps
from graft.adaptation.moments import power

CLASSES_ONLY = False


def maps(domains, settings):
    """x C_s^(-1/2) C_t^(1/2) (Sun, Feng and Saenko 2016, algorithm 1), with shrunk covariances C; target rows stay."""
    whiten = power(domains.shrunk_covariance(domains.source), -0.5)
    colour = power(domains.shrunk_covariance(domains.target), 0.5)
    return Maps(domains.moved(whiten @ colour), identity(len(domains.unit)), domains.safe_unit)
