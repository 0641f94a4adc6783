"""Fit the steps of a backbone's preprocessing that learn from data: on the train rows, and on no others."""

import logging
from types import SimpleNamespace

from safetensors.torch import save

from graft.common.errors import UserError
from graft.common.job import job
from graft.common.outputs import read_json, write_bytes
from graft.data.samples import read_manifest
from graft.embedding.input_batches import open_inputs, open_source
from graft.networks import preprocessing

logger = logging.getLogger("graft")


def main(samples, dataset, entry, backbone, output, threads=1):
    """Write what the steps of `backbone` (path of backbone.json) learn from the data set's train rows."""
    manifest, spec = read_manifest(samples, without_test=True), read_json(backbone)
    rows = manifest.part("labelled")
    rows = rows[rows["split"] == "train"]
    if not len(rows):
        raise UserError("the data set has no train row", where=manifest.card["dataset"])
    source = open_source(dataset, entry, manifest.card)
    vectors = open_inputs(rows, source, SimpleNamespace(spec=spec), None, threads).vectors
    state = preprocessing.fit(spec["preprocessing"]["steps"], vectors, preprocessing.axis_of_card(manifest.card))
    write_bytes(output, save(state))
    logger.info("fitted on %d train rows: %s", len(rows), ", ".join(f"{k} {tuple(v.shape)}" for k, v in state.items()))


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            dataset=snakemake.input.dataset,
            entry=snakemake.config["datasets"][snakemake.wildcards.dataset],
            backbone=snakemake.input.backbone,
            output=snakemake.output.fitted,
            threads=snakemake.threads,
        )
