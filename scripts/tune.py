"""Time a few batches of a backbone in every numeric mode on this machine; the modes that pay are to be written down."""

import logging
import tempfile
from pathlib import Path

import numpy as np

from graft.common.device import choose_device, choose_precision, precisions
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json
from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.engines import wanted
from graft.embedding.engines.torch import Torch
from graft.embedding.input_batches import open_inputs, open_source
from graft.networks.placing import place
from graft.store import Store
from graft.training.measured_speed import BATCH, FORWARDS, embedding_rate, spread, training_rate
from graft.training.numeric_modes import propose

logger = logging.getLogger("graft")
LAYOUTS = ("channels_last", "contiguous")


def main(samples, dataset, entry, folder, output, gpus=0, threads=1, with_kernels=True):
    """Write the modes' rates, and the one to write into the config, if that is not what the default rule takes."""
    manifest = read_manifest(samples)
    source = open_source(dataset, entry, manifest.card)
    backbone, device = features.pretrained(folder, manifest.card), choose_device(gpus)
    rows = spread(manifest.frame.drop_duplicates("content_sha256"), FORWARDS)
    with tempfile.TemporaryDirectory() as store:
        inputs = open_inputs(rows, source, backbone, Store(store), threads)

        def convert(precision):
            if wanted("auto", device, 0, 0) == "torch":
                return None
            mode = {"device": device, "threads": threads, "engine": "openvino"}
            engine = features.engine_for(rows, source, backbone, Store(store), precision, **mode)
            return engine if engine.made_by["engine"] == "openvino" else None

        modes = measure(backbone, inputs, device, convert, with_kernels)
    engine = "openvino" if any(mode["engine"] == "openvino" for mode in modes) else "torch"
    default = {"engine": engine, "precision": choose_precision("auto", device), "layout": "channels_last"}
    found = {"device": device.type, "threads": threads, "modes": modes, "default": default}
    write_json(output, {**found, "proposed": propose(modes, default)})


def measure(backbone, inputs, device, convert, with_kernels=True):
    """Rates of embedding and training, and the least cosine with float32, for every engine, precision and layout.

    `convert` : callable, precision -> the engine that OpenVINO makes of the backbone, or None
    """
    modes, exact = [], None
    few = np.arange(min(BATCH, len(inputs.lengths)))
    for precision in precisions(device):
        for layout in LAYOUTS if backbone.spec["modality"] == "image" else LAYOUTS[:1]:
            network = place(backbone.network().eval(), device, layout)
            engines = {"torch": Torch(lambda network=network: network, device, precision)}
            if layout == LAYOUTS[0] and (converted := convert(precision)) is not None:
                engines["openvino"] = converted
            batch = inputs.prepare(inputs.batch(few), device)
            trained = training_rate(network, batch, device, precision, len(few), with_kernels)["trained_per_s"]
            for name, engine in engines.items():
                found, _ = features.forward(engine, inputs)
                exact = found if exact is None else exact
                mode = {"engine": name, "precision": precision, "layout": layout}
                rates = {"embedded_per_s": embedding_rate(engine, inputs), "trained_per_s": trained}
                modes.append(mode | rates | {"cosine": float(_cosine(exact, found).min())})
                logger.info("%s", modes[-1])
    return modes


def _cosine(a, b):
    return (a * b).sum(1) / np.maximum(np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1), 1e-12)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            folder=Path(snakemake.input.backbone).parent,
            output=snakemake.output.modes,
            gpus=gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            threads=snakemake.threads,
            with_kernels=snakemake.config["device"]["cpu_kernels"],
        )
