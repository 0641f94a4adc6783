"""Networks run forward by torch: on GPUs, and where OpenVINO does not serve."""

import logging
from contextlib import nullcontext
from functools import cache, cached_property

import numpy as np
import torch

from graft.common.device import processor
from graft.common.job import pin_threads
from graft.embedding.engines.verdicts import CLOSE, FEW, closeness, verdict_on
from graft.networks.cpu import kernels

logger = logging.getLogger("graft")

BATCH = {"cpu": (32, 4096), "cuda": (256, 65536)}  # images, tokens that are forwarded at once


class Torch:
    """An engine (see graft.embedding.engines).

    Parameters
    ----------
    load : callable -> Module, on `device`, in eval mode; called when something is run
    precision : 'bf16' or 'fp32'
    running : callable -> context in which the network runs, optional
    """

    def __init__(self, load, device, precision, running=nullcontext):
        self.load, self.device, self.precision, self.running = load, device, precision, running
        self.made_by = {"engine": "torch", "precision": precision}
        self.batch = BATCH.get(device.type, BATCH["cpu"])

    @cached_property
    def network(self):
        return self.load()

    @torch.inference_mode()
    def run(self, inputs, indices, views=None):
        batch = inputs.prepare(inputs.batch(indices), self.device, views)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"), self.running():
            return self.network(batch).float().cpu().numpy()


def open_torch(backbone, pixels, store, few, precision, device, threads, layout):
    """The engine of a backbone; in float32 where bfloat16 is not close enough to it. Arguments as for engines.open_engine."""
    device = device or torch.device("cpu")

    @cache
    def load():
        pin_threads(threads)  # torch may have been imported after the job's start
        return kernels.place(backbone.network().eval(), device, layout)

    def make(_):
        inputs = few()
        places = np.arange(min(FEW, len(inputs.lengths)))
        exact = Torch(load, device, "fp32").run(inputs, places)
        cosine = closeness(Torch(load, device, precision), inputs, places, exact)
        taken = precision if cosine >= CLOSE else "fp32"
        logger.info(
            "cosine of %s with float32, of %d samples: %.5f; %s is taken", precision, len(places), cosine, taken
        )
        return {}, {"precision": taken, "network": None, "cosine": cosine, "why": None}

    if precision != "fp32":
        on = processor() if device.type == "cpu" else torch.cuda.get_device_name(device)
        precision = verdict_on(backbone, pixels, precision, store, make, processor=on)[1]["precision"]
    return Torch(load, device, precision)


def first_of(batch):
    """The inputs of a batch's first sample."""
    return {key: value[:1] for key, value in batch.items()} if isinstance(batch, dict) else batch[:1]
