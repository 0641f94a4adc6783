"""Hand over the predictions of every model and seed for one target as one table."""

import json

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from graft.common.errors import UserError, raise_all
from graft.common.job import job
from graft.common.outputs import read_parquet_parts, write_parquet_parts
from graft.evaluation.tables import prediction_metadata


def main(predictions, output):
    """Concatenate prediction tables: models sorted by name, seeds by number, samples in their own order.

    The metadata keep "target" and "classes"; "model_digests" maps model.seedN to the digest of its weights.
    """
    parts = sorted((read(path) for path in predictions), key=lambda part: (part["model"], part["seed"]))
    check(parts)
    digests = {f"{part['model']}.seed{part['seed']}": part["facts"]["model_digest"] for part in parts}
    facts = parts[0]["facts"]
    metadata = {
        "target": facts["target"],
        "classes": json.dumps(facts["classes"], ensure_ascii=False),
        "model_digests": json.dumps(digests),
    }
    schemas = [pq.read_schema(part["path"]).remove_metadata() for part in parts]
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    write_parquet_parts(output, schema, blocks(parts, schema), metadata)


def blocks(parts, schema):
    """The rows of all parts, in `schema`, a block at a time."""
    for part in parts:
        for block in read_parquet_parts(part["path"]):
            block = block.replace_schema_metadata(None)
            yield pa.concat_tables([schema.empty_table(), block], promote_options="permissive")


def read(path):
    """Who made a prediction table, and what its metadata say."""
    table = pq.read_table(path, columns=["model", "seed"])
    names = {column: pc.unique(table[column]).to_pylist() for column in ("model", "seed")}
    if any(len(values) != 1 for values in names.values()):
        raise UserError(f"holds predictions of {names}, not of one model and seed", where=str(path))
    return {
        "path": path,
        "model": names["model"][0],
        "seed": names["seed"][0],
        "facts": prediction_metadata(pq.read_schema(path), path),
    }


def check(parts):
    """Refuse tables that do not speak of the same target and classes in the same order."""
    first, errors = parts[0], []
    for part in parts[1:]:
        for key in ("target", "classes"):
            if part["facts"][key] != first["facts"][key]:
                errors.append(
                    UserError(
                        f"has the {key} {part['facts'][key]!r}, but {first['path']} has {first['facts'][key]!r}",
                        where=str(part["path"]),
                        hint="it is older than the labels: delete it and run the workflow again",
                    )
                )
    raise_all(errors)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(predictions=list(snakemake.input.predictions), output=snakemake.output.predictions)
