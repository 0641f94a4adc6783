"""Embed one part of a data set with a frozen backbone, pretrained or fine-tuned, forwarding only what the store lacks."""

import logging
from pathlib import Path

import torch  # noqa: F401  (before `job`, which pins its threads)

from graft import features, network
from graft.device import choose_device
from graft.feature_files import write_features
from graft.inputs import open_source
from graft.job import job
from graft.outputs import write_json
from graft.samples import read_manifest
from graft.store import Store

logger = logging.getLogger("graft")


def main(samples, dataset, part, entry, folder, model, store, output, counts, mode, gpus=0, threads=1):
    """Embed `part` ('labelled' or 'pool'); write the embeddings to `output` and what they cost to `counts`.

    The backbone is the fetched one in `folder`, or that of the trained `model` (path of an ft_model.pt). `mode` has the
    precision and layout that it runs in.
    """
    manifest = read_manifest(samples)
    rows = manifest.part(part)
    source = open_source(dataset, entry, manifest.card)
    backbone = features.trained(network.load(model), folder) if model else features.pretrained(folder, manifest.card)
    blocks, done = features.embed_blocks(
        rows, source, backbone, store, mode["precision"], choose_device(gpus), threads, mode["layout"]
    )
    write_features(output, rows, blocks)
    logger.info("%d samples: %d decoded, %d forwarded", done["samples"], done["decodes"], done["forwards"])
    write_json(counts, done)


if "snakemake" in globals():
    with job(snakemake):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            part=snakemake.wildcards.part,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            folder=Path(snakemake.input.backbone).parent,
            model=snakemake.input.get("model"),
            store=Store.of(snakemake.config["store"]),
            output=snakemake.output.features,
            counts=snakemake.log.counts,
            mode=snakemake.params.mode,
            gpus=snakemake.resources.get("gpu", 0),
            threads=snakemake.threads,
        )
