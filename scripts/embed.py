"""Embed one part of a data set with a frozen backbone, pretrained or fine-tuned, forwarding only what the store lacks."""

import logging

from graft.common.device import choose_device
from graft.common.job import gpus_of, job
from graft.common.outputs import read_json, write_json
from graft.embedding import features
from graft.embedding.rule_inputs import open_embedding
from graft.store.feature_files import write_features

logger = logging.getLogger("graft")


def main(embedding, shards, mode, output, counts, gpus=0, threads=1):
    """Write the embeddings of a part to `output`, and what they cost to `counts`.

    `shards` are the files that jobs wrote which embedded a share each; what they made is looked for in the store. `mode`
    has the precision, layout and engine of what is left to do.
    """
    blocks, done = features.embed_blocks(
        embedding.rows,
        embedding.source,
        embedding.backbone,
        embedding.store,
        shards=read_json(shards[0]) if shards else None,
        device=choose_device(gpus) if gpus else None,
        threads=threads,
        **mode,
    )
    write_features(output, embedding.rows, blocks)
    logger.info("%d samples: %d decoded, %d forwarded", done["samples"], done["decodes"], done["forwards"])
    write_json(counts, done)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            open_embedding(
                dict(snakemake.input.items()),
                snakemake.wildcards.part,
                snakemake.config["datasets"][snakemake.wildcards.dataset],
                snakemake.config["store"],
            ),
            list(snakemake.input.get("shards", [])),
            snakemake.params.mode,
            snakemake.output.features,
            snakemake.log.counts,
            gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            snakemake.threads,
        )
