"""Write down which settings a search tries, so that a later run tries the same."""

from graft.common.job import job
from graft.common.outputs import write_json

if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        write_json(snakemake.output.plan, snakemake.params.plan)
