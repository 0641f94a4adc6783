"""The embeddings of two domains, and what the methods have in common: the units of the columns, and the moments."""

from dataclasses import dataclass
from functools import cached_property

import torch

from graft.adaptation import moments
from graft.adaptation.affine import Affine
from graft.common.errors import UserError


@dataclass(frozen=True)
class Domain:
    """One domain's embeddings, float Tensor of shape (n, width), with the mean and the spread of each column."""

    features: torch.Tensor

    @cached_property
    def _moments(self):
        return moments.mean_and_spread(self.features)

    @property
    def mean(self):
        return self._moments[0]

    @property
    def spread(self):
        return self._moments[1]

    def __len__(self):
        return len(self.features)


@dataclass(frozen=True)
class Maps:
    """What a method makes: the maps of the source's and of the target's rows into one space.

    unit : Tensor of float64, shape (k,), what standardises the mapped columns for a head (see principal_axes.rotate);
        None: as embeddings that nothing was done to
    """

    source: Affine
    target: Affine
    unit: torch.Tensor | None = None


@dataclass(frozen=True)
class Domains:
    """A source and a target domain.

    Parameters
    ----------
    source, target : Tensor of float, shape (n, width), (m, width)
    dead : float, columns whose spread is below this share of the widest column's are constant (see principal_axes)
    """

    source: Domain
    target: Domain
    dead: float

    @classmethod
    def of(cls, source, target, dead):
        """Of two arrays or Tensors."""
        source, target = torch.as_tensor(source), torch.as_tensor(target)
        for name, features in (("source", source), ("target", target)):
            if len(features) < 2:
                raise UserError(f"the {name} domain has {len(features)} rows", allowed="at least 2 rows of each domain")
        return cls(Domain(source), Domain(target), dead)

    @cached_property
    def unit(self):
        """Each column's spread over both domains, so that the units of the columns don't matter; (width,) of float64."""
        source, target = self.source, self.target
        share = len(source) / (len(source) + len(target))
        apart = share * (1 - share) * (source.mean - target.mean).square()
        return (share * source.spread.square() + (1 - share) * target.spread.square() + apart).sqrt()

    @cached_property
    def used(self):
        """The columns that are not constant over both domains; bool, (width,)."""
        return (self.unit > self.dead * self.unit.max()) & (self.unit > 1e-6 * self.target.mean.abs())

    @property
    def safe_unit(self):
        """The unit of the used columns, and 1 of the others."""
        return torch.where(self.used, self.unit, 1.0)

    def covariance(self, domain):
        """The covariance of a domain's used columns, in units."""
        return moments.covariance(domain.features, domain.mean, self.unit, self.used)

    def shrunk_covariance(self, domain):
        """The same, shrunk."""
        return moments.shrunk_covariance(domain.features, domain.mean, domain.spread, self.unit, self.used)

    def moved(self, matrix):
        """The map that gives the source the target's mean, with a matrix (k, k) on its used columns, in units."""
        full = torch.zeros(len(self.unit), len(self.unit), dtype=torch.float64)
        unit = self.unit[self.used]
        full[self.used.nonzero(), self.used.nonzero().T] = matrix / unit[:, None] * unit
        return Affine(full, self.target.mean - self.source.mean @ full)

    def projected(self, centre, matrix):
        """The map of a row's used columns, centred and in units, by a matrix (k, components)."""
        full = torch.zeros(len(self.unit), matrix.shape[1], dtype=torch.float64)
        full[self.used] = matrix / self.unit[self.used, None]
        return Affine(full, -centre @ full)
