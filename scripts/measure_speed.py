"""Run a backbone on a few samples of a data set: how fast it embeds and trains here, and what a sample costs."""

import logging
import tempfile
import time
from pathlib import Path

import numpy as np

from graft.common.device import choose_device, choose_precision
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_inputs, open_source
from graft.networks.placing import place
from graft.store import Store
from graft.training.measured_speed import BATCH, FORWARDS, cost_of_one, embedding_rate, spread, training_rate

logger = logging.getLogger("graft")


def main(
    samples,
    dataset,
    entry,
    folder,
    store,
    output,
    precision,
    gpus=0,
    threads=1,
    fitted=None,
    engine="torch",
    with_kernels=True,
):
    """Write what was measured (see `measure`), and how many samples of the data set the store lacks."""
    manifest = read_manifest(samples)
    source = open_source(dataset, entry, manifest.card)
    backbone = features.pretrained(folder, manifest.card, fitted)
    facts = {"library": backbone.spec["library"], "modality": backbone.spec["modality"]}
    if backbone.spec["library"] != "vectors":
        device = choose_device(gpus)
        precision = choose_precision(precision, device)
        rows = manifest.frame.drop_duplicates("content_sha256")
        mode = {"device": device, "threads": threads, "engine": engine}
        engine = features.engine_for(rows, source, backbone, store, precision, **mode)
        table = features.table_of(source, backbone, store, engine.made_by)
        facts |= {"forwards": len(table.missing(list(rows["content_sha256"]))), "threads": threads}
        facts |= {"device": device.type, **engine.made_by}
        facts |= measure(spread(rows, FORWARDS), source, backbone, engine, device, precision, threads, with_kernels)
        logger.info("%.1f samples/s forward, %.1f samples/s trained", facts["embedded_per_s"], facts["trained_per_s"])
    write_json(output, facts)


def measure(rows, source, backbone, engine, device, precision, threads, with_kernels):
    """Rates of decoding, embedding (by `engine`) and training on `rows`, and the operations and memory of a sample.

    Returns
    -------
    dict with decoded_per_s, embedded_per_s, trained_per_s (samples per second), operations (of one forward, multiply
    and add counted apart), activation_bytes (kept for the backward, per sample), parameters, width, bytes_decoded
    (per sample, in the store), tokens (per sample, texts only)
    """
    with tempfile.TemporaryDirectory() as folder:  # not the user's store: what is measured must be done again each time
        start = time.perf_counter()
        inputs = open_inputs(rows, source, backbone, Store(folder), threads)
        decoding = time.perf_counter() - start
        network = place(backbone.network().eval(), device)
        batch = inputs.prepare(inputs.batch(np.arange(min(BATCH, len(rows)))), device)
        facts = {
            "decoded_per_s": len(rows) / decoding,
            "embedded_per_s": embedding_rate(engine, inputs),
            **cost_of_one(network, inputs, device),
            **training_rate(network, batch, device, precision, min(BATCH, len(rows)), with_kernels),
            "width": backbone.spec["width"],
            "bytes_decoded": Store(folder).size() / len(rows),
        }
    return facts | ({"tokens": inputs.counts["tokens"] / len(rows)} if "tokens" in inputs.counts else {})


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            folder=Path(snakemake.input.backbone).parent,
            store=Store.of(snakemake.config["store"]),
            output=snakemake.output.measured,
            precision=snakemake.params.mode["precision"],
            gpus=gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            threads=snakemake.threads,
            fitted=snakemake.input.get("fitted"),
            engine=snakemake.params.mode["engine"],
            with_kernels=snakemake.config["device"]["cpu_kernels"],
        )
