"""Read a data set once: who its samples are, which split they are in, what is wrong with them."""

from graft.common.fingerprint import root_of
from graft.common.job import job
from graft.common.outputs import read_json
from graft.data.prepare import ROLE, prepare, write


def main(name, dataset, entry, outputs, threads=1, role=ROLE):
    cache = outputs["samples"].with_name(".checked.parquet")
    prepared = prepare(name, entry, root_of(dataset), threads, cache, role)
    facts = read_json(dataset)
    prepared.card |= {"source": facts.get("source"), "licence": entry.get("licence") or facts.get("licence")}
    write(prepared, outputs)


if "snakemake" in globals():
    from pathlib import Path

    with job(snakemake.log[0], snakemake.threads):
        main(
            name=snakemake.wildcards.dataset,
            dataset=snakemake.input.dataset,
            entry=snakemake.params.entry,
            outputs={key: Path(path) for key, path in snakemake.output.items()},
            threads=snakemake.threads,
            role=snakemake.params.role,
        )
