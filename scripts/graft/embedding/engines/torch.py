"""Networks run forward by torch: on GPUs, and where OpenVINO does not serve."""

from functools import cached_property

import torch

from graft.common.job import pin_threads
from graft.networks.cpu import kernels

BATCH = {"cpu": (32, 4096), "cuda": (256, 65536)}  # images, tokens that are forwarded at once


class Torch:
    """An engine (see graft.embedding.engines).

    Parameters
    ----------
    load : callable -> Module, on `device`, in eval mode; called when something is run
    precision : 'bf16' or 'fp32'
    """

    def __init__(self, load, device, precision):
        self.load, self.device, self.precision = load, device, precision
        self.made_by = {"engine": "torch", "precision": precision}
        self.batch = BATCH.get(device.type, BATCH["cpu"])
        self._running = None

    @classmethod
    def of(cls, backbone, device, precision, threads=1, layout="channels_last"):
        device = device or torch.device("cpu")

        def load():
            pin_threads(threads)  # torch may have been imported after the job's start
            return kernels.place(backbone.network().eval(), device, layout)

        return cls(load, device, precision)

    @cached_property
    def network(self):
        return self.load()

    @torch.inference_mode()
    def run(self, inputs, indices, views=None):
        batch = inputs.prepare(inputs.batch(indices), self.device, views)
        if self._running is None:
            self._running = kernels.inference(self.network, first_of(batch), self.device, self.precision)
        with self._running():
            return self.network(batch).float().cpu().numpy()


def first_of(batch):
    """The inputs of a batch's first sample."""
    return {key: value[:1] for key, value in batch.items()} if isinstance(batch, dict) else batch[:1]
