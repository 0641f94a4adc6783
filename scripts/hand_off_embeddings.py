"""Hand over the embeddings of a data set by one backbone: the labelled samples and the pool in one file."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graft.common.job import job
from graft.common.outputs import read_parquet_parts, write_parquet_parts


def main(features, output):
    """Concatenate features files; the column "part" says which one (labelled or pool) a row comes from."""
    schema = pq.read_schema(features[0]).remove_metadata().append(pa.field("part", pa.string()))
    write_parquet_parts(output, schema, blocks(features, schema))


def blocks(features, schema):
    """The rows of all files with their part, a block at a time."""
    for path in features:
        for block in read_parquet_parts(path):
            part = pa.array([Path(path).stem] * len(block), pa.string())
            yield pa.table([*block.columns, part], schema)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(features=list(snakemake.input.features), output=snakemake.output.embeddings)
