"""Fetch a pretrained network, checked against known sha256 sums, and store its weights in one safe form."""

from pathlib import Path

from graft.common.job import job
from graft.fetch.backbones import fetch_backbone
from graft.fetch.untrained import write_twin


def main(name, entry, base, output, lock):
    """Fetch a backbone; one whose twin is trained (`base`, a path or None) is made of that one's folder."""
    if base:
        write_twin(name, base, entry, Path(output).parent)
    else:
        fetch_backbone(name, entry, Path(output).parent, lock)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            name=snakemake.wildcards.backbone,
            entry=snakemake.params.entry,
            base=snakemake.input.get("base"),
            output=snakemake.output[0],
            lock=snakemake.config["lock"],
        )
