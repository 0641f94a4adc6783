"""Fetch a data set's files from the source that the config names, checked against known sha256 sums."""

from pathlib import Path

from graft.common.job import job
from graft.fetch.datasets import fetch_dataset

if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        fetch_dataset(
            name=snakemake.wildcards.dataset,
            entry=snakemake.params.entry,
            output_dir=Path(snakemake.output[0]).parent,
            lock_path=snakemake.config["lock"],
        )
