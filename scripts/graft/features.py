"""Embeddings of a data set, forwarding only the samples that the store lacks."""

import logging
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch

from graft import backbones
from graft.device import autocast, choose_precision
from graft.errors import UserError
from graft.inputs import open_inputs, transform_key
from graft.job import Progress
from graft.network import from_dict
from graft.outputs import read_json

logger = logging.getLogger("graft")
SHARD = 2048  # embeddings per shard: an interruption loses at most these
BATCH = 32


def embed(rows, source, backbone, store, precision="auto", device=None, threads=1):
    """Embeddings of `rows` by a frozen backbone.

    Parameters
    ----------
    rows : DataFrame with sample_id, path, row, content_sha256
    source : SimpleNamespace with entry, root, card (see inputs.open_source)
    backbone : SimpleNamespace with spec, folder, weights (digest) and network() -> Module
    store : Store
    precision : 'auto', 'fp32' or 'bf16'

    Returns
    -------
    float32 array, shape (n, width), and the counts: dict of "samples", "decodes", "forwards", "tokens", "padded_tokens"
    """
    device = device or torch.device("cpu")
    precision = choose_precision(precision, device)
    counts = {"samples": len(rows), "decodes": 0, "forwards": 0, "tokens": 0, "padded_tokens": 0}
    if backbone.spec["library"] == "vectors":
        inputs = open_inputs(rows, source, backbone, store, counts, threads)
        return inputs.vectors.astype(np.float32), counts
    table = table_of(source, backbone, store, precision)
    missing = set(table.missing(list(rows["content_sha256"])))
    if missing:
        wanted = rows[rows["content_sha256"].isin(missing)].drop_duplicates("content_sha256")
        network = backbone.network().to(device, memory_format=torch.channels_last).eval()
        progress = Progress("embedding", len(wanted))
        for start in range(0, len(wanted), SHARD):
            block = wanted.iloc[start : start + SHARD]
            inputs = open_inputs(block, source, backbone, store, counts, threads)
            table.append(list(block["content_sha256"]), forward(network, inputs, device, precision, counts, progress))
    return table.read(list(rows["content_sha256"])), counts


def table_of(source, backbone, store, precision):
    """The store's table of the embeddings of a data set by a backbone; `precision` is 'fp32' or 'bf16'."""
    return store.table(
        "embeddings",
        (backbone.spec["width"],),
        np.float32,
        weights=backbone.weights,
        transform=transform_key(backbone.spec, source.card),
        precision=precision,
    )


@torch.inference_mode()
def forward(network, inputs, device, precision, counts, progress=None):
    """The network's output for every input, longest first so that batches hardly pad; float32, shape (n, width)."""
    order = np.argsort(-inputs.lengths, kind="stable")
    outputs = [None] * len(order)
    for start in range(0, len(order), BATCH):
        indices = order[start : start + BATCH]
        batch = inputs.prepare(inputs.batch(indices), device)
        with autocast(device, precision):
            values = network(batch)
        for i, value in zip(indices, values.float().cpu().numpy(), strict=True):
            outputs[i] = value
        counts["forwards"] += len(indices)
        counts["padded_tokens"] += int(inputs.lengths[indices].max()) * len(indices)
        if progress:
            progress.add(len(indices))
    outputs = np.stack(outputs)
    if not np.isfinite(outputs).all():
        raise UserError("the backbone gave NaN or infinite embeddings", hint="try device.precision: fp32")
    return outputs


def pretrained(folder, card):
    """A fetched backbone, ready for `embed`; its weights are read only if something must be forwarded.

    Vectors have no backbone: they are their own embedding, as wide as the data set's card says.
    """
    spec = read_json(Path(folder) / "backbone.json")
    if spec["library"] == "vectors":
        spec |= {"width": card["vector"]["width"], "weights_sha256": "identity"}
        identity = partial(backbones.build, spec)
        return SimpleNamespace(spec=spec, folder=folder, weights="identity", network=identity, stored=identity)
    return SimpleNamespace(
        spec=spec,
        folder=folder,
        weights=spec["weights_sha256"],
        network=partial(backbones.load, folder),
        stored=partial(backbones.Stored, folder),
    )


def trained(content, folder):
    """The backbone of a trained model (what network.load returned); `folder` holds its tokenizer."""
    return SimpleNamespace(
        spec=content["backbone"],
        folder=folder,
        weights=content["digests"]["backbone"],
        network=lambda: from_dict(content).backbone,
    )
