"""A discriminator must not recognise the domain from the embedding (DANN, Ganin et al. 2016)."""

import torch

from graft.adaptation.objectives._adversary import discriminator, domain_loss, strength

CLASSES_ONLY = False
SOURCE_FREE = False


class Objective(torch.nn.Module):
    """The discriminator's loss (eq. 9), which it lowers and the backbone, behind the reversed gradient, raises."""

    def __init__(self, sizes, settings):
        super().__init__()
        self.discriminator = discriminator(sizes.width)

    def forward(self, pair, progress):
        return domain_loss(self.discriminator, pair.source_embeddings, pair.target_embeddings, strength(progress))
