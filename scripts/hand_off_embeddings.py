"""Hand over the embeddings of a data set by one backbone: the labelled samples and the pool in one file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graft.job import job
from graft.outputs import write_parquet


def main(features, output):
    """Concatenate features files; the column "part" says which one (labelled or pool) a row comes from."""
    tables = []
    for path in features:
        table = pq.read_table(path)
        part = pa.array([Path(path).stem] * len(table), pa.string())
        tables.append(table.append_column("part", part).replace_schema_metadata(None))
    write_parquet(output, pa.concat_tables(tables))


if "snakemake" in globals():
    with job(snakemake):
        main(features=list(snakemake.input.features), output=snakemake.output.embeddings)
