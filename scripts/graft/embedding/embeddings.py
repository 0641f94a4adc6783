"""From the inputs of the rules that embed to what is embedded, by which backbone."""

from pathlib import Path
from types import SimpleNamespace

from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.inputs import open_source
from graft.networks import network
from graft.store import Store


def open_embedding(snakemake):
    """SimpleNamespace with rows, source, backbone (the fetched one, or that of a trained model) and store."""
    manifest, folder = read_manifest(snakemake.input.samples), Path(snakemake.input.backbone).parent
    entry, model = snakemake.config["datasets"][snakemake.wildcards.dataset], snakemake.input.get("model")
    return SimpleNamespace(
        rows=manifest.part(snakemake.wildcards.part),
        source=open_source(snakemake.input.dataset, entry, manifest.card),
        backbone=features.trained(network.load(model), folder) if model else features.pretrained(folder, manifest.card),
        store=Store.of(snakemake.config["store"]),
    )
