"""Run a backbone on a few samples of a data set: how fast it embeds and trains here, and what a sample costs."""

import logging
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from graft import features, kernels
from graft.device import choose_device, choose_precision
from graft.inputs import open_inputs, open_source
from graft.job import gpus_of, job
from graft.network import Network
from graft.outputs import write_json
from graft.samples import read_manifest
from graft.store import Store
from graft.training import set_train

logger = logging.getLogger("graft")
FORWARDS, BATCH = 64, 16  # samples; few, so that a look stays a look


def main(samples, dataset, entry, folder, store, output, precision, gpus=0, threads=1):
    """Write what was measured (see `measure`), and how many samples of the data set the store lacks."""
    manifest = read_manifest(samples)
    source = open_source(dataset, entry, manifest.card)
    backbone = features.pretrained(folder, manifest.card)
    facts = {"library": backbone.spec["library"], "modality": backbone.spec["modality"]}
    if backbone.spec["library"] != "vectors":
        device = choose_device(gpus)
        precision = choose_precision(precision, device)
        table = features.table_of(source, backbone, store, precision)
        rows = manifest.frame.drop_duplicates("content_sha256")
        facts |= {"forwards": len(table.missing(list(rows["content_sha256"]))), "threads": threads}
        facts |= {"device": device.type, "precision": precision}
        facts |= measure(spread(rows, FORWARDS), source, backbone, device, precision, threads)
        logger.info("%.1f samples/s forward, %.1f samples/s trained", facts["embedded_per_s"], facts["trained_per_s"])
    write_json(output, facts)


def spread(rows, count):
    """At most `count` rows, evenly over the table: every class and kind of file has its chance."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))
    return rows.iloc[places].reset_index(drop=True)


def measure(rows, source, backbone, device, precision, threads):
    """Rates of decoding, embedding and training on `rows`, and the operations and memory of a sample.

    Returns
    -------
    dict with decoded_per_s, embedded_per_s, trained_per_s (samples per second), operations (of one forward, multiply
    and add counted apart), activation_bytes (kept for the backward, per sample), parameters, width, bytes_decoded
    (per sample, in the store), tokens (per sample, texts only)
    """
    with tempfile.TemporaryDirectory() as folder:  # not the user's store: what is measured must be done anew each time
        counts, start = {}, time.perf_counter()
        inputs = open_inputs(rows, source, backbone, Store(folder), counts, threads)
        decoding = time.perf_counter() - start
        network = kernels.place(backbone.network().eval(), device)
        few = range(min(BATCH, len(rows)))
        facts = {
            "decoded_per_s": len(rows) / decoding,
            "embedded_per_s": embedding_rate(network, inputs, device, precision),
            **cost_of_one(network, inputs, device),
            **training_rate(network, inputs.prepare(inputs.batch(np.array(few)), device), device, precision, len(few)),
            "width": backbone.spec["width"],
            "bytes_decoded": Store(folder).size() / len(rows),
        }
    return facts | ({"tokens": counts["tokens"] / len(rows)} if "tokens" in counts else {})


def embedding_rate(network, inputs, device, precision):
    """Samples per second, after a first pass that no one counts."""
    counts = {"forwards": 0, "padded_tokens": 0}
    features.forward(network, inputs, device, precision, counts)
    start = time.perf_counter()
    features.forward(network, inputs, device, precision, counts)
    return len(inputs.lengths) / (time.perf_counter() - start)


def cost_of_one(network, inputs, device):
    """Operations of a forward pass of one sample of usual length, and the parameters."""
    usual = int(np.argsort(inputs.lengths)[len(inputs.lengths) // 2])
    batch = inputs.prepare(inputs.batch(np.array([usual])), device)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(batch)
    return {
        "operations": counter.get_total_flops(),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
    }


def training_rate(network, batch, device, precision, size):
    """Samples per second of two steps, after one that no one counts, and what a sample keeps for the backward."""
    model, kept = Network(network, {"label": 2}).to(device), []
    set_train(model, freeze_batchnorm=True)
    running = kernels.training(model, features.first_of(batch), device, precision, True, False)

    def keep(tensor):
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    def step():
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"), running():
            loss = model(batch)["label"].float().logsumexp(1).mean()
        loss.backward()
        return float(loss.detach())

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        step()
    start = time.perf_counter()
    step(), step()
    return {
        "trained_per_s": 2 * size / (time.perf_counter() - start),
        "activation_bytes": sum(kept) / size,
    }


if "snakemake" in globals():
    with job(snakemake):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            folder=Path(snakemake.input.backbone).parent,
            store=Store(snakemake.config["store"]["path"], snakemake.config["store"]["max_gb"]),
            output=snakemake.output.measured,
            precision=snakemake.params.mode["precision"],
            gpus=gpus_of(snakemake),
            threads=snakemake.threads,
        )
