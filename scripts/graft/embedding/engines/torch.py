"""Networks run forward by torch: on GPUs, and where OpenVINO does not serve."""

import logging
from contextlib import nullcontext
from functools import cache, cached_property

import numpy as np
import torch

from graft.common.device import processor
from graft.common.job import pin_threads
from graft.embedding.engines.verdicts import CLOSE, FEW, closeness, verdict_on
from graft.embedding.input_batches import pinned, pinned_array
from graft.networks.placing import place

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

    def run(self, inputs, indices, views=None):
        return self.start(inputs, indices, views)()

    @torch.inference_mode()
    def start(self, inputs, indices, views=None):
        batch, views = pinned(inputs.batch(indices), self.device), pinned_array(views, self.device)
        batch = inputs.prepare(batch, self.device, views)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"), self.running():
            found = self.network(batch).float()
        return copied_back(found)


def copied_back(values):
    """A callable that gives `values` as an array. A GPU's are on their way while it goes on with what is asked of it next."""
    if values.device.type != "cuda":
        return values.numpy
    here = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    here.copy_(values, non_blocking=True)
    done = torch.cuda.Event()
    done.record()

    def wait():
        done.synchronize()
        return here.numpy()

    return wait


def open_torch(backbone, pixels, store, few, precision, device, threads, layout):
    """The engine of a backbone; in float32 where bfloat16 is not close enough to it. Arguments as for engines.open_engine."""
    device = device or torch.device("cpu")

    @cache
    def load():
        pin_threads(threads)  # torch may have been imported after the job's start
        return place(backbone.network().eval(), device, layout)

    def make():
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
