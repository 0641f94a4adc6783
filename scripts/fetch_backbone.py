"""Fetch a pretrained network, checked against known sha256 sums, and store its weights in one safe form."""

from graft.common.job import job
from graft.fetch.backbones import fetch_backbone


def main(name, entry, output_dir, lock):
    fetch_backbone(name, entry, output_dir, lock)


if "snakemake" in globals():
    from pathlib import Path

    with job(snakemake.log[0], snakemake.threads):
        main(
            name=snakemake.wildcards.backbone,
            entry=snakemake.params.entry,
            output_dir=Path(snakemake.output[0]).parent,
            lock=snakemake.config["lock"],
        )
