"""From the inputs of the rules that embed to what is embedded, by which backbone."""

from pathlib import Path
from types import SimpleNamespace

from graft.data.samples import read_manifest
from graft.embedding import features
from graft.embedding.input_batches import open_source
from graft.store import Store


def open_embedding(inputs, part, entry, store):
    """What a rule embeds, and by which backbone: the fetched one, or that of a trained model.

    Parameters
    ----------
    inputs : dict, name -> path as the rule has it: samples, dataset, backbone; model, where a trained one embeds; fitted,
        where the preprocessing of vectors has such numbers
    part : "labelled" or "pool"
    entry, store : dict, the data set's entry and the store of the config

    Returns
    -------
    SimpleNamespace with rows, source, backbone and store
    """
    manifest, folder = read_manifest(inputs["samples"]), Path(inputs["backbone"]).parent
    if "model" in inputs:
        from graft.networks import network  # here, since a pretrained network that is converted needs no torch

        backbone = features.trained(network.load(inputs["model"]), folder)
    else:
        backbone = features.pretrained(folder, manifest.card, inputs.get("fitted"))
    return SimpleNamespace(
        rows=manifest.part(part),
        source=open_source(inputs["dataset"], entry, manifest.card),
        backbone=backbone,
        store=Store.of(store),
    )
