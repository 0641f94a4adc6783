"""Measure how near validation, test and pool rows are to the train rows, by embeddings that are there already."""

from graft.common.job import job
from graft.common.outputs import write_json
from graft.data.samples import read_manifest
from graft.evaluation.nearness import measure
from graft.store.feature_files import blocks_of


def main(samples, features, backbone, output):
    """Write what nearness.measure says; `features` are the paths of all parts, `backbone` says whose they are."""
    manifest = read_manifest(samples)
    is_vector = manifest.card["modality"] == "vector"
    measured = measure(lambda: blocks_of(manifest.frame, *features), manifest.frame, is_vector)
    write_json(output, {"dataset": manifest.card["dataset"], "backbone": backbone, **measured})


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            samples=snakemake.input.samples,
            features=list(snakemake.input.features),
            backbone=snakemake.params.backbone,
            output=snakemake.output.nearness,
        )
