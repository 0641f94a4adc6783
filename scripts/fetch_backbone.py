"""Fetch a pretrained network, checked against known sha256 sums, and store its weights in one safe form."""

from pathlib import Path

from graft.common.job import job
from graft.fetch.backbones import fetch_backbone

if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        fetch_backbone(
            name=snakemake.wildcards.backbone,
            entry=snakemake.params.entry,
            output_dir=Path(snakemake.output[0]).parent,
            lock_path=snakemake.config["lock"],
        )
