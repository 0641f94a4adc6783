"""Embed one job's share of a part of a data set into the store; `embed` puts the parts together."""

from graft.common.device import choose_device
from graft.common.job import gpus_of, job
from graft.common.outputs import write_json
from graft.embedding import features
from graft.embedding.rule_inputs import open_embedding


def main(embedding, item, mode, output, counts_log, gpus=0, threads=1):
    """Embed what the store lacks of the share `item` ('2-of-8').

    What made the embeddings (engine and precision) goes to `output`, what it cost to `counts_log`.
    """
    number, jobs = map(int, item.split("-of-"))
    modality = embedding.backbone.spec["modality"]
    rows = features.share_of(embedding.rows, number - 1, jobs, modality)
    device = choose_device(gpus) if gpus else None
    made_by, counts = features.embed_missing(
        rows, embedding.source, embedding.backbone, embedding.store, device=device, threads=threads, **mode
    )
    write_json(counts_log, counts)
    write_json(output, made_by)


if "snakemake" in globals():
    with job(snakemake.log[0], snakemake.threads):
        main(
            open_embedding(
                dict(snakemake.input.items()),
                snakemake.wildcards.part,
                snakemake.config["datasets"][snakemake.wildcards.dataset],
                snakemake.config["store"],
            ),
            snakemake.wildcards.scatteritem,
            snakemake.params.mode,
            snakemake.output.done,
            snakemake.log.counts,
            gpus_of(snakemake.resources.get("gpu", 0), snakemake.config["device"]["rehearsal"]),
            snakemake.threads,
        )
