"""A teacher's logits: from the store where the student sees the sample as it is, else live on the student's view."""

import torch

from graft import kernels
from graft.features import first_of


class StoredTeacher:
    """Logits that were computed once; array of shape (samples, classes), in the order of the student's inputs."""

    def __init__(self, logits, device):
        self._logits = torch.as_tensor(logits, dtype=torch.float32, device=device)

    def logits(self, rows, views):
        return self._logits[torch.as_tensor(rows, device=self._logits.device)]


class LiveTeacher:
    """A frozen network that sees the same view as the student, at its own input size."""

    def __init__(self, network, inputs, target, device, precision):
        self.network = network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
        self.inputs, self.target, self.device = inputs, target, device
        example = first_of(inputs.prepare(inputs.batch([0]), device))
        self.running = kernels.inference(self.network, example, device, precision)

    @torch.no_grad()
    def logits(self, rows, views):
        batch = self.inputs.prepare(self.inputs.batch(rows), self.device, views)
        with self.running():
            return self.network(batch)[self.target].float()
