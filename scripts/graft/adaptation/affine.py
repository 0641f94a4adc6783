"""Affine maps of embeddings, and the heads on both sides of them."""

from dataclasses import dataclass

import torch

from graft.heads.lbfgs import ROWS


@dataclass(frozen=True)
class Affine:
    """The map `x @ matrix + shift`; matrix (width, k) and shift (k,) of float64."""

    matrix: torch.Tensor
    shift: torch.Tensor

    def of(self, features):
        """The mapped rows, computed in float64 block by block: Tensor of float32, shape (n, k)."""
        return torch.cat([(block.double() @ self.matrix + self.shift).float() for block in features.split(ROWS)])

    def before(self, weight, bias):
        """Heads of the mapped rows as heads of the rows as they are: weight (.., outputs, width), bias (.., outputs)."""
        weight = weight.double()
        return weight @ self.matrix.T, bias.double() + weight @ self.shift


def identity(width):
    """The map that leaves all rows as they are."""
    return Affine(torch.eye(width, dtype=torch.float64), torch.zeros(width, dtype=torch.float64))
