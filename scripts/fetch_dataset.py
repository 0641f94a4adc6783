"""Fetch a data set's files from the source that the config names, checked against known sha256 sums."""

from graft.common.job import job
from graft.fetch.datasets import fetch_dataset


def main(name, entry, output_dir, lock):
    fetch_dataset(name, entry, output_dir, lock)


if "snakemake" in globals():
    from pathlib import Path

    with job(snakemake.log[0], snakemake.threads):
        main(
            name=snakemake.wildcards.dataset,
            entry=snakemake.params.entry,
            output_dir=Path(snakemake.output[0]).parent,
            lock=snakemake.config["lock"],
        )
