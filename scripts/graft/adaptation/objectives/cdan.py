"""Like `dann`, on the product of embedding and probabilities. Sure rows have more weight (CDAN+E, Long et al. 2018)."""

import torch

from graft.adaptation.objectives import entropy
from graft.adaptation.objectives._adversary import discriminator, domain_loss, strength

CLASSES_ONLY = True
SOURCE_FREE = False

LARGEST = 4096  # numbers of a product; above, it is replaced by so many random ones (sec. 3.2)
RANDOM = 1024


class Objective(torch.nn.Module):
    """DANN's loss of embedding x probabilities (eq. 4 to 7), each row times 1 + exp(-entropy) (eq. 8).

    Neither the probabilities nor the weights pass a gradient on, as in the authors' code: only the embedding does.
    """

    def __init__(self, sizes, settings):
        super().__init__()
        product = sizes.width * sizes.outputs
        self.random = product > LARGEST
        if self.random:
            self.register_buffer("of_embedding", torch.randn(sizes.width, RANDOM))
            self.register_buffer("of_classes", torch.randn(sizes.outputs, RANDOM))
        self.discriminator = discriminator(RANDOM if self.random else product)

    def forward(self, pair, progress):
        source = self._product(pair.source_embeddings, pair.source_logits)
        target = self._product(pair.target_embeddings, pair.target_logits)
        weights = 1 + torch.exp(-entropy(torch.cat([pair.source_logits, pair.target_logits]).detach()))
        return domain_loss(self.discriminator, source, target, strength(progress), weights / weights.mean())

    def _product(self, embeddings, logits):
        chances = logits.detach().softmax(1)
        if self.random:
            return (embeddings @ self.of_embedding) * (chances @ self.of_classes) / RANDOM**0.5
        return (embeddings[:, :, None] * chances[:, None, :]).flatten(1)
